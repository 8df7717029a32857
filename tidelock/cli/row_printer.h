// Rows of a query as text: a table for people, CSV or JSON for programs. In constant memory, however many there are.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/sql/statement.h"

namespace tidelock::cli {

enum class RowFormat : std::uint8_t { table, csv, json };
std::optional<RowFormat> row_format_named(std::string_view name);

// Prints all of them, and ends the query. The columns of a table are as wide as its first thousand rows need,
// or its first MiB.
// csv is RFC 4180 with \n: a null is nothing, an empty text "". json is one line: {"columns": […], "rows": [[…], …]};
// what JSON has no form for is text. Errors: those of the query; OutputLost (output.h): a full disk, or a reader that
// has gone, ends the query as well.
void print_rows(sql::Rows& rows, RowFormat format, std::ostream& out);

// One value as the formats have it: in a table on one line, where nothing in it controls the terminal.
std::string table_cell(const sql::ValueView& value);
nlohmann::ordered_json json_cell(const sql::ValueView& value);

// What is shown for a statement that returns no rows.
void print_changes(std::int64_t rows, RowFormat format, std::ostream& out);

}  // namespace tidelock::cli

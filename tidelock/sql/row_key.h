// Names of tables, and what the rows of a table can be gone through by: for delete_in_chunks().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/database.h"

namespace tidelock::sql {

// A table's name as a statement takes it, and its parts as the catalogue has them.
struct TableName {
  std::string text;
  std::string schema;  // Empty: the one that is looked in first.
  std::string name;
};
// Error: invalid_argument unless it is name or schema.name.
TableName parse_table_name(std::string_view text, const Dialect& dialect);
// The same name with each of its parts in quotes. Also takes catalog.schema.name, which some engines have.
std::string quoted_table_name(std::string_view text, const Dialect& dialect);

struct RowKey {
  std::vector<std::string> columns;  // As a statement takes them; empty when `row_id` is all there is.
  // What names a row for a moment, to choose some rows by, where there is no key: "rowid", or "tableoid, ctid". Empty:
  // nothing does, but DELETE … LIMIT works.
  std::string row_id{};
};

// The columns given, else the primary key, else what the engine has. Error: unsupported on an engine that it knows
// nothing about, when no column is given.
RowKey find_row_key(Connection& connection, const TableName& table, const std::vector<std::string>& columns);

// Values of a key as one line of JSON, and back. Errors: invalid_argument for a null, a number with a floating point,
// JSON itself, or text that is none.
std::string key_to_text(const std::vector<Value>& key);
std::vector<Value> key_from_text(std::string_view text, std::size_t columns);

}  // namespace tidelock::sql

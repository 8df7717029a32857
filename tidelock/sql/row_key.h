// Names of tables, and what the rows of a table can be gone through by: for delete_in_chunks().
#pragma once

#include <span>
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

// Expressions of a statement. They differ from the column's name where the engine orders its values by numbers of
// theirs and compares them as texts (the members of an ENUM).
struct KeyColumn {
  std::string text;         // What rows are ordered and compared by.
  std::string value{text};  // What is read, to be compared with it.
  bool numbered = false;    // That is the number of a member.
};

struct RowKey {
  std::vector<KeyColumn> columns;  // Empty when `row_id` is all there is.
  // What names a row for a moment, to choose some rows by, where there is no key: "rowid", or "tableoid, ctid". Empty:
  // nothing does, but DELETE … LIMIT works.
  std::string row_id{};
};

// The columns given, else the primary key, else what the engine has. The table is the one that a statement on this
// connection finds by the name: the same letters elsewhere, or in another case, are another table's. Errors: those of
// the engine for a table that is not there; unsupported on an engine that it knows nothing about, when no column is
// given.
RowKey find_row_key(Connection& connection, const TableName& table, const std::vector<std::string>& columns);

// Values of a key as one line of JSON, and back. Errors: invalid_argument for a null, a number with a floating point,
// JSON itself, or text that is none.
std::string key_to_text(const std::vector<Value>& key);
std::vector<Value> key_from_text(std::string_view text, std::span<const KeyColumn> columns);

}  // namespace tidelock::sql

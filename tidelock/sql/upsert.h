// Insert a row, or change the one that is there: every engine has it, each in its own words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql {

struct Upsert {
  std::string_view table;            // As it is written in SQL.
  std::vector<std::string> columns;  // All that is inserted, in the order of the values.
  std::vector<std::string> key;      // Some of the columns: those of one primary key or unique index.
  std::vector<std::string> update;   // What a row with that key takes over; none: it stays as it is.
};

// The statement for so many rows, with a `?` for each value, row by row. Where the engine speaks of any unique index
// instead of a named one (MariaDB), a row that meets another index is changed too.
//
// Errors of the statement: constraint_violation for another index than that of the key; two rows of one statement with
// the same key are refused by some engines.
std::string upsert_statement(const Dialect& dialect, const Upsert& upsert, std::size_t rows = 1);

}  // namespace tidelock::sql

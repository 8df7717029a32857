// SQL of a pipeline: statements separated by ';', with the named values $now, $today and $yesterday.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/batch/moment.h"
#include "tidelock/sql/dialect.h"
#include "tidelock/sql/value.h"

namespace tidelock::batch {

// One statement, for Executor::execute_values().
struct BoundStatement {
  std::string sql;                     // With a ? for each named value.
  std::vector<sql::ValueView> values;  //
  std::size_t line = 1;                // Of the script, where it begins.
};

// Splits a script as sql::Lexer reads it. A $name means nothing inside a string, a quoted identifier, a comment or a
// dollar quote; `??` is left alone; a trigger of SQLite ends with its `end;`. Empty for a script without statements.
// Errors: statement_invalid for a $name that is none of the three, a `?`, and text that does not end; with name and
// line.
std::vector<BoundStatement> split_script(std::string_view name, std::string_view text, const sql::Lexis& lexis,
                                         const Moment& moment);

}  // namespace tidelock::batch

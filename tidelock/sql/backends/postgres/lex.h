// The words of SQL text as PostgreSQL reads it: enough to tell statements apart and to see what they may leave behind.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/dialect.h"
#include "tidelock/sql/lexer.h"

namespace tidelock::sql::postgres {

inline constexpr Lexis kLexis{.dollar_quotes = true,
                              .escape_strings = true,
                              .nested_comments = true,
                              .numbered_placeholders = true,
                              .return_ends_comment = true,
                              .user_is_value = true};

// Without blanks and comments. What does not end goes to the end of the text: the server refuses it.
std::vector<Token> tokens(std::string_view sql);

// The highest n of a $n in it.
std::size_t count_parameters(std::string_view sql);

// The statements of a script, without those that are empty. Knows the bodies of functions, quoted and BEGIN ATOMIC.
std::vector<std::string_view> statements(std::string_view script);

// What becomes of a session and a database by running a statement, as far as its text tells.
struct Effects {
  bool may_write = true;        // It may change the database, so that a lost answer leaves it unknown.
  bool may_leave_state = true;  // It may change the session: a setting, a lock, a temporary table, a cursor.
  bool is_about_rows = false;   // It reads or changes rows, and so may be one of several in a transaction.
  bool sets_access = false;     // It says what a transaction, or all that follow, may do: read only, or write.
  bool changes_rows = false;    // Its own words insert, update or delete some: what it may fail with comes at its end.
  bool may_commit = false;      // A block of code or a procedure: outside a transaction it may end its own and go on.
};

// Careful: a function that is not known to be harmless may do anything, and so may one in a schema of the database's
// own, whatever its name is.
Effects effects(std::string_view sql);

// What of the session outlives the transaction of this statement for certain: "a setting", "an advisory lock of the
// session"; empty: nothing that the text tells.
std::string_view kept_in_session(std::string_view sql);

}  // namespace tidelock::sql::postgres

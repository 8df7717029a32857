// What a statement does to its transaction and its session, as far as its first words tell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql::mariadb {

struct StatementKind {
  bool empty = true;         // There is no statement, only blanks and comments.
  bool reads = false;        // It is there for its rows.
  bool may_write = false;    // It may change the database, so that a lost answer leaves it unknown: also a query that
                             // calls a function which is not known to be harmless.
  bool commits = false;      // The server commits the open transaction before it and after it.
  bool may_commit = false;   // A procedure, a block, or a text that is not shown: outside a transaction it commits in
                             // parts.
  bool controls = false;     // It begins or ends a transaction, or is a part of one under an id.
  bool sets_access = false;  // It says whether a transaction may write, or runs a text that nobody shows us.
  bool ends_autocommit = false;  // A statement outside of a transaction is not committed by itself behind it.
  std::string_view keeps{};      // What its text shows to stay in the session, in words; empty: nothing.
  bool leaves_traces = false;    // It may leave something behind in the session: a variable, a lock, a temporary table.
};

// Where /*! … */ say one thing to this server and another thing to that, both are meant. Text that does not end may do
// anything.
StatementKind kind_of(std::string_view sql, const Lexis& lexis);

// The statements of a script, without the empty ones. The body of a stored program falls into several. `executed`: as
// a server reads it that executes what is in /*! … */, or as one that does not.
std::vector<std::string_view> statements_of(std::string_view script, const Lexis& lexis, bool executed = true);

// In this character set of a session a backslash, or a backtick, may be the second half of a letter.
bool hides_quotes(std::string_view character_set);
// It names one, and what follows it in a script may be read in that.
bool sets_one_that_hides_quotes(std::string_view statement);

std::string quoted_identifier(std::string_view name);

}  // namespace tidelock::sql::mariadb

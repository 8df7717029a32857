// What PostgreSQL's error codes mean: https://www.postgresql.org/docs/15/errcodes-appendix.html
#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>

#include "tidelock/base/error.h"

namespace tidelock::sql::postgres {

struct Meaning {
  std::string_view state;  // An SQLSTATE, or its class: the first two characters.
  Code code;               //
  std::string_view words;  // What happened, and what to do where that helps.
};

// Of the SQLSTATE, or of its class where it needs no words of its own.
const Meaning& meaning(std::string_view state);

// What a server said about a statement or a connection.
struct Fault {
  std::string state;    // Empty when the server said nothing.
  std::string message;  // Its own words, without details: those hold values.
  std::string object;   // The constraint, column or table that it names.
  // The function of its source that said so, which is the same in every language; empty when it was inside a function
  // that the statement calls.
  std::string place{};
};
Fault fault_of(const PGresult* result);

// What libpq says in several lines, in one.
std::string one_line(std::string_view text);

// The state of a prepared statement whose columns are others since the schema changed, which is a
// serialization_failure, and of much that is unsupported.
inline constexpr std::string_view kOtherColumns = "0A000";

// `about`: the statement.
Error error_of(const Fault& fault, std::string_view about);

// Of a connection that was not made, by what libpq says with PQERRORS_VERBOSE. `where`: the URL without secrets.
Error connect_error(std::string_view said, std::string_view where);

}  // namespace tidelock::sql::postgres

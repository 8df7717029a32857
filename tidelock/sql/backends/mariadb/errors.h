// What the error numbers of MariaDB's server and of its client library mean:
// https://mariadb.com/kb/en/mariadb-error-code-reference/
#pragma once

#include <string>
#include <string_view>

#include "tidelock/base/error.h"

namespace tidelock::sql::mariadb {

struct Meaning {
  unsigned number;         //
  Code code;               //
  std::string_view words;  // What happened, and what to do where that helps.
};

// Of the number, or what is said of any other number.
const Meaning& meaning(unsigned number);

// The connection is of no further use: it was cut, killed, or its two sides no longer understand each other.
bool ends_connection(unsigned number);

// The server has rolled the transaction back with it. A lock wait that timed out (1205) takes back its statement only,
// unless innodb_rollback_on_timeout is on.
bool ends_transaction(unsigned number, bool rollback_on_timeout);

// A commit that failed so was certainly not applied.
bool refuses_commit(unsigned number);

// A statement that committed itself and failed so may be applied all the same.
bool may_be_applied(unsigned number);

// The constraint, key, column or table that the message names; empty where it names none.
std::string object_of(unsigned number, std::string_view message);

// `about`: the statement, or what else was tried.
Error error_of(unsigned number, std::string_view message, std::string_view about);

}  // namespace tidelock::sql::mariadb

// The error table: what the engine says, as codes.
//
// The engine has a type for each error, but too coarse a one for a caller: a lost race, a finished transaction and a
// full disk are all TRANSACTION. So the table looks at type and words; errors_test.cc provokes each row on the real
// engine, so that a new version which words something differently is found.
#pragma once

#include <duckdb.h>

#include <string>
#include <string_view>

#include "tidelock/base/error.h"

namespace tidelock::sql::duckdb {

// What the engine said.
struct Fault {
  duckdb_error_type type;
  std::string text;  // With or without the type's name before it.
};

// Where the engine gives only a text: its type is by the name before it ("Constraint Error: …").
Fault fault_from_text(const char* text);

// The code and the object for a fault; the engine's type and words, on one line, are in Error::native().
// An interrupt is `cancelled`: only the caller knows whether it was a timeout.
Error to_error(const Fault& fault);

// After these the engine does nothing more for this instance of the database until it is opened anew.
bool is_fatal(const Fault& fault);
// After these a connection is better closed: memory or disk ran out while it worked.
bool is_exhaustion(const Fault& fault);
// The commit is durable, and the checkpoint that it set off failed.
bool is_committed(const Fault& fault);
// The process that the engine names as holder of a lock; 0 when it names none.
int lock_holder(const Fault& fault);

}  // namespace tidelock::sql::duckdb

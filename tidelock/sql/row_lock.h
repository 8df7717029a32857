// Pessimistic locking: rows are locked when they are read, so that nobody changes them before this transaction does.
//
//   auto tx = connection.begin();
//   auto id = tx.maybe<std::int64_t>("select id from jobs where done = false order by id limit 1" +
//                                    for_update(tx, IfLocked::skip));
//
// What an engine has none of is refused with the reason, and what to do there instead; docs/sql.md has the table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tidelock/sql/executor.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::sql {

// What becomes of a row that another transaction has locked.
enum class IfLocked : std::uint8_t {
  wait,  // For TransactionOptions::lock_timeout at most. Error: database_locked.
  skip,  // It is left out of the result, as if it were not there.
  fail,  // Error: database_locked, at once.
};

// The end of a select, with a blank before it: the rows it returns are locked to the end of the transaction, against
// everybody who wants to change or lock them. Error: unsupported (Dialect::row_locks).
std::string for_update(const Executor& on, IfLocked if_locked = IfLocked::wait);
// As above, but others may hold the same lock: the rows stay as they are for all of them.
std::string for_share(const Executor& on, IfLocked if_locked = IfLocked::wait);

// Until the end of the transaction nobody else writes the table: a name, or schema.name, quoted where a statement wants
// that. Errors: unsupported, database_locked, invalid_argument for what is no name.
void lock_table(Transaction& transaction, std::string_view table);

}  // namespace tidelock::sql

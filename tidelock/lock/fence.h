// Makes a transaction refuse to commit the work of a holder whose lease was taken over.
//
//   sql::transact(*db, [&](sql::Transaction& tx) {
//     lock::fence(tx, "prices", guard.token());
//     tx.execute("insert into price values (…)");
//   });
//
// A lease can lapse while its holder is paused, in the middle of a transaction too. The highest token that a resource
// has seen stands in the business database itself, in the table tidelock_fence, and is checked by the same commit as
// the work: no transaction with an older token commits after one with a newer token did.
#pragma once

#include <optional>
#include <string_view>

#include "tidelock/lock/lease.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::lock {

// Makes the table, or brings it up to date. Needed once before transactions are fenced in a database of a server
// (Dialect::is_server); elsewhere fence() does it. Errors: those of sql::migrate(); unsupported.
void prepare_fence(sql::Database& database, base::Deadline deadline = base::Deadline::never());

// `resource`: what the token guards in this database, as a key: 1 to 255 bytes of UTF-8 without NUL; usually the key of
// the lock. Call it once in each transaction, before or after its writes, and before its first read when it writes what
// it has read: a newer token waits for the transactions of the older ones, or makes them fail, and what was read before
// that may be stale. (Above read_committed, its default, PostgreSQL reads what there was at the transaction's first
// statement, which is the fence itself.)
//
// Writes a row only when the token is new to the resource. Otherwise a server locks the row for all who have the token,
// so that the workers of one holder do not meet; DuckDB, where an update that changes nothing goes unnoticed, writes
// one of sixteen rows for each transaction, so that they seldom meet (they then lose the race: serialization_failure).
// Errors: fenced, with both tokens, after rolling back: stop; misuse while a savepoint is open, since rolling back to
// it would take the fence away; not_found when prepare_fence() is needed; read_only for a transaction that may not
// write; database_locked, serialization_failure and deadlock when others are at it; invalid_argument; newer_schema;
// unsupported for an engine that cannot fence.
void fence(sql::Transaction& tx, std::string_view resource, FencingToken token);
// Error: also unsupported for a lease without a token.
void fence(sql::Transaction& tx, std::string_view resource, const Lease& lease);

// The highest token that the resource has seen; empty when it has seen none. For people and tests.
std::optional<FencingToken> last_token(sql::Executor& executor, std::string_view resource);

}  // namespace tidelock::lock

// Deleting many rows without one long transaction: chunk by chunk, each in a transaction of its own, in the order of
// the key, at a rate that leaves room for others.
//
//   auto result = delete_in_chunks(*db, "orders", "placed < '2020-01-01'", {.rows_per_second = 5000});
//
// A run that was stopped or killed is begun again by the same call: what is gone is gone. With `after`, the position of
// its last progress, it does not look again at what lies before. Rows that are inserted meanwhile may or may not be
// deleted when they meet the condition.
//
// The condition is evaluated several times for a row: while the next chunk is searched, and again while it is deleted.
// It may call what writes, such as a sequence, where the engine lets a query do so; what it wrote during a search is
// rolled back. A subquery of it sees the table as the chunks before have left it: one that reads the table itself (rows
// below the average, the rest of a group) would meet other rows than a plain DELETE, and is refused unless it is meant.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/retry.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {

// After each chunk that was committed.
struct DeleteProgress {
  std::int64_t deleted = 0;             // Rows, so far.
  std::int64_t chunks = 0;              //
  std::optional<std::int64_t> total{};  // How many there were, if they were counted.
  std::string position;                 // For DeleteOptions::after; empty when there is no key to go by.
  base::Duration elapsed{};
};

struct DeleteOptions {
  // Of one transaction; besides, rows of one key stay together, and rows of its part of the key may come to meet the
  // condition between the search and the deleting.
  std::int64_t chunk_rows = 10'000;
  // At most, from the end of each chunk on; a chunk is no more than what this allows in one second, and one row.
  std::optional<double> rows_per_second{};
  // What to go by, a unique key at best. Empty: the primary key, and where there is none what the engine numbers its
  // rows by. Columns of the key must not hold nulls or numbers with a floating point.
  std::vector<std::string> key{};
  std::string after{};          // A DeleteProgress::position of the same table, condition and key.
  bool count_first = false;     // For DeleteProgress::total; reads all the rows once.
  std::vector<Value> values{};  // For each `?` of the condition.
  // A subquery of the condition may read the table, for it stays right while rows go: who has an older twin.
  bool reads_own_table = false;
  Rules allow{};           // On a guarded database a condition that names nothing needs delete_without_where.
  std::stop_token stop{};  // Between two chunks, or in one, which is then taken back, or while it searches.
  std::function<void(const DeleteProgress&)> on_progress{};
  // Of one chunk, when it met somebody else's change or lock, or the server is out of reach. Deleting again does no
  // harm, so that an unknown outcome is repeated too. `patient` counts from the first chunk on: a server that refuses
  // to write before that was named by mistake. A statement that took longer than its timeout is not repeated: on a
  // server a lock is waited for half as long at most, and then is database_locked.
  base::RetryPolicy retry{.max_attempts = 60,  // About a minute, where each fails at once.
                          .backoff = {.base = std::chrono::milliseconds(10), .cap = std::chrono::seconds(2)},
                          .idempotent = true,
                          .patient = true};
};

struct DeleteResult {
  DeleteProgress done;
  bool stopped = false;  // On request: rows may be left.
  // Chunks of which a commit had an unknown outcome: what it deleted may be missing in done.deleted. They were done
  // again, unless a stop came first.
  std::int64_t uncertain_chunks = 0;
};

// table: a name, or schema.name, quoted where the engine wants that. condition: what may stand behind WHERE.
// Thread-safe; uses one connection at a time, and none while it waits.
// Errors: invalid_argument for an option out of range, a name or position that is none, or a key that may be null;
// statement_invalid for a condition that is more than one, or reads its own table; permission_denied by the guard;
// timeout for a statement that is too slow: allow it more time, take smaller chunks, or make an index; those of the
// engine. What was deleted before an error stays deleted; on_progress has seen it, but for what a commit of unknown
// outcome deleted. On a server the user needs the right to delete even when no row meets the condition, and
// read_only_server says that it is no primary.
DeleteResult delete_in_chunks(Database& database, std::string_view table, std::string_view condition,
                              const DeleteOptions& options = {});

}  // namespace tidelock::sql

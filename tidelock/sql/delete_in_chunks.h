// Deleting many rows without one long transaction: chunk by chunk, each in a transaction of its own, in the order of
// the key, at a rate that leaves room for others.
//
//   auto result = delete_in_chunks(*db, "orders", "placed < '2020-01-01'", {.rows_per_second = 5000});
//
// A run that was stopped or killed is begun again by the same call: what is gone is gone. With `after`, the position of
// its last progress, it does not look again at what lies before. Rows that are inserted meanwhile may or may not be
// deleted when they meet the condition.
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
  std::int64_t chunk_rows = 10'000;         // Of one transaction at most; rows of one key stay together.
  std::optional<double> rows_per_second{};  // A chunk is no more than what this allows in one second.
  // What to go by, a unique key at best. Empty: the primary key, and where there is none what the engine numbers its
  // rows by. Columns of the key must not hold nulls or numbers with a floating point.
  std::vector<std::string> key{};
  std::string after{};          // A DeleteProgress::position of the same table, condition and key.
  bool count_first = false;     // For DeleteProgress::total; reads all the rows once.
  std::vector<Value> values{};  // For each `?` of the condition.
  Rules allow{};                // On a guarded database a condition that names nothing needs delete_without_where.
  std::stop_token stop{};       // Between two chunks, or in one, which is then taken back, or while it searches.
  std::function<void(const DeleteProgress&)> on_progress{};
  // Of one chunk, when it met somebody else's change or the connection was lost, not when a statement of it took longer
  // than its timeout. Deleting again does no harm, so that
  // an unknown outcome is repeated too.
  base::RetryPolicy retry{.max_attempts = 10,
                          .backoff = {.base = std::chrono::milliseconds(10), .cap = std::chrono::seconds(2)},
                          .idempotent = true};
};

struct DeleteResult {
  DeleteProgress done;
  bool stopped = false;  // On request: rows may be left.
  // Of chunks whose commit had an unknown outcome, and which were deleted again: done.deleted may be less by those.
  std::int64_t uncertain_chunks = 0;
};

// table: a name, or schema.name, quoted where the engine wants that. condition: what may stand behind WHERE.
// Thread-safe; uses one connection at a time, and none while it waits.
// Errors: invalid_argument for an option out of range, a name or position that is none, or a key that may be null;
// statement_invalid for a condition that is more than one; permission_denied by the guard; those of the engine. What
// was deleted before an error stays deleted; on_progress has seen it.
DeleteResult delete_in_chunks(Database& database, std::string_view table, std::string_view condition,
                              const DeleteOptions& options = {});

}  // namespace tidelock::sql

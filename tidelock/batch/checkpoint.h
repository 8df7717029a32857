// How far a step of a run has come, kept in the business database: it commits with the rows it speaks of.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::batch {

// docs/schema.md describes the columns of tidelock_checkpoint.
struct Checkpoint {
  std::uint64_t position = 0;     // Rows of the source that are done with: written, skipped or passed over.
  std::uint64_t fingerprint = 0;  // Of the content of these rows: a source that changed meanwhile is found out.
  std::uint64_t rows_written = 0;
  std::uint64_t rows_skipped = 0;
  std::uint64_t rows_passed_over = 0;
  std::uint64_t commits = 0;
  bool complete = false;
  bool stored = false;  // There is a row of it.
};

// Of one step of one run.
struct CheckpointKey {
  std::string_view run;  // Its UUID.
  std::size_t step;      // Its place, from 0.
};

// Makes or migrates the table. Error: unsupported for an engine that has none; newer_schema.
void prepare_checkpoints(sql::Database& store);

std::optional<Checkpoint> find_checkpoint(sql::Executor& executor, const CheckpointKey& key);

// In the transaction of the rows: from what the caller has found or moved it to, to what these rows make of it.
// `token`: of the run's lease. Rolls back, and throws: fenced when an execution of this run with a newer token has been
// at it: stop; unknown_outcome when it is no longer where the caller left it: an attempt whose commit was not answered
// was committed after all.
void move_checkpoint(sql::Transaction& tx, const CheckpointKey& key, const Checkpoint& from, const Checkpoint& to,
                     std::int64_t token);

// For an execution that continues a run: takes the checkpoint over, or makes an empty one, so that nothing that an
// older execution has begun can still commit. Error: fenced.
Checkpoint claim_checkpoint(sql::Transaction& tx, const CheckpointKey& key, std::int64_t token);

// Code::fenced, for an execution with this token.
Error continued_elsewhere(std::int64_t token);

// Of runs that are complete.
void forget_checkpoints(sql::Transaction& tx, std::span<const std::string> runs);

}  // namespace tidelock::batch

// The runs in the state database: queueing them, and finding those that want to be executed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/batch/run.h"
#include "tidelock/lock/backend.h"
#include "tidelock/sql/database.h"

namespace tidelock::batch {

// A run that somebody should execute.
struct Pending {
  RunId id = 0;
  std::string job;
  RunStatus status = RunStatus::queued;  // queued, interrupted; or waiting or running, whose process has died.
  Cause cause = Cause::hand;
  base::WallTime scheduled;
};

// Thread-safe. Borrows the state database. Errors of all calls: those of sql::Database.
class Runs {
 public:
  // Makes or migrates the tables. Errors: unsupported for an engine that cannot hold them; newer_schema.
  explicit Runs(sql::Database& state);

  // Empty when there is a run of this key already.
  std::optional<RunId> queue(const NewRun& run);
  // The run of this key that is queued, interrupted or at work. Empty when there is none, or it has ended.
  std::optional<RunId> unfinished(std::string_view key);
  // A run that did not take place: `status` is missed or skipped. Empty when there is a run of this key already.
  std::optional<RunId> record(const NewRun& run, RunStatus status, const std::string& reason);

  // What to execute now, oldest first: runs that are queued or interrupted, and those whose process has died, which
  // their lease tells. Not those that failed or that an operator stopped.
  std::vector<Pending> pending(lock::Backend& locks, base::Deadline deadline);

  // Asks a run to stop, in whichever process it is: it does so within a second, after its chunk. A run that is queued
  // or interrupted, or whose process died, becomes stopped at once. Only Runner::resume() continues it then.
  // False when it is over, failed or stopped already. Error: not_found.
  bool request_stop(RunId id, lock::Backend& locks, base::Deadline deadline);

  // Removes all that is known about runs of the job that were over before `before`, kForgetMost of them at most, in one
  // transaction. Returns how many. What later work relies on stays: runs that can be resumed, those whose checkpoints
  // are still in a store, the one of "@first", what a run triggered that is not over, and the newest run.
  static constexpr std::size_t kForgetMost = 100;
  std::size_t forget(std::string_view job, base::WallTime before);

 private:
  bool stop_if_dead(RunId id, lock::Backend& locks, base::Deadline deadline);

  sql::Database& state_;
};

}  // namespace tidelock::batch

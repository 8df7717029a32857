// Executes runs of jobs: takes their slot, does their steps, records what happened.
//
//   batch::Runner runner(context);
//   const auto id = runner.runs().queue({.job = job.name, .cause = Cause::hand, .scheduled = now});
//   const auto result = runner.execute(*id, job, stop);
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/batch/context.h"
#include "tidelock/batch/job.h"
#include "tidelock/batch/run.h"
#include "tidelock/batch/runs.h"

namespace tidelock::batch {

struct RunResult {
  RunStatus status = RunStatus::failed;
  std::string reason;           // Why it failed, was stopped or skipped.
  std::string step;             // The one that failed.
  std::optional<Error> error;   // Of that step.
  std::uint64_t rows_read = 0;  // Of all chunk steps, earlier executions of this run included.
  std::uint64_t rows_written = 0;
  std::uint64_t rows_skipped = 0;
  std::uint64_t rows_passed_over = 0;  // By `only`.
};

// Thread-safe: each run is executed in the task that calls. Borrows what the Context refers to.
class Runner {
 public:
  // Errors: as Runs; unsupported for an arbiter without fencing tokens.
  explicit Runner(Context context);

  Runs& runs() { return runs_; }
  const Context& context() const { return context_; }

  // Executes a run that was queued, or continues one that was interrupted or whose process died: from the last chunk
  // that was committed, completed steps left out. Waits for the slot, or skips, as the job says.
  // `stop`: the run ends as interrupted after its chunk. Returns how it ended; what its steps throw is in the result.
  // Empty when another process or task executes it, it is over, or it failed or was stopped: whoever learned of it
  // before may come too late. One that was asked to stop and whose process died before it did ends as stopped.
  // Errors: not_found for such a run or when it is of another job; those of the state database and the arbiter.
  std::optional<RunResult> execute(RunId id, const Job& job, const std::stop_token& stop = {});
  // The same on behalf of an operator, who also continues a run that failed or was stopped.
  std::optional<RunResult> resume(RunId id, const Job& job, const std::stop_token& stop = {});

 private:
  std::optional<RunResult> take(RunId id, const Job& job, bool by_operator, const std::stop_token& stop);

  Context context_;
  Runs runs_;
};

}  // namespace tidelock::batch

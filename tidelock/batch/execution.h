// One execution of one run, from taking its leases to recording its end.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/batch/run_record.h"
#include "tidelock/batch/runner.h"
#include "tidelock/batch/step_run.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/mutex.h"

namespace tidelock::batch {

// Used by the task of the run. Borrows what it is given.
class Execution {
 public:
  Execution(const Context& context, Runs& runs, const Job& job, RunRow run, const lock::Keeper& lease,
            const std::stop_token& stop);
  ~Execution();

  std::optional<RunResult> run();  // Empty: it was stopped before it began.

 private:
  enum class Slot { taken, skipped, stopped };

  Slot take_slot();
  bool may_be_skipped() const;
  std::optional<lock::Lease> wait_for_slot();
  std::string holders() const;
  void watch_for_stop(const std::stop_token& end);
  void execute_steps(RunResult& result);
  StepEnd execute_step(std::size_t place);
  bool needs_store() const;
  void check_leases() const;
  bool is_due_to_stop(const Error& error) const;
  RunResult end(RunResult result);
  void add_counts(RunResult& result) const;

  const Context& context_;
  Runs& runs_;
  const Job& job_;
  const lock::Keeper& lease_;  // Of the run.
  const std::stop_token stop_;
  std::stop_source gentle_;
  std::stop_source hard_;
  RunRecord record_;

  std::atomic<bool> stopped_by_operator_ = false;
  lock::Semaphore semaphore_;
  std::unique_ptr<lock::Keeper> slot_;
  std::shared_ptr<sql::Database> store_;
};

}  // namespace tidelock::batch

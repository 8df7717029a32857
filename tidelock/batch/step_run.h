// What a step has at hand while it is executed, and how it ended. One function a kind of step.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/batch/context.h"
#include "tidelock/batch/job.h"
#include "tidelock/batch/moment.h"
#include "tidelock/batch/run_record.h"
#include "tidelock/batch/runs.h"
#include "tidelock/lock/lease.h"

namespace tidelock::batch {

// Borrows all it refers to, for one execution of one step.
struct StepRun {
  const Context& context;
  const Job& job;
  const Step& step;
  std::size_t place;  // Of the step, from 0.
  RunRecord& record;
  Runs& runs;
  Moment moment;
  lock::FencingToken slot_token;
  sql::Database* store;    // Of the job; null when it names none.
  std::stop_token gentle;  // End soon: after the chunk.
  std::stop_token hard;    // The lease is lost: end at once, commit nothing.

  int max_attempts() const;
  void event(base::LogLevel level, const std::string& text) const { record.event(step.name, level, text); }
  sql::Database& open_store() const;  // Error: invalid_argument when the job names none.
};

enum class StepEnd { complete, stopped };

// Errors: what makes the step fail.
StepEnd execute_chunks(const StepRun& run, const ChunkStep& step);
StepEnd execute_sql(const StepRun& run, const SqlStep& step);
StepEnd execute_publish(const StepRun& run, const PublishStep& step);
StepEnd execute_command(const StepRun& run, const CommandStep& step);
StepEnd execute_trigger(const StepRun& run, const TriggerStep& step);

// Sleeps before another attempt, and says why. Error: the last one again, when it is no use repeating, stop is
// requested or no attempt is left.
class Attempts {
 public:
  explicit Attempts(const StepRun& run);
  void failed(const Error& error);
  int count() const { return failed_; }

 private:
  const StepRun& run_;
  base::Backoff backoff_;
  int failed_ = 0;
};

}  // namespace tidelock::batch

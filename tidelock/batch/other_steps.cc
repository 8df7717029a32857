// Steps that are no chunks: a script in the store, a publication, a run of another job.
#include <fmt/format.h>

#include <string>

#include "tidelock/base/error.h"
#include "tidelock/base/retry.h"
#include "tidelock/batch/script.h"
#include "tidelock/batch/step_run.h"
#include "tidelock/batch/store_unit.h"

namespace tidelock::batch {
namespace {

Error at_line(const Error& error, const SqlStep& step, const BoundStatement& statement) {
  const auto text = fmt::format("{}:{}: {}", step.name, statement.line, error.message());
  return error.native() ? Error(error.code(), text, *error.native(), error.object()) : Error(error.code(), text);
}

}  // namespace

StepEnd execute_sql(const StepRun& run, const SqlStep& step) {
  StoreUnit unit(run);
  if (unit.begin().complete) return StepEnd::complete;
  const auto statements = split_script(step.name, step.sql, run.open_store().dialect().lexis, run.moment);
  Checkpoint next{.commits = unit.checkpoint().commits + 1, .complete = true};
  unit.commit(
      [&](sql::Transaction& tx) {
        const auto permission = sql::allow(tx, step.allow);
        for (const auto& statement : statements) {
          try {
            tx.execute_values(statement.sql, statement.values);
          } catch (const Error& error) {
            throw at_line(error, step, statement);
          }
        }
      },
      next);
  return StepEnd::complete;
}

StepEnd execute_publish(const StepRun& run, const PublishStep& step) {
  if (!run.context.publish) {
    throw Error(Code::unsupported, "this program publishes no replicas; run the job by `tidelock run`");
  }
  Attempts attempts(run);
  for (;;) {
    std::optional<Error> failed;
    try {
      run.event(base::LogLevel::info, run.context.publish(step.replica, run.hard));
      return StepEnd::complete;
    } catch (const Error& error) {
      failed = error;
    }
    attempts.failed(*failed);
  }
}

StepEnd execute_trigger(const StepRun& run, const TriggerStep& step) {
  const auto& self = run.record.run();
  const NewRun triggered{.job = step.job,
                         .cause = Cause::trigger,
                         .scheduled = self.scheduled,
                         .caused_by = fmt::format("run {} of {}", self.id, self.job),
                         .key = trigger_key(step.job, self.uuid, run.place)};
  const auto patiently = [&](auto&& ask) { return base::retry(run.context.runtime, kStatePatience, run.hard, ask); };
  // Its key makes it one run, however often it is asked for.
  auto id = patiently([&] { return run.runs.queue(triggered); });
  if (id) {
    run.event(base::LogLevel::info, fmt::format("queued run {} of {}", *id, step.job));
  } else {  // By an execution that was killed before it could tell, or an attempt whose answer was lost.
    id = patiently([&] { return run.runs.unfinished(*triggered.key); });
  }
  if (id && run.context.queued) run.context.queued(*id, step.job);
  return StepEnd::complete;
}

}  // namespace tidelock::batch

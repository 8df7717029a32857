#include "tidelock/batch/step_run.h"

#include <fmt/format.h>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"

namespace tidelock::batch {

int StepRun::max_attempts() const {
  return step.max_attempts.value_or(std::holds_alternative<CommandStep>(step.what) ? 1 : 3);
}

sql::Database& StepRun::open_store() const {
  if (store == nullptr) {
    throw Error(Code::invalid_argument, fmt::format("job {} has a step that needs a store, and names none", job.name));
  }
  return *store;
}

Attempts::Attempts(const StepRun& run) : run_(run), backoff_(run.step.backoff) {}

void Attempts::failed(const Error& error) {
  const int most = run_.max_attempts();
  const bool failover = error.code() == Code::read_only_server;  // Nothing was written.
  if (error.disposition() == Disposition::permanent && !failover) throw error;
  if (++failed_ >= most || run_.gentle.stop_requested()) throw error;
  const auto pause = backoff_.next(run_.context.runtime.random());
  run_.event(base::LogLevel::warning,
             fmt::format("attempt {} of {} failed: {}; the next in {}", failed_, most, error.what(),
                         base::format_duration(std::chrono::round<std::chrono::milliseconds>(pause))));
  if (!run_.context.runtime.sleep_for(pause, run_.gentle)) throw error;
}

}  // namespace tidelock::batch

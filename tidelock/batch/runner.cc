#include "tidelock/batch/runner.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/batch/execution.h"
#include "tidelock/batch/zone.h"

namespace tidelock::batch {

using std::chrono::seconds;

Runner::Runner(Context context) : context_(std::move(context)), runs_(context_.state) {
  find_zone(context_.zone);
  const auto& guarantees = context_.locks.guarantees();
  if (!guarantees.fencing_tokens) {
    throw Error(Code::unsupported,
                "runs need an arbiter of locks with fencing tokens, and this one has none: " + guarantees.note);
  }
}

std::optional<RunResult> Runner::execute(RunId id, const Job& job, const std::stop_token& stop) {
  return take(id, job, false, stop);
}

std::optional<RunResult> Runner::resume(RunId id, const Job& job, const std::stop_token& stop) {
  return take(id, job, true, stop);
}

std::optional<RunResult> Runner::take(RunId id, const Job& job, bool by_operator, const std::stop_token& stop) {
  const auto find = [&] {
    const auto run = find_run(context_.state, id);
    if (!run) throw Error(Code::not_found, fmt::format("there is no run {}", id));
    if (run->job != job.name) {
      throw Error(Code::not_found,
                  fmt::format("run {} is one of {}, not of {}", id, base::quoted(run->job), base::quoted(job.name)));
    }
    return *run;
  };
  const auto uuid = find().uuid;
  auto options = context_.lease;
  options.owner.clear();
  lock::Mutex mutex(context_.locks, context_.runtime, run_key(uuid), options);
  const auto lease = mutex.try_acquire(context_.runtime.in(seconds(10)));
  if (!lease) return std::nullopt;
  const lock::Keeper keeper(mutex, *lease);
  auto run = find();  // It may have ended before it was ours.
  if (is_over(run.status) || (waits_for_operator(run.status) && !by_operator)) return std::nullopt;
  run.by_operator = by_operator;
  return Execution(context_, runs_, job, std::move(run), keeper, stop).run();
}

}  // namespace tidelock::batch

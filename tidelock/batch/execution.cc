#include "tidelock/batch/execution.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/retry.h"
#include "tidelock/base/text.h"
#include "tidelock/base/unit_of_work.h"
#include "tidelock/batch/holders.h"
#include "tidelock/lock/guard.h"
#include "tidelock/sql/database.h"

namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;

constexpr auto kStopLookEvery = 500ms;

lock::LeaseOptions without_owner(lock::LeaseOptions options) {
  options.owner.clear();
  return options;
}

}  // namespace

Execution::Execution(const Context& context, Runs& runs, const Job& job, RunRow run, const lock::Keeper& lease,
                     const std::stop_token& stop)
    : context_(context),
      runs_(runs),
      job_(job),
      lease_(lease),
      stop_(stop),
      record_(context_, std::move(run), lock::token_of(lease.lease()).value, hard_.get_token()),
      semaphore_(context.locks, context.runtime, slot_key(job), job.group ? job.group->slots : 1,
                 without_owner(context.lease)) {}

Execution::~Execution() = default;

std::optional<RunResult> Execution::run() {
  const std::stop_callback on_stop(stop_, [this] { gentle_.request_stop(); });
  const auto end_at_once = [this] {
    hard_.request_stop();
    gentle_.request_stop();
  };
  const std::stop_callback on_loss(lease_.stop_token(), end_at_once);
  const std::stop_callback on_hurry(context_.hurry, end_at_once);
  const auto work =
      base::kUnitOfWork.set(context_.runtime, {.job = job_.name, .run = std::to_string(record_.run().id)});
  auto watcher = context_.runtime.spawn("stop requests of a run", [this](std::stop_token end) { watch_for_stop(end); });

  RunResult result;
  auto slot = Slot::stopped;
  try {
    if (!record_.begun()) return std::nullopt;
    if (record_.run().stop_requested && !record_.run().by_operator) {
      stopped_by_operator_ = true;  // Whoever was told so died before he did it.
    } else {
      slot = take_slot();
    }
  } catch (const Error& error) {  // A hard stop ends the waits for the state and the arbiter.
    if (error.code() != Code::cancelled || !hard_.stop_requested()) throw;
  }
  if (slot == Slot::skipped) {
    result.status = RunStatus::skipped;
    result.reason = fmt::format("{} was held by {}", slot_key(job_), holders());
  } else if (slot == Slot::stopped) {
    result.status = RunStatus::interrupted;
    result.reason = "stopped while it waited for " + slot_key(job_);
  } else {
    const std::stop_callback on_slot_loss(slot_->stop_token(), end_at_once);
    execute_steps(result);
  }
  watcher.request_stop();
  watcher.join();
  return end(std::move(result));
}

void Execution::watch_for_stop(const std::stop_token& end) {
  while (context_.runtime.sleep_for(kStopLookEvery, end)) {
    try {
      if (!record_.stop_requested(end)) continue;
    } catch (const Error&) {
      continue;  // The state cannot be read now; whoever writes it meets the same error.
    }
    stopped_by_operator_ = true;
    gentle_.request_stop();
    return;
  }
}

Execution::Slot Execution::take_slot() {
  // An arbiter that is out of reach for a moment is no reason to give the run back. Repeating a claim finds itself.
  auto lease = base::retry(context_.runtime, kStatePatience, hard_.get_token(),
                           [&] { return semaphore_.try_acquire(context_.runtime.in(10s)); });
  if (!lease && may_be_skipped()) return Slot::skipped;
  if (!lease) lease = wait_for_slot();
  if (!lease) return Slot::stopped;
  slot_ = std::make_unique<lock::Keeper>(semaphore_, *lease);
  record_.got_slot(slot_key(job_), lease->claim.to_string());
  return Slot::taken;
}

// Skipped is over for good. So a run that has begun is not: what it has done stands, and nobody else does the rest. Nor
// is the one that all others wait for, and what an operator wants.
bool Execution::may_be_skipped() const {
  const auto& run = record_.run();
  return job_.overlap == Overlap::skip && run.executions == 0 && run.cause != Cause::first && !run.by_operator;
}

std::optional<lock::Lease> Execution::wait_for_slot() {
  record_.waits_since(context_.runtime.wall_now());
  record_.event("", base::LogLevel::info, fmt::format("waits for {}, held by {}", slot_key(job_), holders()));
  const auto begin = context_.runtime.now();
  auto lease = semaphore_.acquire(base::Deadline::never(), gentle_.get_token());
  if (lease) {
    const auto waited = std::chrono::round<std::chrono::milliseconds>(context_.runtime.now() - begin);
    record_.event("", base::LogLevel::info, fmt::format("got {} after {} ms", slot_key(job_), waited.count()));
  }
  return lease;
}

std::string Execution::holders() const {
  return base::listed(slot_holders(context_.state, context_.locks, slot_key(job_)));
}

bool Execution::needs_store() const {
  for (const auto& step : job_.steps) {
    if (std::holds_alternative<ChunkStep>(step.what) || std::holds_alternative<SqlStep>(step.what)) return true;
  }
  return false;
}

void Execution::execute_steps(RunResult& result) {
  std::size_t place = 0;
  try {
    if (needs_store() && !job_.store.empty()) store_ = context_.open_store(job_.store, gentle_.get_token());
    for (; place < job_.steps.size(); ++place) {
      if (record_.step_status(place) == "completed") continue;
      if (gentle_.stop_requested() || execute_step(place) == StepEnd::stopped) {
        result.status = RunStatus::interrupted;
        result.reason = "its process was told to end";
        return;
      }
    }
    check_leases();
    result.status = RunStatus::completed;
  } catch (const Error& error) {
    result.status = RunStatus::failed;
    result.error = error;
    result.reason = error.what();
    if (place < job_.steps.size()) result.step = job_.steps[place].name;
  }
}

StepEnd Execution::execute_step(std::size_t place) {
  const auto& step = job_.steps[place];
  const StepRun run{.context = context_,
                    .job = job_,
                    .step = step,
                    .place = place,
                    .record = record_,
                    .runs = runs_,
                    .moment = Moment::at(record_.run().scheduled, context_.zone),
                    .slot_token = lock::token_of(slot_->lease()),
                    .store = store_.get(),
                    .gentle = gentle_.get_token(),
                    .hard = hard_.get_token()};
  const auto work = base::kUnitOfWork.set(
      context_.runtime,
      {.job = job_.name, .run = std::to_string(record_.run().id), .step = step.name, .token = run.slot_token.value});
  record_.step_begun(place, step.name, kind_name(step.what));
  std::optional<Error> failed;
  auto end = StepEnd::complete;
  try {
    end = std::visit(
        [&](const auto& what) {
          using T = std::decay_t<decltype(what)>;
          if constexpr (std::same_as<T, ChunkStep>) return execute_chunks(run, what);
          if constexpr (std::same_as<T, SqlStep>) return execute_sql(run, what);
          if constexpr (std::same_as<T, PublishStep>) return execute_publish(run, what);
          if constexpr (std::same_as<T, CommandStep>) return execute_command(run, what);
          if constexpr (std::same_as<T, TriggerStep>) return execute_trigger(run, what);
        },
        step.what);
    check_leases();
  } catch (const Error& error) {
    failed = error;
  }
  if (failed) {
    const bool stopped = hard_.stop_requested() || is_due_to_stop(*failed);
    record_.step_ended(place, stopped ? "stopped" : "failed", failed->what());
    throw *failed;
  }
  record_.step_ended(place, end == StepEnd::complete ? "completed" : "stopped", "");
  return end;
}

void Execution::check_leases() const {
  if (const auto lost = lease_.lost()) throw *lost;
  if (const auto lost = slot_->lost()) throw *lost;
}

// An error that passes would be tried again, had the run not been told to stop: its next execution does.
bool Execution::is_due_to_stop(const Error& error) const {
  return gentle_.stop_requested() && (error.disposition() != Disposition::permanent ||
                                      error.code() == Code::cancelled || error.code() == Code::read_only_server);
}

RunResult Execution::end(RunResult result) {
  if (result.status == RunStatus::failed && is_due_to_stop(*result.error)) result.status = RunStatus::interrupted;
  if (hard_.stop_requested() && result.status != RunStatus::completed) {
    result.status = RunStatus::interrupted;
    if (context_.hurry.stop_requested()) result.reason = "its process was told to end at once";
    if (const auto lost = slot_ ? slot_->lost() : lease_.lost()) result.reason = lost->what();
  } else if (result.status == RunStatus::interrupted && stopped_by_operator_) {
    result.status = RunStatus::stopped;
    result.reason = "stopped by an operator";
  }
  // A hard stop that comes only now ends a wait for the state; it is said once more then, as what comes after one is.
  const auto say = [&](auto&& words) {
    try {
      words();
    } catch (const Error& error) {
      if (error.code() != Code::cancelled || !hard_.stop_requested()) throw;
      words();
    }
  };
  say([&] { add_counts(result); });
  const auto reason = result.step.empty() ? result.reason : fmt::format("step {}: {}", result.step, result.reason);
  if (result.status == RunStatus::failed) {
    say([&] { record_.failed(result.step, result.reason); });
  }
  say([&] { record_.ended(result.status, reason, store_ != nullptr); });
  store_.reset();
  slot_.reset();  // Released: the next one may begin.
  return result;
}

void Execution::add_counts(RunResult& result) const {
  const auto rows = record_.all_rows();
  result.rows_read = rows.position;
  result.rows_written = rows.rows_written;
  result.rows_skipped = rows.rows_skipped;
  result.rows_passed_over = rows.rows_passed_over;
}

}  // namespace tidelock::batch

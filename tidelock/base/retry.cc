#include "tidelock/base/retry.h"

#include <fmt/format.h>

namespace tidelock::base {
namespace {

bool may_repeat(const Error& error, const RetryPolicy& policy) {
  switch (error.disposition()) {
    case Disposition::permanent:
      return policy.patient && error.code() == Code::read_only_server;
    case Disposition::retry_call:
    case Disposition::rerun_unit:
      return true;
    case Disposition::unknown:
      return policy.idempotent;
  }
  return false;
}

}  // namespace

bool may_pass(Code code) { return code == Code::disk_full || code == Code::read_only_server; }

RetryState::RetryState(Runtime& runtime, const RetryPolicy& policy, const std::stop_token& stop,
                       const RetryObserver& observer)
    : runtime_(runtime),
      policy_(policy),
      stop_(stop),
      observer_(observer),
      backoff_(policy.backoff),
      start_(runtime.now()) {
  if (policy.max_attempts < 1) {
    throw Error(
        Code::invalid_argument,
        fmt::format("max_attempts is {}; the first attempt counts, so it must be 1 or more", policy.max_attempts));
  }
  if (policy.total_limit && *policy.total_limit < Duration::zero()) {
    throw Error(Code::invalid_argument, "the total limit of a retry is negative");
  }
}

void RetryState::before_attempt() const {
  if (stop_.stop_requested()) throw_cancelled();
}

bool RetryState::again(const Error& error) {
  bool repeat = may_repeat(error, policy_) && attempt_ < policy_.max_attempts;
  if (repeat) {
    delay_ = backoff_.next(runtime_.random());
    const auto limit = policy_.total_limit ? later(start_, *policy_.total_limit) : Instant::max();
    repeat = later(runtime_.now(), delay_) <= limit;
  }
  if (observer_) observer_({attempt_, error, repeat ? std::optional(delay_) : std::nullopt});
  if (!repeat) return false;
  last_error_ = error.what();
  ++attempt_;
  return true;
}

void RetryState::pause() {
  if (!runtime_.sleep_for(delay_, stop_)) throw_cancelled();
}

void RetryState::throw_cancelled() const {
  if (attempt_ == 1) throw Error(Code::cancelled, "stopped before the first attempt");
  throw Error(Code::cancelled, fmt::format("stopped after {} failed attempt{}; the last error was: {}", attempt_ - 1,
                                           attempt_ == 2 ? "" : "s", last_error_));
}

}  // namespace tidelock::base

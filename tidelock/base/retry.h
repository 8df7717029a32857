// The one retry loop.
//
//   auto rows = retry(runtime, {.max_attempts = 5}, stop, [&] { return client.fetch(); });
//
// An attempt that fails is repeated when its Error says that this is right: retry_call and rerun_unit always, unknown
// only where the caller declares that doing it twice does no harm, permanent never, but for a failover where the
// caller has the patience. Any other exception passes through.
// It sleeps outside the attempt: let `fn` hold no transaction and no lock when it throws.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "tidelock/base/backoff.h"
#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"

namespace tidelock::base {

// Whether the same call may succeed a while later although its caller changes nothing, and was not applied: on a full
// disk room is made, a standby becomes the primary. For those who can wait so long; the disposition is `permanent`.
bool may_pass(Code code);

struct RetryPolicy {
  int max_attempts = 3;  // The first included.
  BackoffOptions backoff{};
  // Of the whole, from the first attempt on: no sleep goes beyond it. An attempt is not cut short.
  std::optional<Duration> total_limit{};
  bool idempotent = false;  // Also repeat what may have been applied.
  bool patient = false;     // Also repeat read_only_server: as during a failover.
};

// A failed attempt, for logs and metrics.
struct FailedAttempt {
  int attempt;                       // From 1.
  const Error& error;                //
  std::optional<Duration> retry_in;  // Empty: this was the last, and the error is thrown.
};
using RetryObserver = std::function<void(const FailedAttempt&)>;

// Decides what follows an attempt; the loop is retry(). Used by one task.
class RetryState {
 public:
  // Errors: invalid_argument for fewer than one attempt, a negative limit or a malformed backoff.
  RetryState(Runtime& runtime, const RetryPolicy& policy, const std::stop_token& stop, const RetryObserver& observer);

  // Error: cancelled when stop is requested.
  void before_attempt() const;
  // Whether to try again after this error.
  bool again(const Error& error);
  // Sleeps. Error: cancelled when stop is requested meanwhile; says what the last error was.
  void pause();

 private:
  [[noreturn]] void throw_cancelled() const;

  Runtime& runtime_;
  const RetryPolicy& policy_;
  const std::stop_token& stop_;
  const RetryObserver& observer_;
  Backoff backoff_;
  Instant start_;
  int attempt_ = 1;
  Duration delay_{};
  std::string last_error_;
};

// Calls fn until it returns, and returns what it returned. The last failure is thrown unchanged. Error: cancelled when
// `stop` is requested before an attempt or between two; fn is to look at `stop` itself while it runs.
template <typename Fn>
std::invoke_result_t<Fn&> retry(Runtime& runtime, const RetryPolicy& policy, const std::stop_token& stop, Fn&& fn,
                                const RetryObserver& observer = {}) {
  RetryState state(runtime, policy, stop, observer);
  for (;;) {
    state.before_attempt();
    try {
      return fn();
    } catch (const Error& error) {
      if (!state.again(error)) throw;
    }
    state.pause();  // Not in the handler: a task must not be switched while it handles an exception.
  }
}

}  // namespace tidelock::base

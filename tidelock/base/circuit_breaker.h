// Stops calling what has stopped answering, and finds out by a few probes when it answers again.
//
//   CircuitBreaker breaker(runtime, "prices");
//   auto price = breaker.call([&] { return client.fetch(); });  // Error: unavailable at once while it is open.
//
//   closed     calls pass and are counted; when too many of the last ones failed or were slow, it opens
//   open       calls are refused for a while; then it is half open
//   half_open  a few calls pass as probes; how they went closes it or opens it again
//
// Names, defaults and rules are Resilience4j's, with three differences. A probe that never reports its end is given up
// and counts as failed (max_probe_duration), so that it cannot stay half open for ever. A call that began before the
// last change of state is no longer counted when it ends. And an answer that only says that the call was wrong counts
// as an answer: see default_verdict().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidelock/base/call_window.h"
#include "tidelock/base/error.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/metrics.h"
#include "tidelock/base/runtime.h"

namespace tidelock::base {

enum class BreakerState : std::uint8_t {
  closed,
  open,
  half_open,
  disabled,      // Forced: every call passes, nothing is counted.
  metrics_only,  // Forced: every call passes and is counted.
  forced_open,   // Forced: every call is refused.
};
std::string_view name(BreakerState state);

// What the end of a call says about who was called.
enum class Verdict : std::uint8_t { success, failure, ignored };

// ignored: cancelled. failure: what may be said of a server that is down, hung or ill (unavailable, timeout,
// connection_lost, unknown_outcome, io_error, disk_full, corrupt, internal). success: anything else, since it answered.
Verdict default_verdict(const Error& error);

struct CircuitBreakerOptions {
  double failure_rate_threshold = 50;                                // Percent; it opens at this rate or more.
  double slow_call_rate_threshold = 100;                             // Percent, likewise.
  Duration slow_call_duration_threshold = std::chrono::seconds(60);  // What takes longer is slow.
  SlidingWindowType sliding_window_type = SlidingWindowType::count_based;
  std::size_t sliding_window_size = 100;      // Calls, or seconds; 1 to 100 000.
  std::size_t minimum_number_of_calls = 100;  // No rate is looked at before; at most the window, where it counts calls.
  Duration wait_duration_in_open_state = std::chrono::seconds(60);
  std::size_t permitted_number_of_calls_in_half_open_state = 10;
  Duration max_wait_duration_in_half_open_state{};         // Then it opens again, whatever came back; 0: no limit.
  Duration max_probe_duration = std::chrono::seconds(60);  // A probe that has not ended by then failed.
  std::function<Verdict(const Error&)> verdict = default_verdict;
  // Called after each change of state by the task that caused it, outside any lock. Must not throw, and should be
  // quick.
  std::function<void(BreakerState from, BreakerState to)> on_state_transition{};
};

// Thread-safe, needs no task of its own: time is looked at when somebody calls. Borrows the runtime.
class CircuitBreaker {
 public:
  // The leave to make one call. Say how it went; dropped without a word, it counts as not made. Movable; used by one
  // task at a time. Borrows the breaker.
  class [[nodiscard]] Permit {
   public:
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&&) = delete;
    ~Permit() { end(Verdict::ignored); }

    void success() { end(Verdict::success); }
    void failure(std::string_view why = {}) { end(Verdict::failure, why); }  // `why` stands in refusals.
    // Only the first word counts.
    void end(Verdict verdict, std::string_view why = {}) noexcept;

   private:
    friend class CircuitBreaker;
    Permit(CircuitBreaker& breaker, std::uint64_t number, std::uint64_t epoch, Instant begun)
        : breaker_(&breaker), number_(number), epoch_(epoch), begun_(begun) {}

    CircuitBreaker* breaker_;  // Null once ended.
    std::uint64_t number_;
    std::uint64_t epoch_;
    Instant begun_;
  };

  // `name` is for people and metrics. Error: invalid_argument for an option out of range.
  CircuitBreaker(Runtime& runtime, std::string name, CircuitBreakerOptions options = {});
  CircuitBreaker(const CircuitBreaker&) = delete;
  CircuitBreaker& operator=(const CircuitBreaker&) = delete;

  // Calls fn and counts its end: an Error by options.verdict, any other std::exception as a failure. Passes on what fn
  // returns or throws. Error: unavailable when it does not permit the call; fn was not called.
  template <typename Fn>
  std::invoke_result_t<Fn&> call(Fn&& fn) {
    using Result = std::invoke_result_t<Fn&>;
    Permit permit = acquire();
    try {
      if constexpr (std::is_void_v<Result>) {
        fn();
        permit.success();
      } else {
        Result result = fn();
        permit.success();
        return static_cast<Result&&>(result);
      }
    } catch (const Error& error) {
      permit.end(options_.verdict(error), error.what());
      throw;
    } catch (const std::exception& error) {
      permit.failure(error.what());
      throw;
    }
  }

  // Empty when it does not permit a call now.
  std::optional<Permit> try_acquire() TIDELOCK_EXCLUDES(mutex_);
  // Error: unavailable; says why, and for how long at least.
  Permit acquire() TIDELOCK_EXCLUDES(mutex_);

  // By hand. It counts anew from here; closed, open and half_open go on by their own rules.
  void transition_to(BreakerState state) TIDELOCK_EXCLUDES(mutex_);

  struct Report {
    BreakerState state;
    std::optional<double> failure_rate;    // Percent; empty below the minimum number of calls.
    std::optional<double> slow_call_rate;  // Likewise.
    CallTally window;                      // While open: what opened it.
    std::uint64_t not_permitted_calls;     // Since the last change of state.
  };
  BreakerState state() { return report().state; }
  Report report() TIDELOCK_EXCLUDES(mutex_);

  // Keeps its metrics there from now on: tidelock_circuitbreaker_state{state} (1 for the one it is in),
  // _calls_total{kind}, _slow_calls_total and _not_permitted_calls_total, labelled with its name. Borrows it.
  void measure(Metrics& metrics) TIDELOCK_EXCLUDES(mutex_);

  const std::string& name() const { return name_; }

 private:
  struct Measures {
    std::map<BreakerState, Gauge> states;
    std::map<Verdict, Counter> calls;
    Counter slow;
    Counter not_permitted;
  };
  class Changes;  // Tells on_state_transition what changed, once the mutex is free.

  void end(std::uint64_t number, std::uint64_t epoch, Instant begun, Verdict verdict, std::string_view why) noexcept;
  std::optional<Permit> admit(Instant now, Changes& changes) TIDELOCK_REQUIRES(mutex_);
  void settle(Instant now, Changes& changes) TIDELOCK_REQUIRES(mutex_);  // What time alone changes.
  void count(bool failed, bool slow, Instant now, Changes& changes) TIDELOCK_REQUIRES(mutex_);
  void enter(BreakerState state, Instant now, Changes& changes) TIDELOCK_REQUIRES(mutex_);
  bool has_enough(const CallTally& tally) const TIDELOCK_REQUIRES(mutex_);
  bool is_bad(const CallTally& tally) const;
  void show_state() TIDELOCK_REQUIRES(mutex_);
  std::string refusal(Instant now) TIDELOCK_REQUIRES(mutex_);

  Runtime& runtime_;
  const std::string name_;
  const CircuitBreakerOptions options_;

  LocalMutex mutex_;
  BreakerState state_ TIDELOCK_GUARDED_BY(mutex_) = BreakerState::closed;
  std::uint64_t epoch_ TIDELOCK_GUARDED_BY(mutex_) = 1;  // Changes with the state; calls of an older one do not count.
  Instant since_ TIDELOCK_GUARDED_BY(mutex_);
  CallWindow window_ TIDELOCK_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Instant> probes_ TIDELOCK_GUARDED_BY(mutex_);  // That have not ended, and when they began.
  std::uint64_t last_number_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::uint64_t not_permitted_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::string last_failure_ TIDELOCK_GUARDED_BY(mutex_);
  std::optional<Measures> measures_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::base

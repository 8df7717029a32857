// Points in time and limits on waiting. Nothing here reads a clock: a base::Runtime does.
#pragma once

#include <chrono>
#include <compare>

namespace tidelock::base {

using Duration = std::chrono::nanoseconds;

// The clock of Instant: monotonic, goes on while the machine is suspended (CLOCK_BOOTTIME), starts anew at each boot.
// It has no now() on purpose; ask Runtime::now().
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};

// A moment on this machine since its boot. Comparable only within one boot.
using Instant = BootClock::time_point;

// `moment` + `duration`, where the sum stops at the end of time instead of overflowing: a very long wait is for ever.
constexpr Instant later(Instant moment, Duration duration) {
  if (duration > Duration::zero() && moment > Instant::max() - duration) return Instant::max();
  return moment + duration;
}

// A moment of the calendar, UTC. May be stepped by an operator; never measure a duration with it.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

// The moment at which a call gives up waiting. Made from an Instant, or never().
class Deadline {
 public:
  constexpr Deadline(Instant at) : at_(at) {}  // NOLINT(google-explicit-constructor): an Instant is a deadline.
  static constexpr Deadline never() { return Instant::max(); }

  constexpr Instant at() const { return at_; }
  constexpr bool is_never() const { return at_ == Instant::max(); }
  constexpr bool passed(Instant now) const { return now >= at_; }
  // Zero when passed. Meaningless for never(): ask is_never() first.
  constexpr Duration left(Instant now) const { return passed(now) ? Duration::zero() : at_ - now; }

  friend constexpr auto operator<=>(const Deadline&, const Deadline&) = default;

 private:
  Instant at_;
};

}  // namespace tidelock::base

// Time for tests with real threads and real servers: it stands still while anybody works, and jumps to the next moment
// somebody waits for when all wait. So a lease expires in a test without anybody sleeping.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "tidelock/base/real_runtime.h"
#include "tidelock/base/runtime.h"

namespace tidelock::lock::conformance {

// Thread-safe. The thread that makes it counts as one that works.
class LiveClock {
 public:
  // `moved`: told of each jump before anybody sees it. `settle`: how long all must have waited before time jumps, in
  // real time; for what is told to somebody from outside, by a server.
  LiveClock(std::function<void(base::Duration)> moved, base::Duration settle);

  static constexpr base::Instant kBegin{std::chrono::hours(1)};
  base::Instant now() const;

  // Somebody who waits for an event, or for time. One wait is one Wait; used by the thread that made it, but for
  // wake().
  struct Wait {
    base::Instant until;
    bool counts;  // Time does not pass while its thread works.
    bool begun = false;
    bool woken = false;
  };
  void wait(Wait& wait);
  void wake(Wait& wait);  // Does nothing when it is over.

  void begin_thread();  // Before it starts, by who starts it.
  void end_thread();

 private:
  void wake_locked(Wait& wait);
  void jump(std::unique_lock<std::mutex>& lock);

  const std::function<void(base::Duration)> moved_;
  const base::Duration settle_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  base::Instant now_ = kBegin;
  std::size_t working_ = 1;
  std::uint64_t changes_ = 0;
  std::list<Wait*> waits_;
};

// A process in a test: threads, an owner of its own, and the time of a LiveClock.
class LiveProcess final : public base::Runtime {
 public:
  // `listens`: the tasks of that name hear what a server tells, and time passes although they work.
  // `wall`: what its wall clock said when the LiveClock was made.
  LiveProcess(LiveClock& clock, std::string host, base::WallTime wall, std::string listens);

  base::Instant now() override { return clock_.now(); }
  base::WallTime wall_now() override;
  bool sleep_until(base::Instant moment, const std::stop_token& stop = {}) override;
  void yield() override { inner_.yield(); }
  std::uint64_t random() override { return inner_.random(); }
  std::unique_ptr<base::Signal> make_signal(std::string_view name) override;
  [[nodiscard]] base::Task spawn(std::string name, std::function<void(std::stop_token)> body) override;
  std::uint64_t current_task() override { return inner_.current_task(); }
  std::shared_ptr<const base::ContextFrame>& context() override { return inner_.context(); }
  const base::Identity& identity() override { return identity_; }

  void step_wall_clock(base::Duration by) { wall_ += std::chrono::duration_cast<std::chrono::microseconds>(by); }

 private:
  class Signal;
  class Body;

  LiveClock& clock_;
  const std::string listens_;
  base::RealRuntime inner_;
  base::Identity identity_;
  base::WallTime wall_;
};

}  // namespace tidelock::lock::conformance

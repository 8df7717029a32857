// Ctrl-C and SIGTERM for commands that have something to end first.
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/signals.h"
#include "tidelock/cli/signals.h"

namespace tidelock::cli {

// Turns SIGINT, SIGTERM and SIGHUP into a stop, as long as it lives. A second signal that comes kSecondAfter or more
// behind the first ends the process at once, whatever it waits for: sooner, it is the same request, which came twice.
// Make it while the process has one thread.
class Interruption {
 public:
  static constexpr base::Duration kSecondAfter = std::chrono::milliseconds(500);
  static constexpr base::Duration kCallEvery = std::chrono::milliseconds(100);

  explicit Interruption(base::Runtime& runtime)
      : runtime_(runtime),
        signals_(runtime, {SIGINT, SIGTERM, SIGHUP}),
        listener_(runtime.spawn("signals", [this](const std::stop_token& over) { listen(over); })) {}
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  // The first one that came.
  std::optional<int> signal() TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    return signal_;
  }
  // Called at the signal, and from then on again and again, from another task: what it is to end may not have begun
  // yet. Null: nothing.
  void at_signal(std::function<void()> call) TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    at_signal_ = std::move(call);
  }

 private:
  void listen(const std::stop_token& over) TIDELOCK_EXCLUDES(mutex_) {
    const auto first = signals_.next(base::Deadline::never(), over);
    if (!first) return;
    const auto second_from = base::later(runtime_.now(), kSecondAfter);
    note(*first);
    stop_.request_stop();
    while (!over.stop_requested()) {
      call();
      const auto again = signals_.next(runtime_.in(kCallEvery), over);
      if (again && runtime_.now() >= second_from) end_by_signal(*again);
    }
  }
  void note(int signal) TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    signal_ = signal;
  }
  void call() TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    if (at_signal_) at_signal_();
  }

  base::Runtime& runtime_;
  base::ProgramSignals signals_;
  std::stop_source stop_;
  base::LocalMutex mutex_;
  std::optional<int> signal_ TIDELOCK_GUARDED_BY(mutex_);
  std::function<void()> at_signal_ TIDELOCK_GUARDED_BY(mutex_);
  base::Task listener_;  // Ends first.
};

}  // namespace tidelock::cli

// Ctrl-C and SIGTERM for commands that have something to end first.
#pragma once

#include <csignal>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/signals.h"

namespace tidelock::cli {

// Turns SIGINT, SIGTERM and SIGHUP into a stop, as long as it lives. Make it while the process has one thread.
class Interruption {
 public:
  explicit Interruption(base::Runtime& runtime)
      : signals_(runtime, {SIGINT, SIGTERM, SIGHUP}),
        listener_(runtime.spawn("signals", [this](const std::stop_token& over) { listen(over); })) {}
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  // The first one that came.
  std::optional<int> signal() TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    return signal_;
  }
  // Called at every signal, from another task; null: nothing.
  void at_signal(std::function<void()> call) TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    at_signal_ = std::move(call);
  }

 private:
  void listen(const std::stop_token& over) TIDELOCK_EXCLUDES(mutex_) {
    while (const auto signal = signals_.next(base::Deadline::never(), over)) {
      stop_.request_stop();
      const base::LocalGuard guard(mutex_);
      if (!signal_) signal_ = *signal;
      if (at_signal_) at_signal_();
    }
  }

  base::ProgramSignals signals_;
  std::stop_source stop_;
  base::LocalMutex mutex_;
  std::optional<int> signal_ TIDELOCK_GUARDED_BY(mutex_);
  std::function<void()> at_signal_ TIDELOCK_GUARDED_BY(mutex_);
  base::Task listener_;  // Ends first.
};

}  // namespace tidelock::cli

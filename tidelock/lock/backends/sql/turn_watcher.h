// Wakes the waiters of this process when it is their turn, wherever the lock was released.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/state.h"

namespace tidelock::lock {

// One task listens for all waiters of a process, and looks whose turn it is when something was committed; it also looks
// from time to time, more often where nothing can be heard. Thread-safe.
class TurnWatcher {
 public:
  // The claims on a key that may try to acquire it now. May throw Error: then everybody tries, and meets it.
  using FindTurns = std::function<std::vector<base::Uuid>(std::string_view key, base::Deadline deadline,
                                                          const std::stop_token& stop)>;

  TurnWatcher(base::Runtime& runtime, StateSource& source, FindTurns find_turns);

  // As Backend::wait().
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex_);
  // Something about this key was committed here: wakes whose turn it is without waiting for the watch; everybody who
  // waits for the key when that is not found out in time. False when nobody here waits for it.
  bool look(std::string_view key, base::Deadline deadline, const std::stop_token& stop = {}) TIDELOCK_EXCLUDES(mutex_);

 private:
  struct Waiter;
  class Registration;

  void run(const std::stop_token& stop);
  void look_at_all(const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex_);
  std::vector<std::string> keys() TIDELOCK_EXCLUDES(mutex_);
  base::Instant in_about(base::Duration most);

  base::Runtime& runtime_;
  StateSource& source_;
  const FindTurns find_turns_;
  const std::unique_ptr<base::Signal> arrived_;

  base::LocalMutex mutex_;
  std::vector<Waiter*> waiters_ TIDELOCK_GUARDED_BY(mutex_);
  bool started_ TIDELOCK_GUARDED_BY(mutex_) = false;
  base::Task task_;  // Last: it ends before the rest.
};

}  // namespace tidelock::lock

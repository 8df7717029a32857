// Wakes the waiters of this process when it is their turn, wherever the lock was released.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/state_file.h"

namespace tidelock::lock {

// One task watches the database's log for all waiters of a process, and looks whose turn it is when something was
// committed; it also looks from time to time, more often where no watching is possible. Thread-safe.
class TurnWatcher {
 public:
  // The claims on a key that may try to acquire it now. May throw Error: then everybody tries, and meets it.
  using FindTurns = std::function<std::vector<base::Uuid>(std::string_view key)>;

  TurnWatcher(base::Runtime& runtime, base::Files& files, StateFile& state_file, FindTurns find_turns);

  // As Backend::wait().
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex_);
  // Something about this key was committed here: wakes whose turn it is without waiting for the watch.
  void look(std::string_view key) TIDELOCK_EXCLUDES(mutex_);

 private:
  struct Waiter;
  class Registration;

  void run(const std::stop_token& stop);
  void look_at_all() TIDELOCK_EXCLUDES(mutex_);
  std::vector<std::string> keys() TIDELOCK_EXCLUDES(mutex_);
  std::unique_ptr<base::Watch> make_watch(const State& state);
  base::Duration jittered(base::Duration most);

  base::Runtime& runtime_;
  base::Files& files_;
  StateFile& state_file_;
  const FindTurns find_turns_;
  const std::unique_ptr<base::Signal> arrived_;

  base::LocalMutex mutex_;
  std::vector<Waiter*> waiters_ TIDELOCK_GUARDED_BY(mutex_);
  bool started_ TIDELOCK_GUARDED_BY(mutex_) = false;
  base::Task task_;  // Last: it ends before the rest.
};

}  // namespace tidelock::lock

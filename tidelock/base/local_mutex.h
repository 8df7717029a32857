// Mutual exclusion inside one process, annotated for clang's -Wthread-safety.
//
// Not a lock between processes: that is lock::Mutex. Never held across a wait or a call that may block on the Runtime:
// in a World all tasks share one thread, and a LocalMutex held at a switch would stop it. Builds with TIDELOCK_CHECKS
// refuse such a wait, in a World and on the real Runtime; a release has only the mutex.
#pragma once

#include <mutex>
#include <string_view>

#if defined(__clang__)
#define TIDELOCK_ANNOTATE(x) __attribute__((x))
#else
#define TIDELOCK_ANNOTATE(x)
#endif

#define TIDELOCK_GUARDED_BY(x) TIDELOCK_ANNOTATE(guarded_by(x))
#define TIDELOCK_REQUIRES(x) TIDELOCK_ANNOTATE(requires_capability(x))
#define TIDELOCK_EXCLUDES(x) TIDELOCK_ANNOTATE(locks_excluded(x))

namespace tidelock::base {

// For what waits, before it does. Error, with TIDELOCK_CHECKS: misuse when this thread holds a LocalMutex; the message
// begins with `waiter`, what is about to wait.
#if defined(TIDELOCK_CHECKS)
void check_no_local_mutex_held(std::string_view waiter);
void count_local_mutexes_held(int change);  // Of this thread.
#else
inline void check_no_local_mutex_held(std::string_view) {}
inline void count_local_mutexes_held(int) {}
#endif

class TIDELOCK_ANNOTATE(capability("mutex")) LocalMutex {
 public:
  LocalMutex() = default;
  LocalMutex(const LocalMutex&) = delete;
  LocalMutex& operator=(const LocalMutex&) = delete;

  void lock() TIDELOCK_ANNOTATE(acquire_capability()) {
    mutex_.lock();
    count_local_mutexes_held(1);
  }
  void unlock() TIDELOCK_ANNOTATE(release_capability()) {
    count_local_mutexes_held(-1);
    mutex_.unlock();
  }

 private:
  std::mutex mutex_;
};

class TIDELOCK_ANNOTATE(scoped_lockable) LocalGuard {
 public:
  explicit LocalGuard(LocalMutex& mutex) TIDELOCK_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~LocalGuard() TIDELOCK_ANNOTATE(release_capability()) { mutex_.unlock(); }
  LocalGuard(const LocalGuard&) = delete;
  LocalGuard& operator=(const LocalGuard&) = delete;

 private:
  LocalMutex& mutex_;
};

}  // namespace tidelock::base

// Makes the statement that a session runs stop: on request from another task, or at its deadline.
//
// The engine's own interrupt is a flag on the connection that the next statement clears when it begins. Raised a moment
// too early it is lost, a moment too late it would be left to whoever looks next. So it is raised under a mutex, only
// while a statement runs, and remembered here, where the statement looks once the engine has cleared its flag.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <utility>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/backends/duckdb/api.h"

namespace tidelock::sql::duckdb {

class Interrupter;

// Interrupts statements whose deadline passed, from a task of its own that the first such deadline starts. It costs a
// wake-up only for a deadline that is earlier than all others. Thread-safe.
class Watchdog {
 public:
  explicit Watchdog(base::Runtime& runtime);
  ~Watchdog();

  void watch(Interrupter& interrupter, base::Instant deadline) TIDELOCK_EXCLUDES(mutex_);
  // When it returns, the interrupter is not touched any more.
  void forget(Interrupter& interrupter, base::Instant deadline) TIDELOCK_EXCLUDES(mutex_);

 private:
  void run(const std::stop_token& stop);
  // Interrupts what is due; returns when to look again.
  base::Deadline interrupt_due() TIDELOCK_EXCLUDES(mutex_);

  base::Runtime& runtime_;
  std::unique_ptr<base::Signal> earlier_;  // A deadline came in that is earlier than the one slept for.
  base::LocalMutex mutex_;
  std::multimap<base::Instant, Interrupter*> watched_ TIDELOCK_GUARDED_BY(mutex_);
  base::Instant sleeps_until_ TIDELOCK_GUARDED_BY(mutex_) = base::Instant::max();
  bool started_ TIDELOCK_GUARDED_BY(mutex_) = false;
  base::Task task_;  // Last: it uses what is above.
};

// Of one session. begin(), end() and the looking belong to the session's task, interrupt() to any.
class Interrupter {
 public:
  enum class Reason : std::uint8_t { none, cancelled, timed_out };

  // Borrows what it is given.
  Interrupter(const Api& api, duckdb_connection connection, base::Runtime& runtime, Watchdog& watchdog)
      : api_(api), connection_(connection), runtime_(runtime), watchdog_(watchdog) {}

  // What interrupt(Reason::cancelled) will be called for: each begin() looks whether it was requested before.
  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }

  // From here to end() a statement runs.
  void begin(base::Deadline deadline) TIDELOCK_EXCLUDES(mutex_);
  void end() TIDELOCK_EXCLUDES(mutex_);

  // While one lives a reason is remembered, and the engine not interrupted: what begins or ends a transaction is seen
  // through, or nobody would know whether it was.
  class Hold {
   public:
    explicit Hold(Interrupter& interrupter) : interrupter_(interrupter) { interrupter_.set_held(true); }
    ~Hold() { interrupter_.set_held(false); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Interrupter& interrupter_;
  };

  // Does nothing when no statement runs. The first reason counts.
  void interrupt(Reason reason) noexcept TIDELOCK_EXCLUDES(mutex_);

  // Why the statement is to stop. Cheap: asked for each row.
  Reason reason() const { return reason_.load(std::memory_order_acquire); }
  // The same, and looks at the clock as well.
  Reason look();

 private:
  void set_held(bool held) TIDELOCK_EXCLUDES(mutex_);

  const Api& api_;
  duckdb_connection connection_;
  base::Runtime& runtime_;
  Watchdog& watchdog_;
  base::Deadline deadline_ = base::Deadline::never();
  std::stop_token stop_;
  std::atomic<Reason> reason_{Reason::none};
  base::LocalMutex mutex_;
  bool running_ TIDELOCK_GUARDED_BY(mutex_) = false;
  bool held_ TIDELOCK_GUARDED_BY(mutex_) = false;
};

}  // namespace tidelock::sql::duckdb

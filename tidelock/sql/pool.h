// The connections of a Database: handed out first come, first served, for a turn at a time.
//
// While others wait, a connection is kept for the task that gave it back, if it is expected straight back, until its
// turn is over: nobody has to be woken for each statement. Why and for how long: docs/decisions/pool-in-turn.md.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/circuit_breaker.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/metrics.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/link.h"

namespace tidelock::sql {

// Thread-safe.
class Pool {
 public:
  Pool(base::Runtime& runtime, std::unique_ptr<Driver> driver, DatabaseOptions options, std::string name);
  ~Pool();

  // Empty: waits for DatabaseOptions::checkout_timeout; opening a connection to a server then has its own limit.
  Link& checkout(std::optional<base::Deadline> deadline, const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex_);
  void give_back(Link& link) noexcept TIDELOCK_EXCLUDES(mutex_);
  // Its lease is over, so that nobody cancels the session, which is closed next; the Link stays lent.
  void expire(Link& link) noexcept TIDELOCK_EXCLUDES(mutex_);
  // Cancels what runs under this lease, and nothing else.
  void cancel(Link& link, std::uint64_t lease) noexcept TIDELOCK_EXCLUDES(mutex_);
  Database::PoolState state() const TIDELOCK_EXCLUDES(mutex_);

  void measure(base::Metrics& metrics) TIDELOCK_EXCLUDES(mutex_);
  void observe(std::shared_ptr<Observer> observer) TIDELOCK_EXCLUDES(mutex_);

  // The server refused to write on a session of this generation, since it only follows another or was demoted: no
  // session that was opened before now is lent any more. Those to come are of the next generation. Once a second at
  // most: who tries to write again and again, until another server takes over, would have who reads connect anew each
  // time.
  void pass_over(std::uint64_t generation) noexcept TIDELOCK_EXCLUDES(mutex_);
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_relaxed); }

  Observer* observer() const { return observer_.load(std::memory_order_acquire); }

  std::uint64_t next_number() { return numbers_.fetch_add(1, std::memory_order_relaxed) + 1; }
  base::Runtime& runtime() const { return runtime_; }
  Driver& driver() const { return *driver_; }
  const Dialect& dialect() const { return dialect_; }
  const DatabaseOptions& options() const { return options_; }
  const std::string& name() const { return name_; }

 private:
  struct Slot {
    Link link;
    std::uint64_t lease = 0;  // 0: idle. Guarded by the Pool's mutex.
    std::uint64_t task = 0;   // Who has it, or had it last.
    base::Instant since{};
    base::Instant turn_since{};  // When its task got it, whatever it gave back and took again since.
    base::Instant kept_since{};  // Given back while others wait; see kept_.
    bool comes_back = false;     // Its task is expected straight back: it came so before.
    base::Instant idle_since{};  // Given back.
    base::Instant seen_at{};     // Of a session of a server, as is the next: it had not hung up.
    base::Instant old_at{};      // Past its max_lifetime.
    Slot(Pool& pool, std::uint64_t id, std::size_t statement_cache) : link(pool, id, statement_cache) {}
  };
  // Of a task that wants a connection: what it gave back a moment ago, if it did, and whether it came straight back.
  struct Return {
    const Slot* had = nullptr;
    bool straight = false;
  };
  // A task in wait(). Kept for the next one: who grants it a connection may wake it later, when it has gone on already.
  struct Waiter {
    std::unique_ptr<base::Signal> signal;
    std::uint64_t task = 0;
    base::Instant since{};
    Return last;
    base::Deadline look_at = base::Deadline::never();  // As watcher_, after what is kept.
    std::atomic<Slot*> granted = nullptr;              // Lent to it.
  };
  // Of a task that gave back a connection which others wait for.
  struct Departure {
    std::uint64_t task = 0;
    const Slot* slot = nullptr;
    base::Instant at = base::Instant::min();
    bool expected = false;  // Straight back.
  };

  // What a Metrics is told, once there is one.
  struct Measures {
    base::Gauge in_use;
    base::Gauge idle;
    base::Counter timeouts;
    base::Counter opened;
    base::Counter broken;
    base::Counter old;
    base::Counter unused;
    base::Histogram waits;
  };

  void begin_generation(base::Instant now) TIDELOCK_REQUIRES(mutex_);
  void report() TIDELOCK_REQUIRES(mutex_);
  Link& lend(Slot& slot, std::uint64_t task, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  Slot* take_idle(std::uint64_t task, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  Slot* take_kept(std::uint64_t task, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  bool keep(Slot& slot, base::Instant now) noexcept TIDELOCK_REQUIRES(mutex_);  // False: its turn is over.
  Waiter& take_waiter(const Slot& slot, base::Instant now) noexcept TIDELOCK_REQUIRES(mutex_);
  Return come_back(std::uint64_t task, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  void pass_on_overdue(base::Instant now) noexcept TIDELOCK_REQUIRES(mutex_);
  void pass_on_kept(Slot& slot, base::Instant now) noexcept TIDELOCK_REQUIRES(mutex_);
  base::Instant next_look(base::Instant now) const TIDELOCK_REQUIRES(mutex_);
  void watch(Waiter& watcher, base::Instant now) TIDELOCK_EXCLUDES(mutex_);
  void end_watch() noexcept TIDELOCK_REQUIRES(mutex_);
  Waiter& enqueue(std::uint64_t task, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  Slot& wait(Waiter& waiter, base::Deadline deadline, const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex_);
  Slot* leave(Waiter& waiter) TIDELOCK_EXCLUDES(mutex_);  // What was granted to it, if anything.
  void make_ready(Slot& slot, base::Deadline until, const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex_);
  void open(Slot& slot, base::Deadline until, const std::stop_token& stop);
  base::CircuitBreaker::Permit permit_to_open(base::Deadline until, const std::stop_token& stop);
  void close_if_spent(Slot& slot, base::Deadline until, const std::stop_token& stop) noexcept TIDELOCK_EXCLUDES(mutex_);
  void close_unused(Slot* slot, base::Instant now) noexcept TIDELOCK_EXCLUDES(mutex_);
  std::vector<Slot*>::iterator first_open_idle() noexcept TIDELOCK_REQUIRES(mutex_);
  Slot* take_unused(base::Instant now) noexcept TIDELOCK_REQUIRES(mutex_);
  void count(base::Counter Measures::*what) noexcept TIDELOCK_EXCLUDES(mutex_);
  void put_back(Slot& slot) noexcept TIDELOCK_EXCLUDES(mutex_);
  base::Signal* pass_on(Slot& slot) noexcept TIDELOCK_REQUIRES(mutex_);  // Whom to wake after the mutex; null: nobody.
  [[noreturn]] void throw_exhausted() TIDELOCK_EXCLUDES(mutex_);
  Slot& slot_of(Link& link) { return *slots_[link.id() - 1]; }

  base::Runtime& runtime_;
  const std::unique_ptr<Driver> driver_;
  const Dialect& dialect_;
  const DatabaseOptions options_;
  const std::string name_;
  const std::unique_ptr<base::CircuitBreaker> breaker_;  // Of opening sessions; null where there is no server.
  std::atomic<std::uint64_t> numbers_ = 0;
  std::atomic<std::uint64_t> generation_ = 0;
  std::optional<base::Instant> generation_began_ TIDELOCK_GUARDED_BY(mutex_);  // Empty: with the pool.
  std::optional<base::Instant> next_generation_ TIDELOCK_GUARDED_BY(mutex_);   // When there is a reason for one.
  std::atomic<Observer*> observer_ = nullptr;

  mutable base::LocalMutex mutex_;
  std::vector<std::unique_ptr<Slot>> slots_;                 // All of them, made at the start; constant.
  std::vector<Slot*> idle_ TIDELOCK_GUARDED_BY(mutex_);      // Used last: last. Those without a session come first.
  std::deque<Waiter*> waiters_ TIDELOCK_GUARDED_BY(mutex_);  // Not empty only while nothing is idle.
  std::vector<Slot*> kept_ TIDELOCK_GUARDED_BY(mutex_);      // For tasks expected straight back, the longest first.
  Waiter* watcher_ TIDELOCK_GUARDED_BY(mutex_) = nullptr;    // Looks after what is kept; without it nothing is.
  base::Instant last_kept_ TIDELOCK_GUARDED_BY(mutex_){};
  base::Instant well_since_ TIDELOCK_GUARDED_BY(mutex_);  // Since then nothing that was kept lay idle for long.
  std::array<Departure, 64> departures_ TIDELOCK_GUARDED_BY(mutex_);  // By task; another may take the place.
  int credit_ TIDELOCK_GUARDED_BY(mutex_) = 0;  // Whether keeping pays: earned by tasks that came straight back.
  std::vector<std::unique_ptr<Waiter>> all_waiters_ TIDELOCK_GUARDED_BY(mutex_);
  std::vector<Waiter*> spare_waiters_ TIDELOCK_GUARDED_BY(mutex_);
  std::uint64_t waited_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::size_t in_use_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::optional<Measures> measures_ TIDELOCK_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Observer>> observers_
      TIDELOCK_GUARDED_BY(mutex_);  // Kept: statements may still call them.
};

}  // namespace tidelock::sql

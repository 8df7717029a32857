// The only way to time, waiting, randomness and concurrency.
//
// RealRuntime (real_runtime.h) uses threads and the kernel's clocks; world::World runs the same blocking code on fibers
// in virtual time. Library code takes a Runtime& and never asks the system itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "tidelock/base/time.h"

namespace tidelock::base {

// Who this process is, as it stands in lease, waiter and run rows.
struct Identity {
  std::string owner;    // A UUID, inherited by child processes through the environment (TIDELOCK_OWNER).
  std::string host;     // For people.
  std::int64_t pid;     // For people.
  std::string boot_id;  // Instants of two boots are not comparable.
};

// One frame of the task-local values; see context.h for the typed face.
struct ContextFrame {
  const void* key;
  std::shared_ptr<const void> value;
  std::shared_ptr<const ContextFrame> outer;
};

// Something tasks wait for. It counts notifications, so that none is lost between looking and waiting:
//   auto seen = signal->count();
//   while (!ready()) { if (!signal->wait(seen, deadline)) return timed_out; seen = signal->count(); }
// Thread-safe.
class Signal {
 public:
  virtual ~Signal() = default;
  virtual std::uint64_t count() const = 0;
  // Wakes every waiter. Never blocks.
  virtual void notify_all() = 0;
  // True as soon as count() differs from `seen`, false at the deadline. Returns at once when it already differs.
  virtual bool wait(std::uint64_t seen, Deadline deadline) = 0;
  // Also returns true when `stop` is requested; the caller asks the token.
  bool wait(std::uint64_t seen, Deadline deadline, const std::stop_token& stop);
};

// A task that was spawned. Owns it: the destructor requests stop and joins. Movable; used by one task at a time.
class Task {
 public:
  class Body;  // Of the Runtime that spawned it.

  Task() = default;
  explicit Task(std::unique_ptr<Body> body);
  Task(Task&&) noexcept;
  Task& operator=(Task&&) noexcept;
  // A task that ended with an exception nobody joined for ends the program (a World fails instead).
  ~Task();

  bool joinable() const { return body_ != nullptr; }
  void request_stop();
  // Waits for the end; throws what the task threw.
  void join();

 private:
  void finish() noexcept;
  std::unique_ptr<Body> body_;
};

// Implemented by a Runtime, not used elsewhere.
class Task::Body {
 public:
  virtual ~Body() = default;
  virtual void request_stop() = 0;
  virtual std::exception_ptr join() = 0;                        // Waits; null when it ended well. Called once.
  virtual void abandon(std::exception_ptr error) noexcept = 0;  // Nobody will look at this error.
};

// Thread-safe. Outlives everything made from it.
class Runtime {
 public:
  virtual ~Runtime() = default;

  // This machine's monotonic clock, suspend included.
  virtual Instant now() = 0;
  virtual WallTime wall_now() = 0;

  // Returns false when `stop` was requested before the moment came, or before the call: a loop that has fallen behind
  // its schedule can still be stopped.
  virtual bool sleep_until(Instant moment, const std::stop_token& stop = {}) = 0;
  bool sleep_for(Duration duration, const std::stop_token& stop = {}) {
    return sleep_until(later(now(), duration), stop);
  }

  // Lets other ready tasks run.
  virtual void yield() = 0;

  // 64 uniform bits; not for secrets. A real runtime may be given its seed, a World always has one.
  virtual std::uint64_t random() = 0;

  // `name` appears in the report of a World in which nobody can run: say what is waited for.
  virtual std::unique_ptr<Signal> make_signal(std::string_view name) = 0;

  // Starts `body` now, with the task-local values of the caller. `name` is for people.
  [[nodiscard]] virtual Task spawn(std::string name, std::function<void(std::stop_token)> body) = 0;

  // A number that no other task of this process has while it lives; 0 is the main task.
  virtual std::uint64_t current_task() = 0;

  // The task-local values of the current task; see TaskLocal.
  virtual std::shared_ptr<const ContextFrame>& context() = 0;

  virtual const Identity& identity() = 0;

  Deadline in(Duration duration) { return later(now(), duration); }
};

}  // namespace tidelock::base

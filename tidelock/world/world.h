// A world in virtual time: machines with clocks and disks, processes, a network; one task runs at a time, in an order
// chosen by a seed. The same seed gives the same run.
//
//   World world(seed);
//   world.run([&](base::Runtime& runtime) { ... });
//
// The body is ordinary blocking code: see Process for what it may call, and testing.h for tests. When nobody can run,
// time jumps to the next timer. Not thread-safe: one thread at a time uses a World and all that belongs to it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/world/disk.h"
#include "tidelock/world/machine.h"
#include "tidelock/world/network.h"
#include "tidelock/world/process.h"
#include "tidelock/world/random.h"

namespace tidelock::world {

class Scheduler;

struct WorldOptions {
  std::size_t stack_bytes = 256 * 1024;          // Of each task.
  std::uint64_t step_limit = 200'000'000;        // Choices of a task to run, until the World fails.
  std::uint64_t step_limit_at_once = 2'000'000;  // The same while no time passes: tasks that poll each other.
  std::size_t trace_log = 0;                     // Lines of story to keep, for trace_log().
  std::optional<bool> buggify{};                 // Whether chance() may be true; empty: every other seed.
};

class World {
 public:
  explicit World(std::uint64_t seed, WorldOptions options = {});
  ~World();  // Kills what still runs.
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::uint64_t seed() const { return seed_; }

  // Finds or makes. The machine and the process without a name are where run(body) runs.
  Machine& machine(std::string_view name = "machine");
  Process& process(Machine& machine, std::string_view name);
  Process& process(std::string_view name = "main") { return process(machine(), name); }
  base::Runtime& runtime() { return process(); }
  base::Files& files() { return process().files(); }
  Network& network() { return *network_; }

  // Runs `body` as the main task of process(), and everything it starts, to the end. Throws what the body throws, what
  // a main of another process throws, and what a task throws that nobody joins; all tasks have ended then,
  // and a World that failed has killed its processes (start() or restart() revives one). Errors:
  // deadlock (nobody can run; the message lists who waits for what since when), timeout (a step limit).
  void run(const std::function<void()>& body);
  void run(const std::function<void(base::Runtime&)>& body);
  // Goes on until all tasks have ended. Errors: as above.
  void run();
  // Goes on until this moment of machine()'s clock, or for this long. Errors: as above, except deadlock.
  void run_until(base::Instant moment);
  void run_for(base::Duration duration);

  // True time since the World began, which no drift and no boot of a machine touches.
  base::Duration elapsed() const;

  // A rare branch that tests force at random: true with the given probability at some of the places that ask, in some
  // of the runs, chosen by the seed ("buggify" of FoundationDB).
  bool chance(double probability, std::source_location place = std::source_location::current());
  // For test code and models; the code under test uses Runtime::random().
  Random& random() { return random_; }

  // One number for all that happened so far: choices of tasks, timers, I/O, messages and the values given to trace().
  std::uint64_t trace_hash() const;
  void trace(std::uint64_t value);
  void trace(std::string_view text);
  // The last lines, when WorldOptions::trace_log asks for them.
  std::string trace_log() const;
  // How often a task was chosen to run.
  std::uint64_t steps() const;

  Scheduler& scheduler() { return *scheduler_; }  // Internal.

 private:
  friend class Machine;
  friend class Process;

  std::string make_uuid();
  void kill_processes() noexcept;

  const std::uint64_t seed_;
  Random random_;          // Of the world itself and of test code.
  Random runtime_random_;  // What Runtime::random() gives.
  bool buggify_;
  std::int64_t next_pid_ = 1000;
  std::deque<std::unique_ptr<Machine>> machines_;
  std::deque<std::unique_ptr<Process>> processes_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Scheduler> scheduler_;  // Ends first: its tasks use the rest.
};

}  // namespace tidelock::world

// A simulated process: the Runtime and the Files its code is given, and what can happen to it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/world/crashed.h"

namespace tidelock::world {

class Machine;
class World;
class FilesOfProcess;
struct TaskGroup;

// Made by World::process(). The functions of base::Runtime may be called by the tasks of any process (a test drives
// another process this way); they use this process's clock and identity. A deadline for a wait on something of a
// process (a signal, a file, a link) is a moment of the clock of its machine: make it with in() of the same process.
class Process final : public base::Runtime {
 public:
  using Main = std::function<void(Process&)>;

  Process(World& world, Machine& machine, std::string name);
  ~Process() override;

  const std::string& name() const { return name_; }
  World& world() { return world_; }
  Machine& machine() { return machine_; }

  // Runs `main` as task 0. An exception that leaves it fails the World. After a crash this is a new incarnation of the
  // process, with a new pid and owner. Error: misuse while an earlier main runs.
  void start(Main main);
  // crash(), when it was not, then start() with the same main, if there ever was one.
  void restart();
  // Waits until no task of this process is left.
  void wait_for_end();

  // kill -9. Its I/O is cut at once: see Crashed. File locks are dropped, mappings are gone; what was written stays.
  // Its tasks unwind at their next wait; this call does not wait for that. In a task of this process it throws Crashed.
  void crash();
  bool crashed() const { return crashed_; }

  // The disk of its machine.
  base::Files& files();

  // SIGSTOP and SIGCONT: its tasks do not run, time goes on.
  void pause();
  void resume();

  base::Instant now() override;
  base::WallTime wall_now() override;
  bool sleep_until(base::Instant moment, const std::stop_token& stop = {}) override;
  void yield() override;
  std::uint64_t random() override;
  std::unique_ptr<base::Signal> make_signal(std::string_view name) override;
  [[nodiscard]] base::Task spawn(std::string name, std::function<void(std::stop_token)> body) override;
  std::uint64_t current_task() override;
  std::shared_ptr<const base::ContextFrame>& context() override;
  const base::Identity& identity() override;

 private:
  class SignalOfWorld;
  class TaskOfWorld;
  friend class Machine;
  friend class World;

  void begin_incarnation();
  void launch(Main main);
  void kill() noexcept;  // As crash(), without the exception.

  World& world_;
  Machine& machine_;
  const std::string name_;
  std::unique_ptr<TaskGroup> group_;
  std::unique_ptr<FilesOfProcess> files_;
  std::deque<base::Identity> identities_;  // One an incarnation: a task that unwinds still has its own.
  Main main_;
  bool main_runs_ = false;
  bool crashed_ = false;
};

}  // namespace tidelock::world

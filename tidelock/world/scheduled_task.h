// A task on its fiber, what it waits in, and the tasks that are stopped or killed with it. Internal to the World.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/world/fiber.h"
#include "tidelock/world/timers.h"

namespace tidelock::world {

class Scheduler;
struct ScheduledTask;

// Tasks that wait for one thing, in order of arrival.
class WaitQueue {
 public:
  bool empty() const { return first_ == nullptr; }

 private:
  friend class Scheduler;
  void add(ScheduledTask& task);
  void remove(ScheduledTask& task);
  ScheduledTask* first_ = nullptr;
  ScheduledTask* last_ = nullptr;
};

// The tasks of a process that are stopped or killed together.
struct TaskGroup {
  explicit TaskGroup(std::string name) : name(std::move(name)) {}

  std::string name;               // For reports.
  std::uint64_t incarnation = 0;  // A task of an earlier one is being killed.
  std::uint64_t next_number = 1;
  std::size_t live = 0;
  bool paused = false;
  std::vector<ScheduledTask*> held;  // Would be ready, were the group not paused.
  WaitQueue all_ended;
};

struct ScheduledTask final : Timer {
  enum class State { ready, held, running, waiting, ended };

  ScheduledTask(Scheduler& scheduler, TaskGroup& group, std::uint64_t number, std::string name)
      : scheduler(scheduler), group(group), incarnation(group.incarnation), number(number), name(std::move(name)) {}
  void fire() override;
  bool dying() const { return incarnation != group.incarnation; }
  std::string label() const;  // "process/task#3"

  Scheduler& scheduler;
  TaskGroup& group;
  const std::uint64_t incarnation;
  const std::uint64_t number;  // In its process.
  const std::string name;
  std::uint64_t serial = 0;  // In the World.
  std::size_t live_index = 0;

  Fiber fiber;
  State state = State::ready;
  bool has_stack = false;
  std::function<void(std::stop_token)> body;
  std::stop_source stop;
  std::shared_ptr<const base::ContextFrame> context;

  std::exception_ptr error;
  bool killed = false;  // Ended by a crash of its process.
  WaitQueue ended;

  // While it waits:
  const char* waits_for = "";  // "signal", "the end of", ...
  std::string_view waits_for_name;
  Time waits_since{};
  bool killable = true;
  bool timed_out = false;
  WaitQueue* queue = nullptr;
  ScheduledTask* before = nullptr;
  ScheduledTask* after = nullptr;
};

}  // namespace tidelock::world

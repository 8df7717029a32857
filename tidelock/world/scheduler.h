// Runs tasks one at a time on fibers, in virtual time, in an order chosen by the seed. Internal to the World.
//
// The thread that drives the World is a task like the others, called the outside; it goes on only when nobody else can
// run at the present moment. Not thread-safe: a World belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/world/fiber.h"
#include "tidelock/world/random.h"
#include "tidelock/world/scheduled_task.h"
#include "tidelock/world/timers.h"
#include "tidelock/world/trace.h"

namespace tidelock::world {

struct SchedulerOptions {
  std::size_t stack_bytes;
  std::uint64_t step_limit;
  std::uint64_t step_limit_at_once;
  std::size_t trace_log;
};

class Scheduler {
 public:
  // kill_groups: calls kill() for every group there is.
  Scheduler(std::uint64_t seed, SchedulerOptions options, std::function<void()> kill_groups);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  Time now() const { return now_; }
  std::uint64_t steps() const { return steps_; }
  ScheduledTask& current() { return *current_; }
  bool outside() const { return current_ == &outside_; }
  TaskGroup& outside_group() { return outside_group_; }
  Trace& trace() { return trace_; }
  // Folds an event of the current task into the trace; `words` only where the log is kept.
  template <typename Words>
  void trace_event(std::uint64_t value, Words&& words);

  std::shared_ptr<ScheduledTask> spawn(TaskGroup& group, std::uint64_t number, std::string name,
                                       std::function<void(std::stop_token)> body,
                                       std::shared_ptr<const base::ContextFrame> context);
  void wait_for_end(TaskGroup& group);

  void yield();
  enum class Interrupt { by_kill, never };
  // Waits in `queue` (or in none) until woken or until `at`; true when woken. `never` is for joining: a task that is
  // being killed still waits for the tasks that may refer to its stack.
  // Errors: world::Crashed in a task that is being killed; outside, what made the World fail.
  bool wait(WaitQueue* queue, Time at, const char* what, std::string_view name,
            Interrupt interrupt = Interrupt::by_kill);
  void wake_all(WaitQueue& queue);
  void wake(ScheduledTask& task);    // Does nothing unless it waits.
  void expire(ScheduledTask& task);  // Its moment has come.
  void arm(Timer& timer, Time at) { timers_.arm(timer, at); }
  void disarm(Timer& timer) { timers_.disarm(timer); }
  // Errors: world::Crashed when the current task is being killed and not unwinding already.
  void check_alive();

  // Wakes the tasks of a group that wait for a moment, because its clock changed: they look at it again.
  void wake_sleepers(const TaskGroup& group);
  void pause(TaskGroup& group);
  void resume(TaskGroup& group);
  // From here on the group's tasks unwind. Does not wait for that, and does not throw.
  void kill(TaskGroup& group);

  // The World fails with this error, unless it failed before.
  void fail(std::exception_ptr error) noexcept;
  // Outside only: runs until no task is left. Errors: what made the World fail, when all tasks have been unwound.
  void run_to_end();
  // Outside only: kills every task and waits for their ends.
  void kill_all() noexcept;
  std::size_t live() const { return live_.size(); }
  std::string waiting_tasks() const;

 private:
  static void enter(void* task);
  void run_body(ScheduledTask& task) noexcept;
  void finish(ScheduledTask& task) noexcept;
  void block(WaitQueue* queue, Time at);
  void withdraw(ScheduledTask& task);
  void make_ready(ScheduledTask& task);
  void give_way(bool ends = false);
  void after_switch();
  ScheduledTask& choose();
  bool count_step();
  void fail_with_report(Code code, const std::string& what);
  void check_failure(bool may_throw);
  void check_no_mutex_held(const char* what, std::string_view name) const;

  const SchedulerOptions options_;
  const std::function<void()> kill_groups_;
  Random random_;
  Trace trace_;
  StackPool stacks_;
  TimerHeap timers_;
  Time now_{};
  std::uint64_t steps_ = 0;
  std::uint64_t steps_at_once_ = 0;
  std::uint64_t steps_end_;
  std::uint64_t next_serial_ = 1;

  TaskGroup outside_group_;
  ScheduledTask outside_;
  bool outside_ready_ = false;
  ScheduledTask* current_ = &outside_;
  std::shared_ptr<ScheduledTask> leaving_;  // Ended; its stack can be reused as soon as something else runs.
  ScheduledTask* yielding_ = nullptr;
  std::vector<ScheduledTask*> ready_;
  std::vector<std::shared_ptr<ScheduledTask>> live_;
  WaitQueue all_ended_;
  std::exception_ptr failure_;
  bool failing_ = false;  // The outside runs next, and ends the World.
  bool killing_all_ = false;
};

template <typename Words>
void Scheduler::trace_event(std::uint64_t value, Words&& words) {
  trace_.fold(value);
  if (trace_.keeps_log()) trace_.log(now_, current_->label() + " " + words());
}

}  // namespace tidelock::world

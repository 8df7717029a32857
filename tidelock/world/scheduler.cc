#include "tidelock/world/scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tidelock/base/local_mutex.h"
#include "tidelock/world/crashed.h"

namespace tidelock::world {

void WaitQueue::add(ScheduledTask& task) {
  task.queue = this;
  task.before = last_;
  task.after = nullptr;
  (last_ != nullptr ? last_->after : first_) = &task;
  last_ = &task;
}

void WaitQueue::remove(ScheduledTask& task) {
  (task.before != nullptr ? task.before->after : first_) = task.after;
  (task.after != nullptr ? task.after->before : last_) = task.before;
  task.queue = nullptr;
}

std::string ScheduledTask::label() const {
  return group.name + "/" + name + (number == 0 ? "" : "#" + std::to_string(number));
}

void ScheduledTask::fire() { scheduler.expire(*this); }

Scheduler::Scheduler(std::uint64_t seed, SchedulerOptions options, std::function<void()> kill_groups)
    : options_(options),
      kill_groups_(std::move(kill_groups)),
      random_(seed, 0x5c4ed),
      trace_(options.trace_log),
      stacks_(options.stack_bytes),
      steps_end_(options.step_limit),
      outside_group_("outside"),
      outside_(*this, outside_group_, 0, "outside") {
  outside_.state = ScheduledTask::State::running;
}

Scheduler::~Scheduler() {
  if (failure_ && std::uncaught_exceptions() == 0) {
    std::fputs("world: it failed, and nobody was told: call World::run()\n", stderr);
    std::terminate();
  }
}

std::shared_ptr<ScheduledTask> Scheduler::spawn(TaskGroup& group, std::uint64_t number, std::string name,
                                                std::function<void(std::stop_token)> body,
                                                std::shared_ptr<const base::ContextFrame> context) {
  check_alive();
  auto task = std::make_shared<ScheduledTask>(*this, group, number, std::move(name));
  task->serial = next_serial_++;
  task->body = std::move(body);
  task->context = std::move(context);
  task->live_index = live_.size();
  live_.push_back(task);
  ++group.live;
  trace_event(task->serial, [&] { return "spawns " + task->label(); });
  make_ready(*task);
  return task;
}

void Scheduler::wait_for_end(TaskGroup& group) {
  while (group.live != 0) wait(&group.all_ended, kNever, "the end of process", group.name);
}

void Scheduler::check_alive() {
  if (current_->dying() && std::uncaught_exceptions() == 0) throw Crashed();
}

void Scheduler::yield() {
  check_alive();
  check_no_mutex_held("its next turn", {});
  make_ready(*current_);
  yielding_ = current_;
  give_way();
  check_alive();
  check_failure(true);
}

void Scheduler::check_no_mutex_held([[maybe_unused]] const char* what, [[maybe_unused]] std::string_view name) const {
#if defined(TIDELOCK_CHECKS)
  base::check_no_local_mutex_held(current_->label() + " waits for " + what + " " + std::string(name));
#endif
}

bool Scheduler::wait(WaitQueue* queue, Time at, const char* what, std::string_view name, Interrupt interrupt) {
  auto& self = *current_;
  const bool killable = interrupt == Interrupt::by_kill;
  if (killable) check_alive();
  check_no_mutex_held(what, name);
  self.waits_for = what;
  self.waits_for_name = name;
  self.killable = killable;
  block(queue, at);
  if (killable) check_alive();
  check_failure(killable);
  return !self.timed_out;
}

void Scheduler::block(WaitQueue* queue, Time at) {
  auto& self = *current_;
  self.waits_since = now_;
  self.timed_out = false;
  self.state = ScheduledTask::State::waiting;
  if (queue != nullptr) queue->add(self);
  if (at != kNever) timers_.arm(self, std::max(at, now_));
  give_way();
  withdraw(self);  // When the World failed, nobody woke the outside.
}

void Scheduler::withdraw(ScheduledTask& task) {
  if (task.queue != nullptr) task.queue->remove(task);
  timers_.disarm(task);
}

void Scheduler::wake(ScheduledTask& task) {
  if (task.state != ScheduledTask::State::waiting) return;
  withdraw(task);
  make_ready(task);
}

void Scheduler::wake_all(WaitQueue& queue) {
  while (!queue.empty()) wake(*queue.first_);
}

void Scheduler::expire(ScheduledTask& task) {
  task.timed_out = true;
  wake(task);
}

void Scheduler::make_ready(ScheduledTask& task) {
  task.state = ScheduledTask::State::ready;
  if (&task == &outside_) {
    outside_ready_ = true;
  } else if (task.group.paused && !task.dying()) {
    task.state = ScheduledTask::State::held;
    task.group.held.push_back(&task);
  } else {
    ready_.push_back(&task);
  }
}

void Scheduler::give_way(bool ends) {
  auto& from = *current_;
  auto& to = choose();
  to.state = ScheduledTask::State::running;
  if (&to == &from) return;
  if (!to.has_stack && &to != &outside_) {
    to.fiber.prepare(stacks_.take(), enter, &to);
    to.has_stack = true;
  }
  current_ = &to;
  to.fiber.switch_from(from.fiber, ends);
  after_switch();
}

void Scheduler::after_switch() {
  if (leaving_ == nullptr) return;
  stacks_.give_back(leaving_->fiber.release());
  leaving_.reset();
}

ScheduledTask& Scheduler::choose() {
  const auto yielding = std::exchange(yielding_, nullptr);
  while (!failing_) {
    while (timers_.next() <= now_) timers_.pop().fire();
    if (!ready_.empty()) {
      if (!count_step()) continue;
      // A task that yields is last in the list and is not chosen while there is another.
      const auto candidates = ready_.size() - (yielding == ready_.back() && ready_.size() > 1 ? 1 : 0);
      const auto index = candidates == 1 ? 0 : random_.below(static_cast<std::uint32_t>(candidates));
      auto& task = *ready_[index];
      ready_[index] = ready_.back();
      ready_.pop_back();
      trace_.fold(task.serial);
      if (trace_.keeps_log()) trace_.log(now_, task.label() + " runs");
      return task;
    }
    if (outside_ready_) break;
    if (timers_.empty()) {
      fail_with_report(Code::deadlock, "nobody can run");
    } else {
      now_ = timers_.next();
      steps_at_once_ = 0;
      trace_.fold(static_cast<std::uint64_t>(now_.count()));
    }
  }
  outside_ready_ = false;
  return outside_;
}

bool Scheduler::count_step() {
  ++steps_;
  ++steps_at_once_;
  if (steps_at_once_ > options_.step_limit_at_once) {
    steps_at_once_ = 0;
    fail_with_report(Code::timeout,
                     "livelock: " + std::to_string(options_.step_limit_at_once) + " steps while no time passed");
    return false;
  }
  if (steps_ > steps_end_) {
    steps_end_ += options_.step_limit;
    fail_with_report(Code::timeout, "not at an end after " + std::to_string(options_.step_limit) + " steps");
    return false;
  }
  return true;
}

void Scheduler::enter(void* task) {
  auto& self = *static_cast<ScheduledTask*>(task);
  self.scheduler.after_switch();
  self.scheduler.run_body(self);
}

void Scheduler::run_body(ScheduledTask& task) noexcept {
  try {
    check_alive();
    task.body(task.stop.get_token());
    task.body = nullptr;
  } catch (const Crashed&) {
    task.killed = task.dying();
    task.error = std::current_exception();
  } catch (...) {
    task.error = std::current_exception();
  }
  finish(task);
}

void Scheduler::finish(ScheduledTask& task) noexcept {
  task.body = nullptr;
  task.context = nullptr;
  task.state = ScheduledTask::State::ended;
  trace_event(task.serial, [] { return "ends"; });
  wake_all(task.ended);
  leaving_ = live_[task.live_index];
  live_[task.live_index] = live_.back();
  live_[task.live_index]->live_index = task.live_index;
  live_.pop_back();
  if (--task.group.live == 0) wake_all(task.group.all_ended);
  if (live_.empty()) wake_all(all_ended_);
  give_way(true);
}

void Scheduler::wake_sleepers(const TaskGroup& group) {
  for (const auto& task : live_) {
    if (&task->group == &group && task->armed()) wake(*task);
  }
}

void Scheduler::pause(TaskGroup& group) {
  if (std::exchange(group.paused, true)) return;
  std::erase_if(ready_, [&](ScheduledTask* task) {
    if (&task->group != &group || task->dying()) return false;
    task->state = ScheduledTask::State::held;
    group.held.push_back(task);
    return true;
  });
  if (&current_->group == &group) yield();
}

void Scheduler::resume(TaskGroup& group) {
  if (!std::exchange(group.paused, false)) return;
  for (auto* task : std::exchange(group.held, {})) make_ready(*task);
}

void Scheduler::kill(TaskGroup& group) {
  ++group.incarnation;
  group.next_number = 1;
  resume(group);
  for (std::size_t i = 0; i < live_.size(); ++i) {
    if (auto& task = *live_[i]; &task.group == &group && task.killable) wake(task);
  }
}

void Scheduler::fail(std::exception_ptr error) noexcept {
  if (killing_all_) return;
  if (!failure_) failure_ = std::move(error);
  failing_ = true;
}

void Scheduler::fail_with_report(Code code, const std::string& what) {
  const auto report = what + " at " + format_time(now_) + "; tasks:" + waiting_tasks();
  if (killing_all_) {
    std::fprintf(stderr, "world: tasks of killed processes do not end; %s\n", report.c_str());
    std::abort();  // They cannot be unwound, and what they use is about to go.
  }
  fail(std::make_exception_ptr(Error(code, report)));
}

void Scheduler::check_failure(bool may_throw) {
  if (!outside() || !failure_) return;
  kill_all();
  if (may_throw) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Scheduler::run_to_end() {
  check_failure(true);
  while (!live_.empty()) wait(&all_ended_, kNever, "the end of", "all tasks");
  check_failure(true);
}

void Scheduler::kill_all() noexcept {
  killing_all_ = true;
  failing_ = false;
  steps_end_ = steps_ + options_.step_limit;
  steps_at_once_ = 0;
  kill_groups_();
  while (!live_.empty()) block(&all_ended_, kNever);
  killing_all_ = false;
}

std::string Scheduler::waiting_tasks() const {
  std::vector<const ScheduledTask*> tasks;
  for (const auto& task : live_) tasks.push_back(task.get());
  std::sort(tasks.begin(), tasks.end(), [](const auto* a, const auto* b) { return a->serial < b->serial; });
  std::string text;
  for (const auto* task : tasks) {
    text += "\n  " + task->label();
    switch (task->state) {
      case ScheduledTask::State::ready:
        text += " is ready";
        break;
      case ScheduledTask::State::held:
        text += " could run, but its process is paused";
        break;
      case ScheduledTask::State::running:
        text += " runs";
        break;
      case ScheduledTask::State::ended:
        text += " has ended";
        break;
      case ScheduledTask::State::waiting:
        text += " waits for " + std::string(task->waits_for) + " " + std::string(task->waits_for_name) + " since " +
                format_time(task->waits_since);
        break;
    }
  }
  return text;
}

}  // namespace tidelock::world

#include "tidelock/world/process.h"

#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/world/process_files.h"
#include "tidelock/world/scheduler.h"
#include "tidelock/world/world.h"

namespace tidelock::world {

class Process::SignalOfWorld final : public base::Signal {
 public:
  SignalOfWorld(Process& process, std::string name) : process_(process), name_(std::move(name)) {}

  std::uint64_t count() const override { return count_; }

  void notify_all() override {
    ++count_;
    process_.world_.scheduler().wake_all(waiting_);
  }

  bool wait(std::uint64_t seen, base::Deadline deadline) override {
    auto& scheduler = process_.world_.scheduler();
    scheduler.check_alive();
    const auto& machine = process_.machine_;
    while (count_ == seen) {
      if (!deadline.is_never() && deadline.passed(machine.now())) return false;
      scheduler.wait(&waiting_, machine.when(deadline.at()), "signal", name_);
    }
    return true;
  }

 private:
  Process& process_;
  const std::string name_;
  std::uint64_t count_ = 0;
  WaitQueue waiting_;
};

class Process::TaskOfWorld final : public base::Task::Body {
 public:
  TaskOfWorld(Scheduler& scheduler, std::shared_ptr<ScheduledTask> task)
      : scheduler_(scheduler), task_(std::move(task)) {}

  void request_stop() override { task_->stop.request_stop(); }

  std::exception_ptr join() override {
    while (task_->state != ScheduledTask::State::ended) {
      const auto label = task_->label();
      scheduler_.wait(&task_->ended, kNever, "the end of", label, Scheduler::Interrupt::never);
    }
    // Whoever outlives the killed process has nothing to handle.
    if (task_->killed && !scheduler_.current().dying()) return nullptr;
    return task_->error;
  }

  void abandon(std::exception_ptr error) noexcept override {
    if (!task_->killed) scheduler_.fail(std::move(error));
  }

 private:
  Scheduler& scheduler_;
  std::shared_ptr<ScheduledTask> task_;
};

Process::Process(World& world, Machine& machine, std::string name)
    : world_(world),
      machine_(machine),
      name_(std::move(name)),
      group_(std::make_unique<TaskGroup>(machine.name() == "machine" ? name_ : machine.name() + "/" + name_)) {
  files_ = std::make_unique<FilesOfProcess>(*this, machine_.disk());
  machine_.processes_.push_back(this);
  begin_incarnation();
}

Process::~Process() = default;

void Process::begin_incarnation() {
  crashed_ = false;
  identities_.push_back({world_.make_uuid(), machine_.name(), world_.next_pid_++, machine_.boot_id()});
}

void Process::start(Main main) {
  launch(main);
  main_ = std::move(main);
}

void Process::launch(Main main) {
  if (world_.scheduler().current().dying()) throw Crashed();
  if (main_runs_) throw Error(Code::misuse, "process " + group_->name + " runs already");
  if (crashed_) begin_incarnation();
  main_runs_ = true;
  auto& scheduler = world_.scheduler();
  const auto incarnation = group_->incarnation;
  scheduler.spawn(
      *group_, 0, "main",
      [this, &scheduler, incarnation, main = std::move(main)](const std::stop_token&) {
        try {
          main(*this);
        } catch (const Crashed&) {
          if (!scheduler.current().dying()) scheduler.fail(std::current_exception());
        } catch (...) {
          scheduler.fail(std::current_exception());
        }
        if (group_->incarnation == incarnation) main_runs_ = false;
      },
      nullptr);
}

void Process::restart() {
  if (!crashed_) crash();
  if (main_ != nullptr) {
    launch(main_);
  } else {
    begin_incarnation();
  }
}

void Process::wait_for_end() { world_.scheduler().wait_for_end(*group_); }

void Process::kill() noexcept {
  if (crashed_) return;
  crashed_ = true;
  main_runs_ = false;
  auto& scheduler = world_.scheduler();
  scheduler.trace().fold(group_->name);
  scheduler.trace_event(group_->incarnation, [&] { return "kills " + group_->name; });
  files_->cut();
  world_.network().kill_links_of(*this);
  scheduler.kill(*group_);
}

void Process::crash() {
  kill();
  world_.scheduler().check_alive();
}

void Process::pause() { world_.scheduler().pause(*group_); }
void Process::resume() { world_.scheduler().resume(*group_); }

base::Files& Process::files() { return *files_; }

base::Instant Process::now() { return machine_.now(); }
base::WallTime Process::wall_now() { return machine_.wall_now(); }

bool Process::sleep_until(base::Instant moment, const std::stop_token& stop) {
  auto& scheduler = world_.scheduler();
  scheduler.check_alive();
  auto& self = scheduler.current();
  const std::stop_callback wake(stop, [&] { scheduler.wake(self); });
  if (machine_.now() >= moment) scheduler.yield();
  while (!stop.stop_requested() && machine_.now() < moment) {
    scheduler.wait(nullptr, machine_.when(moment), "a moment", {});
  }
  return !stop.stop_requested();
}

void Process::yield() { world_.scheduler().yield(); }
std::uint64_t Process::random() { return world_.runtime_random_.next(); }

std::unique_ptr<base::Signal> Process::make_signal(std::string_view name) {
  return std::make_unique<SignalOfWorld>(*this, std::string(name));
}

base::Task Process::spawn(std::string name, std::function<void(std::stop_token)> body) {
  auto& scheduler = world_.scheduler();
  if (crashed_ || scheduler.current().dying()) throw Crashed();
  return base::Task(std::make_unique<TaskOfWorld>(
      scheduler,
      scheduler.spawn(*group_, group_->next_number++, std::move(name), std::move(body), scheduler.current().context)));
}

std::uint64_t Process::current_task() { return world_.scheduler().current().number; }
std::shared_ptr<const base::ContextFrame>& Process::context() { return world_.scheduler().current().context; }

const base::Identity& Process::identity() {
  const auto& task = world_.scheduler().current();
  return &task.group == group_.get() ? identities_[task.incarnation] : identities_.back();
}

}  // namespace tidelock::world

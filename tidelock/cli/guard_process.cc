#include "tidelock/cli/guard_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "tidelock/base/errno_error.h"
#include "tidelock/base/poll.h"
#include "tidelock/cli/process_tree.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kKillPause = 5ms;  // Between rounds; grows.
constexpr base::Duration kKillPauseMax = 500ms;

base::Descriptor watch_children() {
  sigset_t all;
  sigfillset(&all);  // Only SIGKILL and SIGSTOP reach a guard.
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  base::Descriptor descriptor(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor) throw base::errno_error(errno, {}, "no descriptor for signals could be made");
  return descriptor;
}

// The guard does not keep open what the command may close: a pipe ends when the command ends it.
void let_go_of_standard_streams() {
  const base::Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing) return;
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing.get(), stream);
}

// None when the system does not tell: what can be reached otherwise is.
std::vector<ProcessInfo> running_below(base::Files& files, pid_t root) {
  std::vector<ProcessInfo> found;
  try {
    found = descendants(files, root);
  } catch (const Error&) {
    return {};
  }
  std::erase_if(found, [](const ProcessInfo& process) { return process.ended; });
  return found;
}

}  // namespace

GuardTimer::GuardTimer() : timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!timer_) throw base::errno_error(errno, {}, "no timer could be made");
}

void GuardTimer::set(base::Instant moment) {
  // An absolute time of zero would switch it off.
  const auto since_boot = std::max<base::Duration>(moment.time_since_epoch(), 1ns);
  itimerspec time{};
  time.it_value.tv_sec = since_boot / 1s;
  time.it_value.tv_nsec = (since_boot % 1s).count();
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &time, nullptr);
}

GuardProcess::GuardProcess(base::Runtime& runtime, base::Files& files, base::Descriptor socket,
                           const GuardOptions& options, const SignalState& signals)
    : runtime_(runtime),
      files_(files),
      socket_(std::move(socket)),
      children_(watch_children()),
      options_(options),
      signals_(signals),
      program_group_(::getpgrp()),
      pause_(kKillPause) {
  // A group of its own, so that what is sent to the program's group leaves it alone; the same session, so that the
  // command keeps the terminal.
  ::setpgid(0, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_NAME, "tidelock-guard");
}

void GuardProcess::run() {
  while (phase_ != Phase::done) {
    wait();
    read_orders();  // First: an extension that is waiting to be read counts.
    look_after_children();
    act_in_time();
  }
}

void GuardProcess::wait() {
  base::Poll poll(runtime_);
  poll.add(children_.get());
  if (socket_) poll.add(socket_.get());
  if (phase_ != Phase::idle) {
    timer_.set(next_moment());
    poll.add(timer_.descriptor());
  }
  poll.wait(base::Deadline::never());
}

void GuardProcess::read_orders() {
  std::array<char, kOrderBytesMax> buffer;
  while (socket_) {
    const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {  // The program is gone.
      socket_.reset();
      if (phase_ == Phase::idle) phase_ = Phase::done;
      if (phase_ == Phase::running || phase_ == Phase::draining) begin_ending(EndedBy::order);
      return;
    }
    GuardOrder order;
    std::memcpy(&order, buffer.data(), sizeof order);
    follow(order, std::string(buffer.data() + sizeof order, static_cast<std::size_t>(count) - sizeof order));
    if (order.kind != GuardOrder::Kind::run && phase_ != Phase::done) report(GuardReport::Kind::heard);
  }
}

void GuardProcess::follow(const GuardOrder& order, const std::string& variables) {
  const base::Instant expires{base::Duration(order.expires_ns)};
  switch (order.kind) {
    case GuardOrder::Kind::run:
      expires_ = expires;
      start_command(variables);
      return;
    case GuardOrder::Kind::extend:
      expires_ = std::max(expires_, expires);
      return;
    case GuardOrder::Kind::signal:
      if (command_running_) ::kill(-result_.command, order.signal);
      return;
    case GuardOrder::Kind::end:
      if (phase_ == Phase::running || phase_ == Phase::draining) begin_ending(EndedBy::order);
      return;
  }
}

void GuardProcess::start_command(const std::string& variables) {
  if (runtime_.now() >= expires_ - options_.grace) {
    result_.ended_by = EndedBy::deadline;
    finish();
    return;
  }
  for (std::size_t at = 0; at < variables.size();) {
    const auto variable = variables.substr(at, variables.find('\0', at) - at);
    const auto equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    at += variable.size() + 1;
  }
  auto failure = base::make_pipe();
  const auto guard = ::getpid();
  const auto child = ::fork();
  if (child == 0) become_command(failure.write_end, guard);
  if (child < 0) {
    result_.start_error = errno;
    finish();
    return;
  }
  ::setpgid(child, child);  // As the child does: whoever comes first.
  result_.command = child;
  command_running_ = true;
  start_failure_ = std::move(failure.read_end);
  phase_ = Phase::running;
  let_go_of_standard_streams();
  report(GuardReport::Kind::started);
}

void GuardProcess::become_command(const base::Descriptor& failure, pid_t guard) {
  ::setpgid(0, 0);
  // Should the guard be killed, the kernel ends the command at once; the program sees to the rest.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != guard) ::_exit(1);
  terminal_.hand_over(program_group_, ::getpgrp());
  std::vector<char*> arguments;
  for (const auto& argument : options_.command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  signals_.restore();
  ::execvp(arguments.front(), arguments.data());
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(failure.get(), &error, sizeof error);
  ::_exit(1);
}

void GuardProcess::look_after_children() {
  if (phase_ == Phase::idle || phase_ == Phase::done) return;
  signalfd_siginfo taken;
  while (base::read_some(children_, std::as_writable_bytes(std::span(&taken, 1)))) {
  }
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {  // No child is left, so nothing is.
      finish();
      return;
    }
    if (info.si_pid == 0) break;
    // Before it is waited for, its number cannot be given to another process.
    if (info.si_pid == result_.command) note_end_of_command(info.si_code, info.si_status);
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED);
    if (phase_ == Phase::done) return;
  }
  siginfo_t stopped{};
  if (command_running_ && ::waitid(P_PID, static_cast<id_t>(result_.command), &stopped, WSTOPPED | WNOHANG) == 0 &&
      stopped.si_pid != 0) {
    result_.status = stopped.si_status;
    report(GuardReport::Kind::stopped);
  }
}

void GuardProcess::note_end_of_command(int code, int status) {
  command_running_ = false;
  result_.status = status;
  result_.by_signal = code != CLD_EXITED;
  int error = 0;
  if (base::read_some(start_failure_, std::as_writable_bytes(std::span(&error, 1))) == sizeof error) {
    result_.start_error = error;
  }
  if (phase_ != Phase::running) return;
  if (options_.leave_background) return finish();
  phase_ = Phase::draining;
  next_ = runtime_.now() + options_.grace;
}

base::Instant GuardProcess::next_moment() const {
  if (phase_ == Phase::running) return expires_ - options_.grace;
  if (phase_ == Phase::draining) return std::min(next_, expires_ - options_.grace);
  return next_;
}

void GuardProcess::act_in_time() {
  if (phase_ == Phase::idle || phase_ == Phase::done) return;
  const auto now = runtime_.now();
  if (now < next_moment()) return;
  if (phase_ == Phase::running) begin_ending(EndedBy::deadline);
  if (phase_ == Phase::draining) begin_ending(EndedBy::itself);
  if (phase_ == Phase::ending && now >= next_) phase_ = Phase::killing;
  if (phase_ == Phase::killing) {
    kill_everything();
    next_ = runtime_.now() + pause_;
    pause_ = std::min(2 * pause_, kKillPauseMax);
  }
}

void GuardProcess::begin_ending(EndedBy why) {
  if (command_running_) {
    result_.ended_by = why;
  } else {
    result_.background = static_cast<int>(running_below(files_, ::getpid()).size());
  }
  phase_ = Phase::ending;
  next_ = std::min(runtime_.now() + options_.grace, expires_);
  signal_everything(SIGTERM);
  signal_everything(SIGCONT);  // What is stopped cannot end.
}

void GuardProcess::signal_everything(int signal) {
  // The group at once and first; then what left it.
  if (command_running_) ::kill(-result_.command, signal);
  for (const auto& process : running_below(files_, ::getpid())) {
    if (command_running_ && process.group == result_.command) continue;
    send_signal(process, signal);
  }
}

// One round. What runs as another user is not waited for.
void GuardProcess::kill_everything() {
  if (command_running_) ::kill(-result_.command, SIGKILL);
  const auto below = running_below(files_, ::getpid());
  const auto denied = std::ranges::count_if(
      below, [](const ProcessInfo& process) { return send_signal(process, SIGKILL) == Sent::denied; });
  if (denied == 0 || static_cast<std::size_t>(denied) != below.size()) return;
  result_.out_of_reach = static_cast<int>(denied);
  finish();
}

void GuardProcess::finish() {
  phase_ = Phase::done;
  result_.in_time = runtime_.now() < expires_;
  if (result_.command != 0) result_.was_foreground = terminal_.hand_over(result_.command, program_group_);
  report(GuardReport::Kind::ended);
}

void GuardProcess::report(GuardReport::Kind kind) {
  if (!socket_) return;
  auto report = result_;
  report.kind = kind;
  report.expires_ns = expires_.time_since_epoch().count();
  // The last word waits until the program takes it; nothing of the command is left then.
  const int flags = MSG_NOSIGNAL | (kind == GuardReport::Kind::ended ? 0 : MSG_DONTWAIT);
  static_cast<void>(::send(socket_.get(), &report, sizeof report, flags));
}

}  // namespace tidelock::cli

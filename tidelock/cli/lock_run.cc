#include "tidelock/cli/lock_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/advice.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/group_lock.h"
#include "tidelock/cli/guard.h"
#include "tidelock/cli/lock_view.h"
#include "tidelock/cli/lock_wait.h"
#include "tidelock/cli/signals.h"
#include "tidelock/cli/start_failure.h"
#include "tidelock/cli/terminal.h"
#include "tidelock/cli/wakeup.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/key.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/lock/owner.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kAnswer = 5s;  // Within which a guard passes a signal on, if it does anything at all.

// One command, from the moment the lock is held until nothing of it runs.
class HeldRun {
 public:
  HeldRun(const LockRun& options, Outside outside, Signals& signals, Guard& guard, lock::Semaphore& semaphore,
          const lock::Lease& lease, const std::string& owner)
      : options_(options),
        outside_(outside),
        signals_(signals),
        guard_(guard),
        keeper_(
            semaphore, lease, lock::Keeper::AtEnd::leave,
            [&guard](const lock::Lease& renewed) { guard.extend(renewed.expires); }, options.grace),
        on_loss_(keeper_.stop_token(), Woken{lost_}),
        own_group_(::getpgrp()) {
    trust_guard_until(lease.expires);
    std::vector<std::string> environment{"TIDELOCK_LOCK=" + options.name, "TIDELOCK_OWNER=" + owner};
    if (lease.token) environment.push_back(fmt::format("TIDELOCK_FENCING_TOKEN={}", lease.token->value));
    guard_.run(lease.expires, environment);
  }

  // Returns when nothing of the command runs any more.
  Outcome wait() {
    while (!ended_) {
      base::Poll poll(outside_.runtime);
      const auto from_guard = poll.add(guard_.descriptor());
      const auto from_outside = poll.add(signals_.descriptor());
      const auto from_keeper = poll.add(lost_.descriptor());
      poll.wait(patience_);
      if (poll.ready(from_outside)) forward_signals();
      if (poll.ready(from_keeper)) end_because_lost();
      if (poll.ready(from_guard)) {
        hear_guard();
      } else if (patience_.passed(outside_.runtime.now())) {
        take_over_from_guard("did not answer");
      }
    }
    return outcome();
  }

 private:
  struct Woken {
    Wakeup& wakeup;
    void operator()() const { wakeup.wake(); }
  };

  void forward_signals() {
    while (const auto signal = signals_.read()) {
      if (*signal == SIGCONT) {
        go_on();
        continue;
      }
      say(fmt::format("passing on {}", ::strsignal(*signal)));
      was_signalled_ = true;
      guard_.send_signal(*signal);
      if (*signal != SIGTSTP) patience_ = std::min(patience_, outside_.runtime.in(kAnswer));
    }
  }

  // A guard that has not heard of a renewal ends the command when the lease that it knows ends. One that does not may
  // be stopped: then it is done in its place, with the lease still held.
  void trust_guard_until(base::Instant expires) { patience_ = expires + options_.margin / 2; }

  void end_because_lost() {
    lost_.reset();
    is_lost_ = true;
    guard_.end();
    trust_guard_until(std::max(keeper_.lease().expires, outside_.runtime.now()));
  }

  void hear_guard() {
    const auto report = guard_.read_report();
    if (!report) return take_over_from_guard("was killed");
    command_ = report->command;
    if (!is_lost_) trust_guard_until(report->expires());
    switch (report->kind) {
      case GuardReport::Kind::started:
        return say(fmt::format("process {} runs", command_));
      case GuardReport::Kind::stopped:
        return stop_with_command(report->status);
      case GuardReport::Kind::heard:
        return;
      case GuardReport::Kind::ended:
        ended_ = *report;
        return;
    }
  }

  // When the user stopped the command from the terminal, the shell must see this program stop. Renewals stop with it,
  // so the guard ends the command when the lease runs out before the user goes on.
  void stop_with_command(int signal) {
    if (terminal_.none() || signal == SIGSTOP) return;
    terminal_.hand_over(command_, own_group_);
    outside_.err << fmt::format("tidelock: stopped, and the lock {} is lost unless it goes on within {}",
                                base::quoted(options_.name),
                                rough(keeper_.lease().expires - options_.grace - outside_.runtime.now()))
                 << std::endl;
    ::kill(0, SIGTSTP);  // The rest of a pipeline.
    stop_here();
    go_on();
  }

  void go_on() {
    if (command_ == 0) return;
    terminal_.hand_over(own_group_, command_);
    guard_.send_signal(SIGCONT);
  }

  void take_over_from_guard(const char* why) {
    const int out_of_reach = guard_.kill_everything();
    if (command_ != 0) terminal_.hand_over(command_, own_group_);
    ended_ = GuardReport{.kind = GuardReport::Kind::ended,
                         .command = command_,
                         .status = SIGKILL,
                         .by_signal = true,
                         .start_error = 0,
                         .ended_by = EndedBy::order,
                         .in_time = false,
                         .was_foreground = false,
                         .background = 0,
                         .out_of_reach = out_of_reach};
    guard_failure_ = why;
  }

  Outcome outcome() {
    const auto name = base::quoted(options_.name);
    if (ended_->out_of_reach > 0) {
      outside_.err << fmt::format(
                          "tidelock: warning: {} of the command's processes run as another user and could not be "
                          "ended: they go on without the lock",
                          ended_->out_of_reach)
                   << std::endl;
    }
    if (const auto lost = keeper_.lost(); lost && !ended_in_time()) return give_up(Code::lease_lost, lost->message());
    if (!guard_failure_.empty()) {
      const auto what = fmt::format("the guard process {}", guard_failure_);
      return command_ == 0 ? give_up(Code::unavailable, what) : give_up(Code::lease_lost, what);
    }
    if (ended_->ended_by != EndedBy::itself) {
      return give_up(Code::lease_lost, fmt::format("the lease on {} could not be renewed in time", name));
    }
    if (!keeper_.still_held()) {
      if (!ended_in_time()) return give_up(Code::lease_lost, fmt::format("the lease on {} expired", name));
      outside_.err << fmt::format(
                          "tidelock: warning: the lease on {} expired before it was seen that the command had ended, "
                          "which it had in time",
                          name)
                   << std::endl;
    }
    release();
    if (ended_->start_error != 0) {
      const auto failure = cannot_start(options_.command.front(), ended_->start_error, outside_.files);
      outside_.err << failure.line() << std::endl;
      return {failure.exit, std::nullopt};
    }
    if (ended_->background > 0) {
      outside_.err << fmt::format(
                          "tidelock: {} {} that the command left running had to be ended: use "
                          "--leave-background to let them go on without the lock",
                          ended_->background, ended_->background == 1 ? "process" : "processes")
                   << std::endl;
    }
    return as_the_command_ended();
  }

  // The lock was held for as long as anything of the command ran, although its lease is over now.
  bool ended_in_time() const {
    return ended_->ended_by == EndedBy::itself && ended_->in_time && (!keeper_.lost() || keeper_.lost_by_expiry());
  }

  Outcome as_the_command_ended() {
    Outcome outcome{exit_for_status(ended_->status, ended_->by_signal), std::nullopt};
    if (!ended_->by_signal || (ended_->status != SIGINT && ended_->status != SIGQUIT)) return outcome;
    // The user wants everything ended that hangs on the key, a script around this program too. Its shell looks for the
    // signal: it got none, when the key went to the command's group alone, and takes an exit code for an answer.
    if (ended_->was_foreground && !was_signalled_) ::kill(0, ended_->status);
    outcome.signal = ended_->status;
    return outcome;
  }

  Outcome give_up(Code code, const std::string& why) {
    const Error error(code, why + (command_ == 0 ? "; the command was not started" : "; the command was ended"));
    const auto failure = Failure::of(AdvisedError(error, std::string(lock_advice(code))));
    outside_.err << failure.line() << std::endl;
    try {  // It may be ours still, as the guard does not wait for the last moment.
      keeper_.release(outside_.runtime.in(kReleaseWithin));
    } catch (const Error&) {
      // Lost, as was said.
    }
    return {failure.exit, std::nullopt};
  }

  void release() {
    try {
      keeper_.release(outside_.runtime.in(kReleaseWithin));
      say("the lock is free");
    } catch (const Error& error) {
      outside_.err << fmt::format("tidelock: warning: {} could not be freed and expires by itself within {}: {} [{}]",
                                  base::quoted(options_.name), base::format_duration(options_.ttl), error.what(),
                                  name(error.code()))
                   << std::endl;
    }
  }

  void say(const std::string& what) {
    if (options_.verbose) outside_.err << "tidelock: " << what << std::endl;
  }

  const LockRun& options_;
  Outside outside_;
  Signals& signals_;
  Guard& guard_;
  Wakeup lost_;
  lock::Keeper keeper_;
  std::stop_callback<Woken> on_loss_;
  Terminal terminal_;
  const pid_t own_group_;
  pid_t command_ = 0;
  bool was_signalled_ = false;
  bool is_lost_ = false;                               // Known to be: the guard was told to end the command.
  base::Deadline patience_ = base::Deadline::never();  // With the guard.
  std::optional<GuardReport> ended_;
  std::string guard_failure_;
};

Outcome not_acquired(const LockRun& options, lock::Backend& backend, Outside outside) {
  const auto held = who_holds(backend, outside.runtime, options.name);
  const bool waited = options.wait != base::Duration::zero();
  const Failure failure{
      .code = Code::timeout,
      .what =
          fmt::format("did not get {}{}{}{}", base::quoted(options.name),
                      waited ? " within " + base::format_duration(*options.wait) : "", held.empty() ? "" : ": ", held),
      .next = waited ? "wait longer, or run it again later" : "run it again later, or wait with --wait",
      .exit = number(Exit::not_acquired)};
  outside.err << failure.line() << std::endl;
  return {failure.exit, std::nullopt};
}

// A `tidelock` that the command runs must be able to stand below it.
std::string owner_of_command(base::Runtime& runtime) {
  auto owner = lock::process_owner(runtime.identity());
  try {
    base::parse_owner(owner);
  } catch (const Error&) {
    throw UsageError(fmt::format("{} programs hold locks within each other, which is too many",
                                 std::count(owner.begin(), owner.end(), '/')),
                     "let one hold the locks and the others run beside it");
  }
  return owner;
}

}  // namespace

Outcome run_under_lock(const LockRun& given, Outside outside) {
  auto options = given;
  settle_group(options, outside);
  lock::check_key("lock key", options.name);
  Signals signals(outside.runtime);
  Guard guard(outside.runtime, outside.files,
              {.command = options.command, .grace = options.grace, .leave_background = options.leave_background},
              signals.inherited());
  // The command's own locks are below this owner: a wait of theirs is known as one of ours.
  const auto owner = owner_of_command(outside.runtime);
  const auto asked = outside.runtime.now();
  const auto got = wait_for_lock(options, owner, signals, guard, outside);
  if (got.signal) return {number(Exit::by_signal) + *got.signal, got.signal};
  if (!got.lease) return not_acquired(options, *got.arbiter, outside);
  if (options.verbose) {
    outside.err << fmt::format("tidelock: got {} after {}{}", base::quoted(options.name),
                               rough(outside.runtime.now() - asked),
                               got.lease->token ? fmt::format(" with token {}", got.lease->token->value) : "")
                << std::endl;
  }
  std::optional<HeldRun> run;
  try {
    run.emplace(options, outside, signals, guard, *got.semaphore, *got.lease, owner);
  } catch (const Error&) {  // The system has no room for another thread: nobody waits for the end of this lease.
    got.semaphore->release(*got.lease, outside.runtime.in(kReleaseWithin));
    throw;
  }
  return run->wait();
}

}  // namespace tidelock::cli

#include "tidelock/cli/lock_wait.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <ostream>
#include <stop_token>
#include <utility>

#include "tidelock/base/backoff.h"
#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/arbiter.h"
#include "tidelock/cli/lock_view.h"
#include "tidelock/cli/wakeup.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kSayThatItWaits = 1s;
constexpr base::Duration kOnce = 1s;  // For an attempt that does not wait for a holder.
constexpr base::Duration kLook = 1s;  // At who holds the lock, for a message.

constexpr base::BackoffOptions kReach = {.base = 100ms, .factor = 2, .cap = 1s, .jitter = base::Jitter::equal};

// The attempt to get the lock, in a task of its own.
class Attempt {
 public:
  Attempt(const LockRun& options, const std::string& owner, Outside outside)
      : options_(options),
        outside_(outside),
        deadline_(options.wait ? outside.runtime.in(*options.wait) : base::Deadline::never()),
        task_(outside.runtime.spawn("acquire", [this, owner](const std::stop_token&) {
          try {
            run(owner);
          } catch (...) {
            error_ = std::current_exception();
          }
          ended_ = true;
          wakeup_.wake();
        })) {}

  int descriptor() const { return wakeup_.descriptor(); }
  bool ended() const { return ended_; }
  void request_stop() { stop_.request_stop(); }
  // Null until it is open.
  lock::Backend* arbiter() const { return open_ ? result_.arbiter.get() : nullptr; }
  WaitResult result() {
    task_.join();
    if (error_) std::rethrow_exception(error_);
    return std::move(result_);
  }

 private:
  void run(const std::string& owner) {
    result_.arbiter = open();
    if (result_.arbiter == nullptr) return;
    result_.semaphore = std::make_unique<lock::Semaphore>(
        *result_.arbiter, outside_.runtime, options_.name, options_.permits,
        lock::LeaseOptions{.ttl = options_.ttl, .margin = options_.margin, .owner = owner});
    open_ = true;
    result_.lease = options_.wait == base::Duration::zero() ? result_.semaphore->try_acquire(outside_.runtime.in(kOnce))
                                                            : result_.semaphore->acquire(deadline_, stop_.get_token());
  }

  // Null: stopped. A server that is away is waited for where somebody said for how long: a misspelled name is away too.
  std::unique_ptr<lock::Backend> open() {
    auto& runtime = outside_.runtime;
    base::Backoff backoff(kReach);
    while (!stop_.stop_requested()) {
      try {
        return open_arbiter(outside_, options_.on, {.patience = patience(), .make_folder = true});
      } catch (const Error& error) {
        const bool away = error.code() == Code::unavailable || error.code() == Code::timeout;
        if (!away || !options_.wait || deadline_.passed(runtime.now())) throw;
      }
      const auto next = base::later(runtime.now(), backoff.next(runtime.random()));
      runtime.sleep_until(std::min(deadline_.at(), next), stop_.get_token());
    }
    return nullptr;
  }

  // With somebody who has the state locked: no longer than is waited for the lock itself.
  base::Duration patience() const {
    const base::Duration usual = lock::OpenOptions().patience;
    return options_.wait ? std::clamp<base::Duration>(deadline_.left(outside_.runtime.now()), 1s, usual) : usual;
  }

  const LockRun& options_;
  Outside outside_;
  const base::Deadline deadline_;
  std::stop_source stop_;
  Wakeup wakeup_;
  WaitResult result_;
  std::exception_ptr error_;
  std::atomic<bool> open_ = false;
  std::atomic<bool> ended_ = false;
  base::Task task_;  // Last: it uses the others.
};

// For the message.
std::string what_is_in_the_way(lock::Backend* arbiter, base::Runtime& runtime, const std::string& name) {
  return arbiter == nullptr ? "whose state is not open yet" : who_holds(*arbiter, runtime, name);
}

}  // namespace

std::string who_holds(lock::Backend& backend, base::Runtime& runtime, const std::string& name) {
  try {
    for (const auto& state : backend.snapshot(name, runtime.in(kLook))) {
      if (state.holders.empty()) continue;
      const auto& holder = state.holders.front();
      const auto others = state.holders.size() - 1;
      return fmt::format("held by {}{} since {}", holder_name(holder),
                         others == 0 ? std::string() : fmt::format(" and {} more", others), utc(holder.since));
    }
  } catch (const Error&) {
    // The message it was for says enough without.
  }
  return {};
}

WaitResult wait_for_lock(const LockRun& options, const std::string& owner, Signals& signals, const Guard& guard,
                         Outside outside) {
  auto& runtime = outside.runtime;
  std::optional<int> interrupted;
  bool say_that_it_waits = options.verbose || ::isatty(STDERR_FILENO) == 1;
  const auto say_at = runtime.in(kSayThatItWaits);
  Attempt attempt(options, owner, outside);
  bool guard_is_gone = false;
  while (!attempt.ended()) {
    base::Poll poll(runtime);
    poll.add(attempt.descriptor());
    poll.add(signals.descriptor());
    const auto from_guard = poll.add(guard.descriptor());  // It has nothing to say yet, so this is its end.
    if (guard_is_gone) poll.ignore(from_guard);
    poll.wait(say_that_it_waits ? say_at : base::Deadline::never());
    while (const auto signal = signals.read()) {
      if (*signal == SIGCONT) continue;
      if (*signal == SIGTSTP) {
        stop_here();
        continue;
      }
      if (interrupted) end_by_signal(*signal);  // Cleaning up takes too long for somebody; the place expires by itself.
      interrupted = *signal;
      attempt.request_stop();
    }
    if (poll.ready(from_guard)) {
      guard_is_gone = true;
      attempt.request_stop();
    }
    if (say_that_it_waits && say_at.passed(runtime.now()) && !interrupted) {
      say_that_it_waits = false;
      const auto held = what_is_in_the_way(attempt.arbiter(), runtime, options.name);
      outside.err << fmt::format("tidelock: waiting for {}{}{}", base::quoted(options.name), held.empty() ? "" : ", ",
                                 held)
                  << std::endl;
    }
  }
  auto result = attempt.result();
  result.signal = interrupted;
  if (result.lease && (interrupted || guard_is_gone)) {  // It came just then.
    result.semaphore->release(*result.lease, runtime.in(kReleaseWithin));
    result.lease.reset();
  }
  if (guard_is_gone && !interrupted) {
    throw Error(Code::unavailable,
                fmt::format("the guard process was killed while {} was waited for; the command was not started",
                            base::quoted(options.name)));
  }
  return result;
}

}  // namespace tidelock::cli

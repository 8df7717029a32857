#include "tidelock/cli/lock_wait.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <ostream>
#include <stop_token>

#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/lock_view.h"
#include "tidelock/cli/wakeup.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kSayThatItWaits = 1s;
constexpr base::Duration kOnce = 1s;  // For an attempt that does not wait for a holder.
constexpr base::Duration kLook = 1s;  // At who holds the lock, for a message.

// The attempt to get the lock, in a task of its own.
class Attempt {
 public:
  Attempt(const LockRun& options, lock::Semaphore& semaphore, base::Runtime& runtime)
      : task_(runtime.spawn("acquire", [this, &options, &semaphore, &runtime](const std::stop_token&) {
          try {
            if (options.wait == base::Duration::zero()) {
              lease_ = semaphore.try_acquire(runtime.in(kOnce));
            } else {
              const auto deadline = options.wait ? runtime.in(*options.wait) : base::Deadline::never();
              lease_ = semaphore.acquire(deadline, stop_.get_token());
            }
          } catch (...) {
            error_ = std::current_exception();
          }
          ended_ = true;
          wakeup_.wake();
        })) {}

  int descriptor() const { return wakeup_.descriptor(); }
  bool ended() const { return ended_; }
  void request_stop() { stop_.request_stop(); }
  std::optional<lock::Lease> result() {
    task_.join();
    if (error_) std::rethrow_exception(error_);
    return lease_;
  }

 private:
  std::stop_source stop_;
  Wakeup wakeup_;
  std::optional<lock::Lease> lease_;
  std::exception_ptr error_;
  std::atomic<bool> ended_ = false;
  base::Task task_;  // Last: it uses the others.
};

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

WaitResult wait_for_lock(const LockRun& options, lock::Backend& backend, lock::Semaphore& semaphore, Signals& signals,
                         const Guard& guard, Outside outside) {
  auto& runtime = outside.runtime;
  WaitResult result;
  bool say_that_it_waits = options.verbose || ::isatty(STDERR_FILENO) == 1;
  const auto say_at = runtime.in(kSayThatItWaits);
  Attempt attempt(options, semaphore, runtime);
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
      if (result.signal)
        end_by_signal(*signal);  // Cleaning up takes too long for somebody; the place expires by itself.
      result.signal = *signal;
      attempt.request_stop();
    }
    if (poll.ready(from_guard)) {
      guard_is_gone = true;
      attempt.request_stop();
    }
    if (say_that_it_waits && say_at.passed(runtime.now()) && !result.signal) {
      say_that_it_waits = false;
      const auto held = who_holds(backend, runtime, options.name);
      outside.err << fmt::format("tidelock: waiting for {}{}{}", base::quoted(options.name), held.empty() ? "" : ", ",
                                 held)
                  << std::endl;
    }
  }
  result.lease = attempt.result();
  if (result.lease && (result.signal || guard_is_gone)) {  // It came just then.
    semaphore.release(*result.lease, runtime.in(kReleaseWithin));
    result.lease.reset();
  }
  if (guard_is_gone && !result.signal) {
    throw Error(Code::unavailable,
                fmt::format("the guard process was killed while {} was waited for; the command was not started",
                            base::quoted(options.name)));
  }
  return result;
}

}  // namespace tidelock::cli

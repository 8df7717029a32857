// Opening a state and waiting for a lock in it, while listening to signals.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "tidelock/base/runtime.h"
#include "tidelock/cli/command_line.h"
#include "tidelock/cli/guard.h"
#include "tidelock/cli/program.h"
#include "tidelock/cli/signals.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/lease.h"
#include "tidelock/lock/mutex.h"

namespace tidelock::cli {

inline constexpr base::Duration kReleaseWithin = std::chrono::seconds(5);  // What is not released then lapses.

// Who has the lock, in a message: "held by mill:41 since 2024-11-22T15:05:03Z". Empty when that cannot be told.
std::string who_holds(lock::Backend& backend, base::Runtime& runtime, const std::string& name);

struct WaitResult {
  std::unique_ptr<lock::Backend> arbiter;  // Empty, as the next one: interrupted before the state was open.
  std::unique_ptr<lock::Semaphore> semaphore;
  std::optional<lock::Lease> lease;  // Empty: not in time, or interrupted.
  std::optional<int> signal;         // Interrupted by it; nothing was left behind.
};

// Opens the state and waits for the lock, for `options.wait` together: with a time to wait, a server that cannot be
// reached is asked again until it is over. `owner`: of the command. Errors: of opening it and of Semaphore::acquire();
// unavailable when the guard is gone, without which the lock is of no use.
WaitResult wait_for_lock(const LockRun& options, const std::string& owner, Signals& signals, const Guard& guard,
                         Outside outside);

}  // namespace tidelock::cli

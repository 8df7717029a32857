// Waiting for a lock while listening to signals.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "tidelock/base/runtime.h"
#include "tidelock/cli/command_line.h"
#include "tidelock/cli/guard.h"
#include "tidelock/cli/program.h"
#include "tidelock/cli/signals.h"
#include "tidelock/lock/lease.h"
#include "tidelock/lock/mutex.h"

namespace tidelock::cli {

inline constexpr base::Duration kReleaseWithin = std::chrono::seconds(5);  // What is not released then lapses.

// Who has the lock, in a message: "held by mill:41 since 2024-11-22T15:05:03Z". Empty when that cannot be told.
std::string who_holds(lock::Backend& backend, base::Runtime& runtime, const std::string& name);

struct WaitResult {
  std::optional<lock::Lease> lease;  // Empty: not in time, or interrupted.
  std::optional<int> signal;         // Interrupted by it; nothing was left behind.
};

// Errors: of Semaphore::acquire(); unavailable when the guard is gone, without which the lock is of no use.
WaitResult wait_for_lock(const LockRun& options, lock::Backend& backend, lock::Semaphore& semaphore, Signals& signals,
                         const Guard& guard, Outside outside);

}  // namespace tidelock::cli

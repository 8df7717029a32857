// `tidelock lock run`: a command that runs while a lock is held.
#pragma once

#include "tidelock/cli/command_line.h"
#include "tidelock/cli/program.h"

namespace tidelock::cli {

// Waits for the lock, runs the command under a guard, frees the lock. Call it while the process has one thread: it
// forks. Errors: of the arbiter, when the lock could not be asked for; deadlock; invalid_argument.
Outcome run_under_lock(const LockRun& options, Outside outside);

}  // namespace tidelock::cli

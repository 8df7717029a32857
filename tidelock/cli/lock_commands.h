// `tidelock lock list`, `show` and `break`.
#pragma once

#include "tidelock/cli/command_line.h"
#include "tidelock/cli/program.h"

namespace tidelock::cli {

// A state that does not exist has no locks, and is not made. Errors: of the arbiter.
Outcome list_locks(const LockList& options, Outside outside);
Outcome show_lock(const LockShow& options, Outside outside);
Outcome break_lock(const LockBreak& options, Outside outside);

}  // namespace tidelock::cli

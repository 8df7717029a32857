// What `tidelock lock run --group NAME` takes a slot of, where the command line leaves it open.
#pragma once

#include "tidelock/cli/command_line.h"
#include "tidelock/cli/program.h"

namespace tidelock::cli {

// Without --on, the group is one of the pipeline of --file, else of pipeline.toml in the working folder: its state is
// where the locks are, and its slots are the permits. Without a pipeline, the default state, if it is there. Says on
// standard error what it found, when that is a terminal or --verbose is given. Does nothing for a lock that is no
// group's. Errors: UsageError when neither is there, or the pipeline has no such group; those of loading a pipeline.
void settle_group(LockRun& options, Outside outside);

}  // namespace tidelock::cli

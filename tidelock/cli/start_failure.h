// Why a command could not be started, in words.
#pragma once

#include <string>

#include "tidelock/base/files.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {

// `error`: the errno of execvp(3) or fork(2). Looks at the file that `program` means; PATH is of this process.
Failure cannot_start(const std::string& program, int error, base::Files& files);

}  // namespace tidelock::cli

// The hidden command that runs a service of `tidelock run`: the guard of guard.h, in a process of its own program.
#pragma once

#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"

namespace tidelock::cli {

// `tidelock service-guard GRACE_MS PROGRAM [ARGUMENT…]`, with the socket for orders and reports as descriptor 3.
// Without orders it ends; once the other end of the socket is gone, it ends the program and all that the program
// started.
inline constexpr const char* kServiceGuardCommand = "service-guard";
inline constexpr int kServiceGuardSocket = 3;

// Call it while the process has one thread. Returns the exit code.
int run_service_guard(const std::vector<std::string>& arguments, base::Runtime& runtime, base::Files& files);

}  // namespace tidelock::cli

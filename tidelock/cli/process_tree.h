// Who descends from whom among the running processes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "tidelock/base/files.h"

namespace tidelock::cli {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  bool ended = false;               // A zombie: ended, and not yet waited for by its parent.
  std::uint64_t started_ticks = 0;  // Since boot. Tells a process from a later one with the same pid.
};

// What runs below `root`, which is not part of it: a picture of one moment, that may miss what was started meanwhile.
// Processes that the system hides from this user are missing. Reads <proc>/<pid>/stat (proc(5)).
std::vector<ProcessInfo> descendants(base::Files& files, pid_t root, const base::Path& proc = "/proc");

// Sends the signal to the very process that was seen, never to a later one that got its pid. False when it is gone, or
// may not be signalled by this user.
bool send_signal(const ProcessInfo& process, int signal);

}  // namespace tidelock::cli

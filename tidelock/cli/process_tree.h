// Who descends from whom among the running processes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/runtime.h"

namespace tidelock::cli {

using base::ProcessInfo;

// What runs below `root`, which is not part of it: see base::all_processes().
std::vector<ProcessInfo> descendants(base::Files& files, pid_t root, const base::Path& proc = "/proc");

// The same for what belongs to a session, wherever its parents are: the leader's pid is given to nobody else meanwhile.
std::vector<ProcessInfo> in_session(base::Files& files, pid_t session, const base::Path& proc = "/proc");

enum class Sent {
  done,
  gone,    // Nobody is there who could get it.
  denied,  // It runs as another user.
};

// Sends the signal to the very process that was seen, never to a later one that got its pid.
Sent send_signal(const ProcessInfo& process, int signal);

// SIGKILL to whatever `find` finds, again and again, until it finds nothing that runs. Returns how many are left that
// may not be signalled. `find` may throw Error: then it is asked again.
int kill_all(base::Runtime& runtime, const std::function<std::vector<ProcessInfo>()>& find);

}  // namespace tidelock::cli

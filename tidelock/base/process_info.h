// What the system tells about any process of this machine, for messages and to find out who has died.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/files.h"

namespace tidelock::base {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  bool ended = false;               // A zombie: ended, and not yet waited for by its parent.
  std::uint64_t started_ticks = 0;  // Since boot. Tells a process from a later one with the same pid.
};

// A picture of one moment, that may miss what is started meanwhile. Processes that the system hides from this user are
// missing. Reads <proc>/<pid>/stat (proc(5)). Errors: those of listing <proc>.
std::vector<ProcessInfo> all_processes(Files& files, const Path& proc = "/proc");

// Whether there is one of this number, as far as that can be told: one that the system hides is there, a zombie is not.
bool process_exists(pid_t pid);

// When it started, in clock ticks since boot: with the pid it names one process for the whole of a boot. Empty when
// there is none, or only the remains of one that its parent has not asked about (a zombie holds no files and no locks).
std::optional<std::uint64_t> process_start_time(pid_t pid);

// Whether the process that started then is still there, and no other that got its pid.
bool process_alive(pid_t pid, std::uint64_t start_time);

// Its arguments, joined by spaces, safe to print and cut after `limit_bytes`; its name in brackets when it has none;
// empty when there is no such process or this one may not look.
std::string process_command_line(pid_t pid, std::size_t limit_bytes = 200);

// The process in a message: process 123 ("python3 job.py").
std::string process_in_words(pid_t pid);

}  // namespace tidelock::base

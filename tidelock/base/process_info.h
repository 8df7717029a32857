// What the system tells about any process of this machine, for messages and to find out who has died.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace tidelock::base {

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

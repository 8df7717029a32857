// The exit codes of the program `tidelock`: one meaning each, the same for every command but `replica status`, which
// ends as monitoring plugins do.
#pragma once

#include <string>

#include "tidelock/base/error.h"

namespace tidelock::cli {

// Scripts rely on the numbers: never change one. Any other number is the exit code of the command that `lock run` ran.
enum class Exit : int {
  ok = 0,
  failed = 1,            // The system, the state or the arbiter is not as needed; the message says what to do.
  usage = 2,             // The command line must be changed.
  unknown = 3,           // Of `replica status`: it failed, or was called wrongly.
  lease_lost = 70,       // The lock was lost while the command ran, and the command was ended.
  not_acquired = 75,     // The lock was not got in time; or never could be, as the wait would close a cycle.
  not_executable = 126,  // As in a shell: the command is there and cannot be run.
  not_found = 127,       // As in a shell: there is no such command.
  by_signal = 128,       // Plus the number of the signal that ended the command.
};

constexpr int number(Exit exit) { return static_cast<int>(exit); }

// What a failure with this code ends the program with.
Exit exit_for(Code code);

// The exit code that stands for a status of waitid(2): the command's own, or 128 + the signal that ended it.
// `by_signal` says which of the two `status` is.
int exit_for_status(int status, bool by_signal);

// The table of all of them, for the help.
std::string exit_code_help();

}  // namespace tidelock::cli

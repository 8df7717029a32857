// Who may read the terminal: job control between a shell, this program and the command.
//
// The command has a process group of its own, so that all of it can be ended at once. Only the foreground group may
// read the terminal and gets its keys (Ctrl-C, Ctrl-Z), so the foreground is handed to the command and taken back.
#pragma once

#include <sys/types.h>

#include "tidelock/base/descriptor.h"

namespace tidelock::cli {

// Puts /dev/null where the program was started without a standard stream, so that no file or socket of its own takes
// that number. First thing in main().
void open_missing_standard_streams();

// The terminal that controls this process, if any. Copies of the process may use it as well; async-signal-safe, except
// for opening it.
class Terminal {
 public:
  // Opens /dev/tty; none() when there is no controlling terminal.
  Terminal();

  bool none() const { return !tty_; }
  // The foreground process group; 0 when there is no terminal.
  pid_t foreground() const;
  // Makes `to` the foreground group if `from` is. False when it was not, or `to` is gone.
  bool hand_over(pid_t from, pid_t to) const;

 private:
  base::Descriptor tty_;
};

}  // namespace tidelock::cli

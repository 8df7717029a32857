// Other programs as children of this one: start, wait with a deadline, signal, and never leave one behind by accident.
//
// For real programs; there are no children in a World.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"

namespace tidelock::base {

// What one of the child's standard streams is connected to.
struct Stream {
  enum class Kind { inherit, null, pipe, descriptor } kind = Kind::inherit;
  int descriptor = -1;  // For Kind::descriptor; borrowed until the child has started.

  static Stream null() { return {Kind::null}; }
  static Stream pipe() { return {Kind::pipe}; }  // Its other end is ChildProcess::in(), out() or err().
  static Stream to(const Descriptor& descriptor) { return {Kind::descriptor, descriptor.get()}; }
};

// What to start, and how. The child has no signal blocked, and SIGPIPE and SIGCHLD have their default actions.
struct Command {
  enum class Group {
    same,         // In the process group of its parent.
    own,          // Leads a new process group, whose number is its pid.
    own_session,  // Leads a new session and process group, without a terminal.
  };

  std::vector<std::string> argv;             // argv[0] is looked for in PATH when it has no '/'.
  std::map<std::string, std::string> env{};  // Added to the environment of this process, or replacing in it.
  std::optional<Path> folder{};              // Working folder; a relative program is looked for from there.
  Group group = Group::same;
  // With Group::own: its group becomes the foreground group of the terminal on descriptor 0, if this process's group
  // was, so that it may read from the terminal and gets Ctrl-C. Given back when wait() sees the end.
  bool foreground = false;
  Stream in{};
  Stream out{};
  Stream err{};
  std::vector<int> pass{};  // Descriptors that become 3, 4, … in the child.
  // Otherwise the child has no descriptors but the standard ones and `pass`: an inherited one would keep files, pipes
  // and locks of this process alive.
  bool inherit_descriptors = false;
  // What the end of the ChildProcess does to a child that has not ended: SIGKILL to it (to its group, when it leads
  // one) and wait; or nothing, and it goes on.
  bool kill_when_dropped = true;
};

struct ExitStatus {
  int code = 0;    // What the program returned.
  int signal = 0;  // What ended it, else 0.

  bool ok() const { return code == 0 && signal == 0; }
  int shell_code() const { return signal != 0 ? 128 + signal : code; }  // As a shell says it in $?.
  std::string to_string() const;                                        // "exit code 3", "killed by signal 9 (Killed)"
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// One child. Its pid stays its own until the destructor, also after its end, so no signal ever reaches a stranger.
// Movable; used by one task at a time.
class ChildProcess {
 public:
  // Returns when the program runs. Errors: not_found, permission_denied, invalid_argument (not a program; empty or
  // containing NUL; no such folder), unavailable (no processes or memory left), misuse (this process ignores SIGCHLD,
  // so that the kernel would throw exit statuses away).
  ChildProcess(Runtime& runtime, const Command& command);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Is ready to read, as poll.h says it, when the child has ended.
  int descriptor() const { return ended_.get(); }

  // This side of the streams that are pipes; may be closed or moved out.
  Descriptor& in() { return in_; }
  Descriptor& out() { return out_; }
  Descriptor& err() { return err_; }

  // How it ended; empty at the deadline or when `stop` is requested. May be called again after the end.
  std::optional<ExitStatus> wait(Deadline deadline = Deadline::never(), const std::stop_token& stop = {});

  // False when there is nobody to get it: the child, or its whole group, has ended. To the group only when it leads
  // one.
  bool signal(int signal);
  bool signal_group(int signal);

 private:
  void start(const Command& command);
  void finish() noexcept;
  std::optional<ExitStatus> look();
  void take_terminal_back() noexcept;

  Runtime* runtime_;
  pid_t pid_ = -1;  // -1: moved from.
  bool leads_group_ = false;
  bool has_terminal_ = false;
  bool kill_when_dropped_ = true;
  Descriptor ended_;  // A pidfd.
  Descriptor in_;
  Descriptor out_;
  Descriptor err_;
};

}  // namespace tidelock::base

// The process that ends a command no later than its lease ends, whatever becomes of the program that renews the lease.
//
// The program forks it before anything else, tells it the deadline of each renewal, and the guard, which is the parent
// of the command and of whatever the command orphans, ends all of them when the deadline comes near or the program is
// gone. docs/decisions/guard-process.md says why it is made so.
//
// Neither the guard nor the command is a base::ChildProcess. The guard is this program going on in a fork: nothing of
// it can be missing once the lock is held. The command needs what posix_spawn cannot give: to end with its parent
// (PR_SET_PDEATHSIG), the signals as the program inherited them, and its stops reported, not only its end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/cli/signals.h"

namespace tidelock::cli {

struct GuardOptions {
  std::vector<std::string> command;  // Looked up in PATH.
  base::Duration grace{};            // Between SIGTERM and SIGKILL.
  bool leave_background = false;     // When the command ended by itself, leave alone what it left running.
};

// Why the command is over.
enum class EndedBy : int {
  itself,    // It ended; nobody asked it to.
  deadline,  // The guard's: no renewal came in time.
  order,     // Guard::end().
};

// What the guard says. Plain data: crosses a process boundary.
struct GuardReport {
  enum class Kind : int { started, stopped, heard, ended } kind = Kind::started;  // heard: an order.
  pid_t command = 0;                                                              // The process and its group.
  int status = 0;          // ended: exit code or signal. stopped: signal.
  bool by_signal = false;  // ended: which of the two.
  int start_error = 0;     // ended: errno, when the command could not be started; no process was made of it.
  EndedBy ended_by = EndedBy::itself;
  bool in_time = false;         // ended: before the lease expired, all that ran.
  bool was_foreground = false;  // ended: of the terminal.
  int background = 0;           // ended: so many processes that the command left running had to be ended.
  int out_of_reach = 0;         // ended: so many run as another user and go on.
  std::chrono::nanoseconds::rep expires_ns = 0;  // When it ends the command unless it hears of a renewal.

  base::Instant expires() const { return base::Instant(base::Duration(expires_ns)); }
};

// The program's end. Thread-safe, except for read_report(). Each order that the guard has read is answered by a report,
// so that one that was stopped is known. What goes to a guard that is gone is dropped: read_report() tells.
class Guard {
 public:
  // Forks: call it while the process has one thread and has opened nothing that must not be inherited. The guard waits
  // for run(). `signals` are what the command gets back. Error: unavailable when the system has no process left.
  Guard(base::Runtime& runtime, base::Files& files, GuardOptions options, const SignalState& signals);
  // Ends the guard when it is idle; when it runs a command, the command is ended as by end().
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Starts the command, with these variables ("NAME=value") added to its environment.
  void run(base::Instant expires, const std::vector<std::string>& environment);
  // The command may go on until `expires`; SIGTERM comes `grace` before that.
  void extend(base::Instant expires);
  // To the command's process group.
  void send_signal(int signal);
  // SIGTERM now, SIGKILL after `grace` and no later than the lease ends.
  void end();
  // SIGKILL to the guard itself and to everything that runs below this process: for a guard that is gone or does not
  // answer. Returns when all of it is gone, but for what runs as another user: how many those are.
  int kill_everything();

  // Readable when read_report() has something.
  int descriptor() const { return socket_.get(); }
  // Empty when the guard is gone.
  std::optional<GuardReport> read_report();

 private:
  base::Runtime& runtime_;
  base::Files& files_;
  base::Descriptor socket_;
  pid_t pid_ = 0;
};

}  // namespace tidelock::cli

// What base::ProgramSignals, which reads the signals sent to this program, leaves to a program that stands in for the
// command it runs: hand the inherited state on to the command unchanged, and end or stop as the command did.
#pragma once

#include <csignal>
#include <optional>

#include "tidelock/base/runtime.h"
#include "tidelock/base/signals.h"

namespace tidelock::cli {

// What a process inherited, so that the command it runs gets the same.
struct SignalState {
  sigset_t blocked;
  struct sigaction pipe;
  struct sigaction child;

  // Changes nothing.
  static SignalState current();
  // Async-signal-safe.
  void restore() const;
};

// The signals that somebody sends to this program: SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT and
// SIGTSTP. One that the program inherited as ignored, as under nohup, stays ignored. Also ignores SIGPIPE, and lets
// children be waited for. Make it while the process has one thread; the destructor undoes it. Used by one task at a
// time.
class Signals {
 public:
  explicit Signals(base::Runtime& runtime);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  const SignalState& inherited() const { return inherited_; }

  // Readable when read() has something.
  int descriptor() const { return signals_.descriptor(); }
  // Empty when there is none; never waits.
  std::optional<int> read() { return signals_.next(base::Instant::min()); }

 private:
  SignalState inherited_;
  base::ProgramSignals signals_;
};

// Ends this process by the signal, as if it had never been held back; only for signals that end a process.
[[noreturn]] void end_by_signal(int signal);

// Stops this process as the terminal's stop key does; returns when it goes on. Every thread must block SIGTSTP. Returns
// at once where nobody could make it go on (POSIX: an orphaned process group).
void stop_here();

}  // namespace tidelock::cli

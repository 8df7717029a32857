// The inside of the guard: what the forked process does. guard.h is its face.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/cli/guard.h"
#include "tidelock/cli/signals.h"
#include "tidelock/cli/terminal.h"

namespace tidelock::cli {

// What the program tells the guard; the variables for the command follow the one of kind `run`, each ended by NUL.
struct GuardOrder {
  enum class Kind : int { run, extend, signal, end } kind = Kind::extend;
  int signal = 0;
  std::chrono::nanoseconds::rep expires_ns = 0;  // Of the Runtime's clock.
};

// Larger than any order.
inline constexpr std::size_t kOrderBytesMax = 16 * 1024;

// The end of a lease is always on this clock, which goes on while the machine is suspended.
class GuardTimer {
 public:
  GuardTimer();
  int descriptor() const { return timer_.get(); }
  // Readable from this moment on.
  void set(base::Instant moment);

 private:
  base::Descriptor timer_;
};

// Runs in a process of one thread.
class GuardProcess {
 public:
  GuardProcess(base::Runtime& runtime, base::Files& files, base::Descriptor socket, const GuardOptions& options,
               const SignalState& signals);
  // Until nothing of the command is left, or until the program is gone before it gave one.
  void run();

 private:
  enum class Phase {
    idle,      // No command yet.
    running,   //
    draining,  // The command ended; what it left running may still end by itself.
    ending,    // SIGTERM was sent.
    killing,   // SIGKILL is being sent until nothing is left.
    done,
  };

  void wait();
  void read_orders();
  void follow(const GuardOrder& order, const std::string& variables);
  void start_command(const std::string& variables);
  [[noreturn]] void become_command(const base::Descriptor& failure, pid_t guard);
  void look_after_children();
  void note_end_of_command(int code, int status);
  void act_in_time();
  void begin_ending(EndedBy why);
  void signal_everything(int signal);
  void kill_everything();
  void finish();
  void report(GuardReport::Kind kind);
  base::Instant next_moment() const;

  base::Runtime& runtime_;
  base::Files& files_;
  base::Descriptor socket_;
  base::Descriptor children_;  // Readable when one ended or stopped.
  const GuardOptions& options_;
  const SignalState& signals_;
  Terminal terminal_;
  GuardTimer timer_;
  const pid_t program_group_;

  Phase phase_ = Phase::idle;
  base::Instant expires_{};
  base::Instant next_{};  // draining, ending, killing: when the next phase or round begins.
  base::Duration pause_;  // killing: until the next round.
  bool command_running_ = false;
  base::Descriptor start_failure_;
  GuardReport result_;
};

}  // namespace tidelock::cli

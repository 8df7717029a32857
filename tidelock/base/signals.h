// Signals that are sent to this program, read like any other input instead of interrupting it.
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>
#include <stop_token>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/runtime.h"

namespace tidelock::base {

// Make it in main, before any thread is started: it blocks the signals in the calling thread and so in all threads that
// this starts (the tasks of a RealRuntime block them anyway). The children of process.h have them unblocked. Not
// thread-safe. A signal that is ignored, such as SIGHUP under nohup, stays so and is not read.
class ProgramSignals {
 public:
  // Error: invalid_argument for a number that is no signal or cannot be blocked.
  ProgramSignals(Runtime& runtime, std::initializer_list<int> signals);
  // Unblocks them: one that came and was not read takes its usual effect now.
  ~ProgramSignals();
  ProgramSignals(const ProgramSignals&) = delete;
  ProgramSignals& operator=(const ProgramSignals&) = delete;

  int descriptor() const { return signals_.get(); }  // Is ready to read, as poll.h says it, when one has come.

  // The next one; empty at the deadline or when `stop` is requested. Sent several times before it is read, it counts
  // once.
  std::optional<int> next(Deadline deadline, const std::stop_token& stop = {});

 private:
  Runtime& runtime_;
  sigset_t before_;
  Descriptor signals_;
};

}  // namespace tidelock::base

// A terminal with a test at its keyboard.
#pragma once

#include <string>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/process.h"
#include "tidelock/base/runtime.h"

namespace tidelock::cli::testing {

inline constexpr const char* kCtrlC = "\x03";
inline constexpr const char* kCtrlZ = "\x1a";

// The program under test sees a terminal that controls its session.
class PseudoTerminal {
 public:
  PseudoTerminal();

  // The command, as the leader of a new session whose terminal this is.
  base::Command controlled_by_this(base::Command command) const;

  void type(const std::string& keys);
  // Waits until this was shown, behind what an earlier call waited for; fails the test when it is not.
  void await(base::Runtime& runtime, const std::string& text);
  // All that was shown so far.
  const std::string& shown() const { return shown_; }

 private:
  base::Descriptor keyboard_;  // And screen.
  base::Descriptor terminal_;
  std::string shown_;
  std::size_t awaited_ = 0;
};

}  // namespace tidelock::cli::testing

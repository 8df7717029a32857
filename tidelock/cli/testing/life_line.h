// For tests with real processes: waiting for what happens, with a deadline.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"

namespace tidelock::cli::testing {

// How long a test waits for what must happen; only a test that fails waits so long.
inline constexpr std::chrono::seconds kPatience{20};

// Asks again and again, with pauses, until it holds or the patience is over.
::testing::AssertionResult eventually(base::Runtime& runtime, const std::function<bool()>& holds);

// The first line of a file, waited for.
std::string line_of(base::Runtime& runtime, base::Files& files, const base::Path& path);

// Tells when the last process has ended that inherited it, and brings what they write: for a test that must know that
// nothing is left.
class LifeLine {
 public:
  LifeLine();
  int descriptor() const { return write_end_.get(); }  // For children.
  // Lets go of this process's own end: from here on only others hold it.
  void release() { write_end_.reset(); }
  // Whether all that hold it end in time; releases it.
  ::testing::AssertionResult ends(base::Runtime& runtime);
  // What was written by the others, up to the end of a line.
  std::string read_line(base::Runtime& runtime);

 private:
  base::Descriptor read_end_;
  base::Descriptor write_end_;
};

}  // namespace tidelock::cli::testing

// For tests with real processes: a folder of their own, and waiting for what happens with a deadline.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"

namespace tidelock::cli::testing {

// How long a test waits for what must happen; only a test that fails waits so long.
inline constexpr std::chrono::seconds kPatience{20};

// A new folder below the system's temporary one, removed at the end.
class Scratch {
 public:
  explicit Scratch(base::Files& files);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const base::Path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  // Empty while the file is missing or has no whole line.
  std::optional<std::string> line(const std::string& name) const;

 private:
  base::Files& files_;
  base::Path path_;
};

// Asks again and again, with pauses, until it holds or the patience is over.
::testing::AssertionResult eventually(base::Runtime& runtime, const std::function<bool()>& holds);

// Tells when the last process has ended that inherited it: for a test that must know that nothing is left.
class LifeLine {
 public:
  LifeLine();
  // Lets go of this process's own end: from here on only others hold it.
  void release() { write_end_.reset(); }
  ::testing::AssertionResult ends(base::Runtime& runtime);
  // What was written to descriptor() by the others, up to the end of a line.
  std::string read_line(base::Runtime& runtime);
  int descriptor() const { return write_end_.get(); }

 private:
  base::Descriptor read_end_;
  base::Descriptor write_end_;  // Inherited by children.
};

}  // namespace tidelock::cli::testing

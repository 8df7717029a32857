// For tests of the built program: runs it in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/process.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/cli/testing/life_line.h"

namespace tidelock::cli::testing {

// What is left of a program that ended.
struct Ended {
  base::ExitStatus status;
  std::string out;
  std::string err;
};

// A program that runs. Killed with its process group at the end of the scope.
class Running {
 public:
  Running(base::Runtime& runtime, base::Command command);
  base::ChildProcess& child() { return child_; }
  std::string out() const;  // So far.
  std::string err() const;  // So far.
  // Fails the test when it does not end in time.
  Ended wait(base::Duration patience = kPatience);

 private:
  base::Runtime& runtime_;
  base::Descriptor out_;
  base::Descriptor err_;
  base::ChildProcess child_;
};

// Nothing of a `tidelock` that runs the tests is inherited by those that the tests run.
struct NoOwner {
  NoOwner() { ::unsetenv("TIDELOCK_OWNER"); }
};

class ProgramTest : public ::testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  // `tidelock` with these arguments. Descriptor 3 is the life line, to write lines to, until that is released.
  base::Command tidelock(const Arguments& arguments) const;
  // `tidelock lock run NAME options -- sh -c script`.
  base::Command lock_run(const std::string& name, const Arguments& options, const std::string& script) const;
  Running start(base::Command command) { return Running(runtime_, std::move(command)); }
  Ended run(base::Command command) { return start(std::move(command)).wait(); }

  // Of a lock in the state in the folder, as `lock show --json` has it.
  std::string show(const std::string& name);
  std::int64_t holder_expires_in_ms(const std::string& name);
  std::size_t waiters(const std::string& name);
  // Waits until so many wait for it.
  void await_waiters(const std::string& name, std::size_t count);

  std::string hear() { return life_.read_line(runtime_); }
  std::string file(const std::string& name) { return line_of(runtime_, files_, folder_ / name); }
  void touch(const std::string& name) { files_.open(folder_ / name, base::OpenMode::create); }

  NoOwner no_owner_;
  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder folder_;
  LifeLine life_;
};

// What a script does until it is ended.
inline constexpr const char* kForEver = "while :; do sleep 0.01; done";

}  // namespace tidelock::cli::testing

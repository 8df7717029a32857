#include "tidelock/cli/process_tree.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "tidelock/base/process.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/cli/testing/life_line.h"

namespace tidelock::cli {
namespace {

class ProcessTreeTest : public ::testing::Test {
 protected:
  void add(pid_t pid, const std::string& stat) {
    const auto folder = scratch_.path() / std::to_string(pid);
    files_.create_folders(folder);
    files_.write_atomically(folder / "stat", stat + "\n");
  }
  void add(pid_t pid, const std::string& command, char state, pid_t parent, pid_t group, int started,
           pid_t session = 0) {
    std::string stat = std::to_string(pid) + " (" + command + ") " + state + " " + std::to_string(parent) + " " +
                       std::to_string(group);
    stat += " " + std::to_string(session);
    for (int field = 7; field < 22; ++field) stat += " 0";
    add(pid, stat + " " + std::to_string(started) + " 0 0");
  }
  ProcessInfo seen(const base::ChildProcess& child) {
    for (const auto& process : descendants(files_, ::getpid())) {
      if (process.pid == child.pid()) return process;
    }
    ADD_FAILURE() << "the child is not among the descendants";
    return {};
  }
  std::vector<ProcessInfo> below(pid_t root) {
    auto found = descendants(files_, root, scratch_.path());
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
    return found;
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder scratch_;
};

TEST_F(ProcessTreeTest, FindsChildrenAndTheirChildrenWhateverTheirOrder) {
  add(1, "init", 'S', 0, 1, 5);
  add(10, "guard", 'S', 1, 10, 100);
  add(30, "sh", 'R', 10, 30, 300);
  add(20, "child of a later pid", 'Z', 30, 30, 301);
  add(40, "stranger", 'S', 1, 40, 400);
  const auto found = below(10);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].pid, 20);
  EXPECT_EQ(found[0].parent, 30);
  EXPECT_EQ(found[0].group, 30);
  EXPECT_TRUE(found[0].ended);
  EXPECT_EQ(found[0].started_ticks, 301U);
  EXPECT_EQ(found[1].pid, 30);
  EXPECT_FALSE(found[1].ended);
}

TEST_F(ProcessTreeTest, IsNotFooledByTheNameOfACommand) {
  add(10, "guard", 'S', 1, 10, 100);
  add(11, "x) S 1 1 (y", 'S', 10, 11, 110);
  const auto found = below(10);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].parent, 10);
  EXPECT_EQ(found[0].started_ticks, 110U);
}

TEST_F(ProcessTreeTest, LeavesOutWhatCannotBeRead) {
  add(11, "half of a lin");
  files_.create_folders(scratch_.path() / "12");
  files_.create_folders(scratch_.path() / "self");
  EXPECT_TRUE(below(10).empty());
}

TEST_F(ProcessTreeTest, FindsASessionWhereverTheParentsAre) {
  add(10, "leader", 'Z', 1, 10, 100, 10);
  add(11, "orphan", 'S', 1, 11, 110, 10);
  add(12, "stranger", 'S', 10, 12, 120, 12);
  const auto found = in_session(files_, 10, scratch_.path());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].pid, 11);
}

// The shell may be killed before its own child was seen, which then is an orphan: as in the guard, it becomes ours.
TEST_F(ProcessTreeTest, KillsUntilNothingIsFoundAnyMore) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  base::ChildProcess child(runtime_, {.argv = {"sh", "-c", "sleep 1000 & wait"}});
  EXPECT_EQ(kill_all(runtime_, [&] { return descendants(files_, ::getpid()); }), 0);
  EXPECT_EQ(child.wait(runtime_.now()).value_or(base::ExitStatus{}).signal, SIGKILL);
  EXPECT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TEST_F(ProcessTreeTest, SeesTheChildrenOfThisProcess) {
  const base::ChildProcess child(runtime_, {.argv = {"sleep", "1000"}});
  EXPECT_EQ(seen(child).parent, ::getpid());
  EXPECT_EQ(seen(child).started_ticks, base::process_start_time(child.pid()));
}

TEST_F(ProcessTreeTest, SignalsTheProcessThatWasSeen) {
  base::ChildProcess child(runtime_, {.argv = {"sleep", "1000"}});
  EXPECT_EQ(send_signal(seen(child), SIGTERM), Sent::done);
  EXPECT_EQ(child.wait(runtime_.in(testing::kPatience)).value_or(base::ExitStatus{}).signal, SIGTERM);
}

TEST_F(ProcessTreeTest, NeverSignalsALaterProcessOfTheSamePid) {
  base::ChildProcess child(runtime_, {.argv = {"sleep", "1000"}});
  auto earlier = seen(child);
  earlier.started_ticks -= 1;
  EXPECT_EQ(send_signal(earlier, SIGTERM), Sent::gone);
  EXPECT_FALSE(child.wait(runtime_.now()));
}

}  // namespace
}  // namespace tidelock::cli

#include "tidelock/base/process_info.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "tidelock/base/poll.h"
#include "tidelock/base/process.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

TEST(ProcessInfo, AProcessIsNamedByItsPidAndStart) {
  const auto start = process_start_time(::getpid());
  ASSERT_TRUE(start);
  EXPECT_EQ(process_start_time(::getpid()), start);
  EXPECT_TRUE(process_alive(::getpid(), *start));
  EXPECT_FALSE(process_alive(::getpid(), *start + 1));  // Another one that had this pid.
  for (const pid_t none : {0, -1, 1 << 30}) {
    EXPECT_FALSE(process_start_time(none));
    EXPECT_FALSE(process_alive(none, *start));
    EXPECT_FALSE(process_exists(none));
    EXPECT_EQ(process_command_line(none), "");
  }
}

TEST(ProcessInfo, AProcessIsAmongAllWithItsParentAndGroup) {
  RealRuntime runtime;
  RealFiles files(runtime);
  ChildProcess child(runtime, {.argv = {"cat"}, .group = Command::Group::own, .in = Stream::pipe()});
  EXPECT_TRUE(process_exists(child.pid()));
  const auto all = all_processes(files);
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const ProcessInfo& each) { return each.pid == child.pid(); });
  ASSERT_NE(found, all.end());
  EXPECT_EQ(found->parent, ::getpid());
  EXPECT_EQ(found->group, child.pid());
  EXPECT_FALSE(found->ended);
  EXPECT_EQ(found->started_ticks, process_start_time(child.pid()));
}

TEST(ProcessInfo, AZombieIsNotAlive) {
  RealRuntime runtime;
  ChildProcess child(runtime, {.argv = {"cat"}, .in = Stream::pipe()});
  const auto start = process_start_time(child.pid());
  ASSERT_TRUE(start);
  EXPECT_TRUE(process_alive(child.pid(), *start));
  child.in().reset();
  ASSERT_TRUE(child.wait(runtime.in(1min)));  // It is kept as a zombie until the ChildProcess ends.
  EXPECT_FALSE(process_alive(child.pid(), *start));
  EXPECT_FALSE(process_start_time(child.pid()));
  EXPECT_FALSE(process_exists(child.pid()));
  EXPECT_EQ(process_command_line(child.pid()), "[cat]");
}

TEST(ProcessInfo, ACommandLineIsSafeToPrintAndNotTooLong) {
  RealRuntime runtime;
  ChildProcess child(runtime, {.argv = {"/bin/sh", "-c", "echo; read x", "a b", "\x1b[31m", std::string(500, 'y')},
                               .in = Stream::pipe(),
                               .out = Stream::pipe()});
  std::byte newline{};
  ASSERT_EQ(read_some(child.out(), {&newline, 1}), 1U);  // It runs, so its arguments are in place.
  const auto line = process_command_line(child.pid(), 60);
  EXPECT_EQ(line.substr(0, 41), R"(/bin/sh -c echo; read x a b \x1b[31m yyyy)");
  EXPECT_LT(line.size(), 80U);
  EXPECT_TRUE(line.ends_with("y…"));
  EXPECT_NE(process_command_line(::getpid()).find("test"), std::string::npos);
}

}  // namespace
}  // namespace tidelock::base

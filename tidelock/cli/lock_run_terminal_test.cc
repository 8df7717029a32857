// `tidelock lock run` in a terminal: who reads the keyboard, and what its keys do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <utility>

#include "tidelock/cli/testing/program.h"
#include "tidelock/cli/testing/pseudo_terminal.h"

namespace tidelock::cli {
namespace {

using ::testing::HasSubstr;
using testing::kCtrlC;
using testing::kCtrlZ;
using ::testing::Not;

class LockRunTerminalTest : public testing::ProgramTest {
 protected:
  // A script in a shell whose terminal is terminal_; `options` as "-m" for a shell with job control.
  base::Command shell(const std::string& options, const std::string& script) {
    auto command = tidelock({});
    command.argv = {"bash", options + "c", script};
    return terminal_.controlled_by_this(std::move(command));
  }
  void await(const std::string& text) { terminal_.await(runtime_, text); }

  testing::PseudoTerminal terminal_;
};

TEST_F(LockRunTerminalTest, TheCommandReadsTheKeyboard) {
  auto running = start(shell("-", "$TIDELOCK lock run a -- sh -c 'echo ready; read line; echo got $line'; echo over"));
  await("ready");
  terminal_.type("hello\n");
  await("got hello");
  await("over");
  EXPECT_EQ(running.wait().status.code, 0);
}

TEST_F(LockRunTerminalTest, TheShellReadsTheKeyboardAgainAfterwards) {
  auto running = start(shell("-", "$TIDELOCK lock run a -- true; read line; echo shell got $line"));
  terminal_.type("hello\n");
  await("shell got hello");
  EXPECT_EQ(running.wait().status.code, 0);
}

TEST_F(LockRunTerminalTest, CtrlCEndsTheCommandAndTheScriptAroundIt) {
  auto running = start(
      shell("-", std::string("$TIDELOCK lock run a -- sh -c 'echo ready; ") + testing::kForEver + "'; echo went on"));
  await("ready");
  terminal_.type(kCtrlC);
  EXPECT_EQ(running.wait().status.shell_code(), 128 + SIGINT);
  EXPECT_THAT(terminal_.shown(), Not(HasSubstr("went on")));
  EXPECT_THAT(show("a"), HasSubstr("\"holders\": []"));
}

TEST_F(LockRunTerminalTest, ACommandThatHandlesCtrlCDecidesForItself) {
  auto running = start(shell("-", std::string("$TIDELOCK lock run a -- sh -c 'trap \"exit 4\" INT; echo ready; ") +
                                      testing::kForEver + "'; echo status $?"));
  await("ready");
  terminal_.type(kCtrlC);
  await("status 4");
  EXPECT_EQ(running.wait().status.code, 0);
}

TEST_F(LockRunTerminalTest, CtrlCWhileWaitingLeavesNothingBehind) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  auto waiting = start(shell("-", "$TIDELOCK lock run a -- echo never; echo went on"));
  await("waiting for \"a\", held by");
  await_waiters("a", 1);
  terminal_.type(kCtrlC);
  EXPECT_EQ(waiting.wait().status.shell_code(), 128 + SIGINT);
  EXPECT_EQ(waiters("a"), 0U);
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
}

TEST_F(LockRunTerminalTest, CtrlZStopsBothAndForegroundGoesOn) {
  auto running = start(shell("-m",
                             "$TIDELOCK lock run a -- sh -c 'echo ready; read line; echo got $line'; "
                             "echo shell is back; fg; echo status $?"));
  await("ready");
  terminal_.type(kCtrlZ);
  await("lock \"a\" is lost unless it goes on within");
  await("shell is back");
  terminal_.type("hello\n");
  await("got hello");
  await("status 0");
  EXPECT_EQ(running.wait().status.code, 0);
}

TEST_F(LockRunTerminalTest, StoppedForTooLongTheLockIsLost) {
  auto running = start(shell("-m",
                             "$TIDELOCK lock run a --ttl 500ms -- sh -c 'echo ready; read line'; "
                             "until $TIDELOCK lock show a | grep -q free; do sleep 0.01; done; fg; echo status $?"));
  await("ready");
  terminal_.type(kCtrlZ);
  await("status 70");
  EXPECT_EQ(running.wait().status.code, 0);
}

TEST_F(LockRunTerminalTest, InTheBackgroundTheCommandDoesNotTakeTheKeyboard) {
  auto running = start(shell("-m",
                             "$TIDELOCK lock run a -- sh -c 'echo ready; until [ -e enough ]; do sleep 0.01; done' & "
                             "read line; echo shell got $line; touch enough; wait; echo over"));
  await("ready");
  terminal_.type("hello\n");
  await("shell got hello");
  await("over");
  EXPECT_EQ(running.wait().status.code, 0);
}

}  // namespace
}  // namespace tidelock::cli

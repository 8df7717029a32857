// `tidelock lock run` with real processes and real files.
#include "tidelock/cli/lock_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "tidelock/cli/testing/program.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using ::testing::HasSubstr;
using testing::kForEver;
using testing::Running;

class LockRunTest : public testing::ProgramTest {
 protected:
  // What is said of a command that cannot be run.
  void expect_refusal(const std::string& command, int exit, const std::string& words) {
    const auto ended = run(tidelock({"lock", "run", "a", "--", command}));
    EXPECT_EQ(ended.status.code, exit) << command;
    EXPECT_THAT(ended.err, HasSubstr(words));
  }
};

TEST_F(LockRunTest, PassesTheExitCodeOfTheCommand) {
  EXPECT_EQ(run(lock_run("a", {}, "exit 0")).status.code, 0);
  EXPECT_EQ(run(lock_run("a", {}, "exit 3")).status.code, 3);
  EXPECT_EQ(run(lock_run("a", {}, "exit 255")).status.code, 255);
  EXPECT_EQ(run(lock_run("a", {}, "kill -TERM $$")).status.code, 128 + SIGTERM);
}

TEST_F(LockRunTest, EndsBySigintAsItsCommandDid) {
  EXPECT_EQ(run(lock_run("a", {}, "kill -INT $$")).status.signal, SIGINT);
}

TEST_F(LockRunTest, SaysThatTheCommandCannotBeRun) {
  const auto missing = run(tidelock({"lock", "run", "a", "--", "no-such-program-anywhere"}));
  EXPECT_EQ(missing.status.code, 127);
  EXPECT_EQ(missing.err,
            "tidelock: cannot run \"no-such-program-anywhere\": there is no such command: check its name and PATH "
            "[not_found]\n");
  const auto folder = run(tidelock({"lock", "run", "a", "--", folder_.path().string()}));
  EXPECT_EQ(folder.status.code, 126);
  EXPECT_THAT(folder.err, HasSubstr("[permission_denied]"));
  EXPECT_THAT(show("a"), HasSubstr("\"holders\": []"));
}

TEST_F(LockRunTest, SaysWhatIsMissingOrWrongWithACommandThatIsThere) {
  files_.write_atomically(folder_ / "script", "#!/no/such/interpreter -x\n");
  files_.set_mode(folder_ / "script", 0755);
  files_.write_atomically(folder_ / "text", "true\n");
  files_.create_symlink("nowhere", folder_ / "dangling");
  files_.create_symlink("loop", folder_ / "loop");
  std::filesystem::copy_file("/bin/true", folder_ / "busy");
  const auto writer = files_.open(folder_ / "busy", base::OpenMode::read_write);
  expect_refusal("./script", 126, "its interpreter \"/no/such/interpreter\" does not exist: install it");
  expect_refusal("./text", 126, "it is not executable for this user");
  expect_refusal("./dangling", 127, "./dangling is a link to a file that does not exist");
  expect_refusal("./loop", 126, "its path leads through symlinks in a circle");
  expect_refusal("./text/x", 127, "its path leads through a file that is no folder");
  expect_refusal("./busy", 126, "somebody has it open for writing");
  expect_refusal(std::string(300, 'x'), 127, "its name is too long");
  expect_refusal(".", 126, "it is a folder");
}

TEST_F(LockRunTest, StandsWithinManyOthers) {
  files_.write_atomically(folder_ / "nest.sh",
                          "if [ $1 = 0 ]; then echo $TIDELOCK_OWNER; exit 0; fi\n"
                          "exec \"$TIDELOCK\" lock run lock$1 -- sh nest.sh $(($1 - 1))\n");
  auto command = tidelock({"lock", "run", "outer", "--", "sh", "nest.sh", "30"});
  const auto ended = run(std::move(command));
  EXPECT_EQ(ended.status.code, 0) << ended.err;
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '/'), 31);
}

TEST_F(LockRunTest, RefusesToStandWithinMoreThanCanBeNamed) {
  auto command = lock_run("a", {}, "echo never >&3");
  command.env["TIDELOCK_OWNER"] = "01890a5d-ac96-774b-bcce-b302099a8057/" + std::string(958, '1');
  const auto ended = run(std::move(command));
  EXPECT_EQ(ended.status.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("programs hold locks within each other, which is too many"));
}

TEST_F(LockRunTest, GivesTheCommandItsStreamsAndArgumentsAsTheyAre) {
  auto command = tidelock({"lock", "run", "a", "--", "sh", "-c", "cat; echo \"$1\" >&2", "--", "  two  words "});
  command.in = base::Stream::pipe();
  auto running = start(std::move(command));
  base::write_all(running.child().in(), "from the pipe\n");
  running.child().in().reset();
  const auto ended = running.wait();
  EXPECT_EQ(ended.out, "from the pipe\n");
  EXPECT_EQ(ended.err, "  two  words \n");
}

TEST_F(LockRunTest, ExportsTheNameTheOwnerAndAGrowingToken) {
  const std::string script = "echo \"$TIDELOCK_LOCK|$TIDELOCK_OWNER|$TIDELOCK_FENCING_TOKEN\"";
  const auto first = run(lock_run("the lock", {}, script)).out;
  const auto second = run(lock_run("the lock", {}, script)).out;
  EXPECT_THAT(first, ::testing::MatchesRegex("the lock\\|[0-9a-f-]{36}/[0-9]+\\|[0-9]+\n"));
  const auto token = [](const std::string& line) { return std::stoll(line.substr(line.rfind('|') + 1)); };
  EXPECT_GT(token(second), token(first));
}

TEST_F(LockRunTest, SaysNothingUnlessAsked) {
  EXPECT_EQ(run(lock_run("a", {}, "true")).err, "");
  const auto verbose = run(lock_run("a", {"--verbose"}, "true")).err;
  EXPECT_THAT(verbose, HasSubstr("got \"a\""));
  EXPECT_THAT(verbose, HasSubstr("the lock is free"));
}

TEST_F(LockRunTest, GivesUpAtOnceWhenToldNotToWait) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  const auto ended = run(lock_run("a", {"--no-wait"}, "echo never >&3"));
  EXPECT_EQ(ended.status.code, 75);
  EXPECT_THAT(ended.err, ::testing::MatchesRegex("tidelock: did not get \"a\": held by [^ ]+:[0-9]+ since .*Z: run it "
                                                 "again later, or wait with --wait \\[timeout\\]\n"));
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  EXPECT_EQ(run(lock_run("a", {"--no-wait"}, "exit 5")).status.code, 5);
}

TEST_F(LockRunTest, GivesUpWhenTheWaitIsOver) {
  auto holder = start(lock_run("a", {}, std::string("echo in >&3; ") + kForEver));
  EXPECT_EQ(hear(), "in");
  const auto before = runtime_.now();
  const auto ended = run(lock_run("a", {"--wait", "200ms"}, "echo never >&3"));
  EXPECT_EQ(ended.status.code, 75);
  EXPECT_GE(runtime_.now() - before, 200ms);
  EXPECT_THAT(ended.err, HasSubstr("did not get \"a\" within 200ms: held by"));
  EXPECT_EQ(waiters("a"), 0U);
  holder.child().signal(SIGTERM);
  EXPECT_EQ(holder.wait().status.code, 128 + SIGTERM);
}

#if TIDELOCK_HAVE_POSTGRES
TEST_F(LockRunTest, WithATimeToWaitAServerThatIsAwayIsAskedUntilItIsOver) {
  const Arguments nobody{"--on", "postgres://app@127.0.0.1:1/locks"};
  const auto with = [&](Arguments options) {
    options.insert(options.end(), nobody.begin(), nobody.end());
    return lock_run("a", options, "echo never >&3");
  };
  const auto before = runtime_.now();
  const auto ended = run(with({"--wait", "300ms"}));
  EXPECT_GE(runtime_.now() - before, 300ms) << ended.err;
  EXPECT_EQ(ended.status.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("[unavailable]"));
  for (const auto& options : {Arguments{}, Arguments{"--no-wait"}}) {
    const auto at_once = run(with(options));
    EXPECT_EQ(at_once.status.code, 1);
    EXPECT_THAT(at_once.err, HasSubstr("[unavailable]"));
  }
  auto waiting = start(with({"--wait", "1h", "--verbose"}));
  while (waiting.err().find("waiting for \"a\", whose state is not open yet") == std::string::npos) {
    ASSERT_FALSE(waiting.child().wait(runtime_.in(10ms))) << waiting.err();
  }
  waiting.child().signal(SIGTERM);
  EXPECT_EQ(waiting.wait().status.signal, SIGTERM);
}
#endif

TEST_F(LockRunTest, ServesWaitersInTheirOrder) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  auto first = start(lock_run("a", {}, "echo first >&3"));
  await_waiters("a", 1);
  auto second = start(lock_run("a", {}, "echo second >&3"));
  await_waiters("a", 2);
  touch("enough");
  EXPECT_EQ(hear(), "first");
  EXPECT_EQ(hear(), "second");
  EXPECT_EQ(holder.wait().status.code, 0);
  EXPECT_EQ(first.wait().status.code, 0);
  EXPECT_EQ(second.wait().status.code, 0);
}

TEST_F(LockRunTest, LetsAsManyInAsThereArePermits) {
  const std::string script = "echo in >&3; until [ -e enough ]; do sleep 0.01; done";
  auto first = start(lock_run("a", {"--permits", "2"}, script));
  auto second = start(lock_run("a", {"--permits", "2"}, script));
  EXPECT_EQ(hear(), "in");
  EXPECT_EQ(hear(), "in");
  EXPECT_EQ(run(lock_run("a", {"--permits", "2", "--no-wait"}, "true")).status.code, 75);
  const auto other = run(lock_run("a", {"--permits", "3", "--no-wait"}, "true"));
  EXPECT_EQ(other.status.code, 2);
  EXPECT_THAT(other.err, HasSubstr("[permits_differ]"));
  touch("enough");
  EXPECT_EQ(first.wait().status.code, 0);
  EXPECT_EQ(second.wait().status.code, 0);
}

TEST_F(LockRunTest, LosesNoIncrementOfFourProcesses) {
  files_.write_atomically(folder_ / "count", "0\n");
  const std::string increment = "read n < count; echo $((n + 1)) > count";
  const std::string loop = "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); \"$TIDELOCK\" lock run counter -- sh -c '" +
                           increment + "' || exit 1; done";
  std::vector<Running> workers;
  for (int i = 0; i < 4; ++i) {
    auto command = tidelock({});
    command.argv = {"sh", "-c", loop};
    workers.push_back(start(std::move(command)));
  }
  for (auto& worker : workers) {
    const auto ended = worker.wait(4min);
    EXPECT_TRUE(ended.status.ok()) << ended.err;
  }
  EXPECT_EQ(file("count"), "800");
}

TEST_F(LockRunTest, PassesOnSignalsToTheCommandAndItsChildren) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    const auto name = std::to_string(signal);
    auto running = start(lock_run("a", {},
                                  "trap 'exit 9' " + name + "; sh -c 'trap \"echo child >&3; exit\" " + name +
                                      "; echo in >&3; " + kForEver + "'"));
    EXPECT_EQ(hear(), "in");
    running.child().signal(signal);
    EXPECT_EQ(hear(), "child");
    EXPECT_EQ(running.wait().status.code, 9) << name;
    EXPECT_THAT(show("a"), HasSubstr("\"holders\": []"));
  }
}

TEST_F(LockRunTest, InterruptedWhileWaitingLeavesNothingBehind) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    auto waiter = start(lock_run("a", {}, "echo never >&3"));
    await_waiters("a", 1);
    waiter.child().signal(signal);
    EXPECT_EQ(waiter.wait().status.signal, signal);
    EXPECT_EQ(waiters("a"), 0U);
  }
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(LockRunTest, LeavesASignalIgnoredThatItInheritedSo) {
  auto command = tidelock({});
  command.argv = {"sh", "-c",
                  "trap '' HUP; exec \"$TIDELOCK\" lock run a -- sh -c 'echo in >&3; until [ -e enough ]; do sleep "
                  "0.01; done; exit 4'"};
  auto running = start(std::move(command));
  EXPECT_EQ(hear(), "in");
  running.child().signal(SIGHUP);
  touch("enough");
  EXPECT_EQ(running.wait().status.code, 4);
}

// SIGTERM comes 7 s after the last renewal, which is sooner than a third of the ttl.
TEST_F(LockRunTest, RenewsInTimeForALongGrace) {
  const auto ended = run(lock_run("a", {"--ttl", "24s", "--grace", "16500ms", "--margin", "500ms"}, "sleep 9; exit 3"));
  EXPECT_EQ(ended.status.code, 3) << ended.err;
}

TEST_F(LockRunTest, EndsWhatTheCommandLeftRunning) {
  const auto ended = run(lock_run("a", {"--grace", "50ms"}, "(setsid sleep 1000 &); sleep 1000 & exit 6"));
  EXPECT_EQ(ended.status.code, 6);
  EXPECT_THAT(ended.err, HasSubstr("2 processes that the command left running had to be ended"));
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(LockRunTest, LeavesItWhenAsked) {
  EXPECT_EQ(run(lock_run("a", {"--leave-background"}, "(until [ -e enough ]; do sleep 0.01; done; echo late >&3) &"))
                .status.code,
            0);
  EXPECT_THAT(show("a"), HasSubstr("\"holders\": []"));
  touch("enough");
  EXPECT_EQ(hear(), "late");
}

TEST_F(LockRunTest, NestsLocksOfOneOwner) {
  const auto ended = run(lock_run("a", {}, "\"$TIDELOCK\" lock run b -- sh -c 'echo $TIDELOCK_LOCK; exit 7'"));
  EXPECT_EQ(ended.status.code, 7);
  EXPECT_EQ(ended.out, "b\n");
}

TEST_F(LockRunTest, LetsChildrenOfOneOwnerTakeTurns) {
  const std::string script =
      "\"$TIDELOCK\" lock run b -- sh -c 'echo in >&3; until [ -e enough ]; do sleep 0.01; done' & "
      "\"$TIDELOCK\" lock run b -- sh -c 'echo in >&3; until [ -e enough ]; do sleep 0.01; done' & wait; exit 3";
  auto running = start(lock_run("a", {}, script));
  EXPECT_EQ(hear(), "in");
  await_waiters("b", 1);
  touch("enough");
  EXPECT_EQ(hear(), "in");
  EXPECT_EQ(running.wait().status.code, 3);
}

TEST_F(LockRunTest, RefusesAWaitForALockOfItsOwnParent) {
  const auto ended = run(lock_run("a", {}, "\"$TIDELOCK\" lock run a -- echo never"));
  EXPECT_EQ(ended.status.code, 75);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, HasSubstr("[deadlock]"));
  EXPECT_THAT(run(tidelock({"lock", "list", "--json"})).out,
              HasSubstr("\"locks\": []"));  // It does not stay in the queue.
}

TEST_F(LockRunTest, SpellsOutADeadlockOfTwoNestedRuns) {
  const auto nested = [&](const std::string& outer, const std::string& inner) {
    return lock_run(outer, {},
                    "echo in >&3; until [ -e both ]; do sleep 0.01; done; exec \"$TIDELOCK\" lock run " + inner +
                        " -- sh -c 'exit 0'");
  };
  auto one = start(nested("a", "b"));
  auto other = start(nested("b", "a"));
  EXPECT_EQ(hear(), "in");
  EXPECT_EQ(hear(), "in");
  touch("both");
  const auto first = one.wait();
  const auto second = other.wait();
  // One gives way, so the other gets on.
  EXPECT_EQ(std::min(first.status.code, second.status.code), 0);
  EXPECT_EQ(std::max(first.status.code, second.status.code), 75);
  const auto& said = first.status.ok() ? second.err : first.err;
  EXPECT_THAT(said, HasSubstr("holds a"));
  EXPECT_THAT(said, HasSubstr("holds b"));
  EXPECT_THAT(said, HasSubstr("waits for a since"));
  EXPECT_THAT(said, HasSubstr("waits for b since"));
  EXPECT_THAT(said, HasSubstr("[deadlock]"));
}

}  // namespace
}  // namespace tidelock::cli

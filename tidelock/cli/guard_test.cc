// The guard with real processes and the real clock.
#include "tidelock/cli/guard.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/poll.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/cli/testing/life_line.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::kPatience;

class GuardTest : public ::testing::Test {
 protected:
  // `script` runs in a shell; $LIFE is a descriptor that it and all its children hold.
  void start(const std::string& script, base::Duration lease = 20s, base::Duration grace = 100ms, bool leave = false) {
    start_program({"sh", "-c", script}, lease, grace, leave);
  }
  void start_program(std::vector<std::string> command, base::Duration lease = 20s, base::Duration grace = 100ms,
                     bool leave = false) {
    guard_ = std::make_unique<Guard>(
        runtime_, files_, GuardOptions{.command = std::move(command), .grace = grace, .leave_background = leave},
        SignalState::current());
    expires_ = runtime_.now() + lease;
    guard_->run(expires_, {fmt::format("LIFE={}", life_.descriptor()), "SCRATCH=" + scratch_.path().string()});
    life_.release();
  }

  std::optional<GuardReport> next_report() {
    base::Poll poll(runtime_);
    poll.add(guard_->descriptor());
    if (!poll.wait(runtime_.in(kPatience))) {
      ADD_FAILURE() << "the guard said nothing";
      return std::nullopt;
    }
    return guard_->read_report();
  }

  GuardReport end() {
    while (const auto report = next_report()) {
      if (report->kind == GuardReport::Kind::ended) return *report;
    }
    ADD_FAILURE() << "the guard is gone";
    return {};
  }

  // Waits until the command has written this.
  void hear(const std::string& expected) { EXPECT_EQ(life_.read_line(runtime_), expected); }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder scratch_;
  testing::LifeLine life_;
  std::unique_ptr<Guard> guard_;
  base::Instant expires_{};
};

TEST_F(GuardTest, TellsTheExitCode) {
  start("exit 3");
  const auto report = end();
  EXPECT_EQ(report.status, 3);
  EXPECT_FALSE(report.by_signal);
  EXPECT_EQ(report.ended_by, EndedBy::itself);
  EXPECT_EQ(report.background, 0);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, TellsTheSignalThatEndedTheCommand) {
  start("kill -USR1 $$");
  const auto report = end();
  EXPECT_EQ(report.status, SIGUSR1);
  EXPECT_TRUE(report.by_signal);
  EXPECT_EQ(report.ended_by, EndedBy::itself);
}

TEST_F(GuardTest, TellsWhyTheCommandCouldNotBeStarted) {
  start_program({"no-such-program-anywhere"});
  EXPECT_EQ(end().start_error, ENOENT);
  start_program({scratch_.path().string()});
  EXPECT_EQ(end().start_error, EACCES);
}

TEST_F(GuardTest, EndsTheCommandWhenNobodyExtendsTheLease) {
  start("trap 'echo asked >&$LIFE; exit 0' TERM; echo ready >&$LIFE; while :; do sleep 0.01; done", 500ms, 300ms);
  hear("ready");
  hear("asked");
  const auto report = end();
  EXPECT_EQ(report.ended_by, EndedBy::deadline);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, KillsACommandThatIgnoresTheRequest) {
  start("trap '' TERM; echo ready >&$LIFE; while :; do sleep 0.01; done", 500ms, 200ms);
  hear("ready");
  const auto report = end();
  EXPECT_EQ(report.ended_by, EndedBy::deadline);
  EXPECT_EQ(report.status, SIGKILL);
  EXPECT_GE(runtime_.now(), expires_);  // It had its grace.
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, LetsTheCommandRunAsLongAsTheLeaseIsExtended) {
  start("until [ -e $SCRATCH/enough ]; do sleep 0.01; done; exit 4", 400ms, 100ms);
  const auto first_end = expires_;
  while (runtime_.now() < first_end + 200ms) {
    guard_->extend(runtime_.now() + 400ms);
    runtime_.sleep_for(20ms);
  }
  files_.open(scratch_ / "enough", base::OpenMode::create);
  guard_->extend(runtime_.now() + 20s);
  EXPECT_EQ(end().status, 4);
}

TEST_F(GuardTest, AnswersEachOrderThatItHasRead) {
  start("echo ready >&$LIFE; while :; do sleep 0.01; done");
  hear("ready");
  EXPECT_EQ(next_report()->kind, GuardReport::Kind::started);
  guard_->extend(expires_ + 5s);
  const auto extended = next_report();
  EXPECT_EQ(extended->kind, GuardReport::Kind::heard);
  EXPECT_EQ(extended->expires(), expires_ + 5s);
  guard_->send_signal(SIGCONT);
  EXPECT_EQ(next_report()->kind, GuardReport::Kind::heard);
}

TEST_F(GuardTest, EndsWhatLeftTheProcessGroup) {
  start("setsid sh -c 'echo away >&$LIFE; while :; do sleep 0.01; done' & wait", 500ms);
  hear("away");
  EXPECT_EQ(end().ended_by, EndedBy::deadline);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, EndsADaemonWhoseParentsAreGone) {
  start(
      "(setsid sh -c 'trap \"\" TERM; echo daemon >&$LIFE; while :; do sleep 0.01; done' &); while :; do sleep 0.01; "
      "done",
      500ms);
  hear("daemon");
  EXPECT_EQ(end().ended_by, EndedBy::deadline);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, EndsACommandThatIsStopped) {
  start("echo ready >&$LIFE; kill -STOP $$", 500ms);
  hear("ready");
  EXPECT_EQ(end().ended_by, EndedBy::deadline);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, TellsThatTheCommandWasStopped) {
  start("kill -TSTP $$; exit 5");
  EXPECT_EQ(next_report()->kind, GuardReport::Kind::started);
  const auto report = next_report();
  EXPECT_EQ(report->kind, GuardReport::Kind::stopped);
  EXPECT_EQ(report->status, SIGTSTP);
  guard_->send_signal(SIGCONT);
  EXPECT_EQ(end().status, 5);
}

TEST_F(GuardTest, PassesSignalsToTheWholeGroup) {
  start(
      "trap 'wait; exit 6' HUP; "  // Before anybody is told that it is ready.
      "sh -c 'trap \"echo child >&$LIFE; exit\" HUP; echo ready >&$LIFE; while :; do sleep 0.01; done' & wait");
  hear("ready");
  guard_->send_signal(SIGHUP);
  hear("child");
  EXPECT_EQ(end().status, 6);
}

TEST_F(GuardTest, EndsTheCommandWhenTold) {
  start("trap 'exit 7' TERM; echo ready >&$LIFE; while :; do sleep 0.01; done");
  hear("ready");
  guard_->end();
  const auto report = end();
  EXPECT_EQ(report.ended_by, EndedBy::order);
  EXPECT_EQ(report.status, 7);
}

TEST_F(GuardTest, EndsTheCommandWhenTheProgramIsGone) {
  start("(setsid sh -c 'while :; do sleep 0.01; done' &); echo ready >&$LIFE; while :; do sleep 0.01; done");
  hear("ready");
  guard_.reset();
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, ThatIsKilledTakesTheCommandWithIt) {
  start("(setsid sh -c 'while :; do sleep 0.01; done' &); echo $PPID >&$LIFE; while :; do sleep 0.01; done");
  EXPECT_EQ(next_report()->kind, GuardReport::Kind::started);
  const auto guard = std::stoi(life_.read_line(runtime_));
  ASSERT_EQ(::kill(guard, SIGKILL), 0);
  EXPECT_FALSE(next_report());
  guard_->kill_everything();
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, ThatDoesNotAnswerIsKilledWithEverythingBelow) {
  start("(setsid sh -c 'while :; do sleep 0.01; done' &); echo $PPID >&$LIFE; while :; do sleep 0.01; done");
  const auto guard = std::stoi(life_.read_line(runtime_));
  ASSERT_EQ(::kill(guard, SIGSTOP), 0);
  guard_->kill_everything();
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, LetsWhatWasLeftRunningEndByItself) {
  start("(until [ -e $SCRATCH/enough ]; do sleep 0.01; done; echo done >&$LIFE) & echo ended >&$LIFE; exit 8", 20s,
        10s);
  hear("ended");
  files_.open(scratch_ / "enough", base::OpenMode::create);
  hear("done");
  const auto report = end();
  EXPECT_EQ(report.status, 8);
  EXPECT_EQ(report.background, 0);
}

TEST_F(GuardTest, EndsWhatWasLeftRunningAndDoesNotEnd) {
  start("(while :; do sleep 0.01; done) & (setsid sleep 1000 &) ; exit 9", 20s, 50ms);
  const auto report = end();
  EXPECT_EQ(report.status, 9);
  EXPECT_EQ(report.ended_by, EndedBy::itself);
  EXPECT_GE(report.background, 2);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, LeavesWhatWasLeftRunningWhenAsked) {
  start("(until [ -e $SCRATCH/enough ]; do sleep 0.01; done; echo done >&$LIFE) & exit 0", 20s, 50ms, true);
  EXPECT_EQ(end().background, 0);
  guard_.reset();
  files_.open(scratch_ / "enough", base::OpenMode::create);
  hear("done");
}

TEST_F(GuardTest, DoesNotStartACommandWhoseLeaseIsAsGoodAsOver) {
  start("touch $SCRATCH/started", 0s);
  const auto report = end();
  EXPECT_EQ(report.ended_by, EndedBy::deadline);
  EXPECT_EQ(report.command, 0);
  EXPECT_FALSE(files_.info(scratch_ / "started"));
}

TEST_F(GuardTest, EndsWithTheProgramWhenThereWasNoCommand) {
  guard_ =
      std::make_unique<Guard>(runtime_, files_, GuardOptions{.command = {"true"}, .grace = 1s}, SignalState::current());
  guard_.reset();
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(GuardTest, GivesTheCommandTheSignalsThatTheProgramInherited) {
  Signals signals(runtime_);  // Blocks and ignores for itself.
  guard_ = std::make_unique<Guard>(
      runtime_, files_,
      GuardOptions{.command = {"sh", "-c", "grep -E '^Sig(Blk|Ign)' /proc/self/status >&$LIFE"}, .grace = 1s},
      signals.inherited());
  guard_->run(runtime_.now() + 20s, {fmt::format("LIFE={}", life_.descriptor())});
  const auto blocked = life_.read_line(runtime_);
  EXPECT_EQ(blocked.substr(blocked.find('\t') + 1), "0000000000000000");
  const auto ignored = life_.read_line(runtime_);
  EXPECT_EQ(std::stoull(ignored.substr(ignored.find('\t') + 1), nullptr, 16) & (1ULL << (SIGPIPE - 1)), 0U);
}

}  // namespace
}  // namespace tidelock::cli

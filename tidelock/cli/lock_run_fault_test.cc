// `tidelock lock run` when processes are stopped and killed and its state is lost.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <system_error>

#include "tidelock/base/process_info.h"
#include "tidelock/cli/process_tree.h"
#include "tidelock/cli/testing/program.h"
#include "tidelock/lock/fence.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using ::testing::HasSubstr;
using testing::kForEver;

class LockRunFaultTest : public testing::ProgramTest {
 protected:
  // SIGTERM 1.2 s after the last renewal, SIGKILL 0.3 s later, free 0.5 s after that.
  const Arguments brief_{"--ttl", "2s", "--margin", "500ms", "--grace", "300ms"};
  // Ignores SIGTERM, starts a daemon that does too, and tells when both run.
  const std::string stubborn_ =
      "trap '' TERM; echo $$ > pid; echo $PPID > guard; echo $TIDELOCK_FENCING_TOKEN > token; "
      "(setsid sh -c 'echo $$ > daemon; echo in >&3; while :; do sleep 0.01; done' &); " +
      std::string(kForEver);

  pid_t pid_in(const std::string& name) { return std::stoi(file(name)); }
  bool runs(const std::string& name) { return base::process_start_time(pid_in(name)).has_value(); }
  bool is_free(const std::string& name) { return show(name).find("\"holders\": []") != std::string::npos; }
};

// Also when somebody who ends deletes a file of it meanwhile.
void delete_folder(const std::filesystem::path& folder) {
  std::error_code error;
  do {
    std::filesystem::remove_all(folder, error);
  } while (error == std::errc::no_such_file_or_directory);
  ASSERT_FALSE(error) << error.message();
}

TEST_F(LockRunFaultTest, StoppedPastItsTtlItsCommandIsDeadBeforeTheNextHolderAndFenced) {
  auto stopped = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  stopped.child().signal(SIGSTOP);
  const auto asked = runtime_.now();
  const auto expires = asked + std::chrono::milliseconds(holder_expires_in_ms("a"));
  auto next = start(lock_run("a", brief_,
                             "kill -0 $(cat pid) $(cat daemon) 2> /dev/null && echo overlap; "
                             "echo $TIDELOCK_FENCING_TOKEN"));
  EXPECT_TRUE(eventually(runtime_, [&] { return !runs("pid") && !runs("daemon"); }));
  EXPECT_LT(runtime_.now(), expires);
  const auto ended = next.wait();
  EXPECT_EQ(ended.status.code, 0);
  EXPECT_THAT(ended.out, ::testing::Not(HasSubstr("overlap")));

  const auto old_token = lock::FencingToken{std::stoll(file("token"))};
  const auto new_token = lock::FencingToken{std::stoll(ended.out)};
  EXPECT_GT(new_token, old_token);
  const auto shop = sql::open(runtime_, files_, base::Url::parse("sqlite:" + (folder_ / "shop.db").string()));
  sql::transact(*shop, [&](sql::Transaction& tx) { lock::fence(tx, "stock", new_token); });
  EXPECT_THROW_CODE(sql::transact(*shop, [&](sql::Transaction& tx) { lock::fence(tx, "stock", old_token); }),
                    Code::fenced);

  stopped.child().signal(SIGCONT);
  const auto told = stopped.wait();
  EXPECT_EQ(told.status.code, 70);
  EXPECT_THAT(told.err, HasSubstr("[lease_lost]"));
}

// Nobody else can have got in while the command ran: that its end was seen late is no failure of it.
TEST_F(LockRunFaultTest, StoppedPastItsTtlItPassesOnHowACommandEndedThatWasOverInTime) {
  const Arguments options{"--ttl", "4s", "--margin", "500ms", "--grace", "300ms"};
  auto stopped =
      start(lock_run("a", options, "echo $$ > pid; echo in >&3; until [ -e enough ]; do sleep 0.01; done; exit 3"));
  EXPECT_EQ(hear(), "in");
  stopped.child().signal(SIGSTOP);
  touch("enough");
  EXPECT_TRUE(eventually(runtime_, [&] { return !runs("pid"); }));
  EXPECT_EQ(run(lock_run("a", options, "exit 0")).status.code, 0);  // After the lease of the one that is stopped.
  stopped.child().signal(SIGCONT);
  const auto told = stopped.wait();
  EXPECT_EQ(told.status.code, 3) << told.err;
  EXPECT_THAT(told.err, HasSubstr("warning: the lease on \"a\" expired before it was seen that the command had ended"));
}

TEST_F(LockRunFaultTest, KilledItsCommandIsEndedAtOnceAndTheLockIsFreeWhenTheTtlIsOver) {
  auto killed = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  killed.child().signal(SIGKILL);
  EXPECT_EQ(killed.wait().status.signal, SIGKILL);
  EXPECT_TRUE(life_.ends(runtime_));
  EXPECT_FALSE(is_free("a"));
  EXPECT_EQ(run(lock_run("a", {}, "exit 3")).status.code, 3);
}

TEST_F(LockRunFaultTest, WhoseGuardIsKilledKillsTheCommandAndEndsWith70) {
  auto running = start(lock_run("a", {}, stubborn_));
  EXPECT_EQ(hear(), "in");
  ASSERT_EQ(::kill(pid_in("guard"), SIGKILL), 0);
  const auto ended = running.wait();
  EXPECT_EQ(ended.status.code, 70);
  EXPECT_THAT(ended.err, HasSubstr("the guard process was killed; the command was ended"));
  EXPECT_TRUE(is_free("a"));
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(LockRunFaultTest, WhoseGuardIsStoppedKillsTheCommandWhenTheLockIsLost) {
  auto running = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  ASSERT_EQ(::kill(pid_in("guard"), SIGSTOP), 0);
  EXPECT_EQ(run(tidelock({"lock", "break", "a", "--yes"})).status.code, 0);
  EXPECT_EQ(running.wait().status.code, 70);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(LockRunFaultTest, WhoseGuardIsStoppedEndsTheCommandWithinTheLeaseAlthoughItCanRenew) {
  auto running = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  ASSERT_EQ(::kill(pid_in("guard"), SIGSTOP), 0);
  const auto stopped = runtime_.now();
  const auto ended = running.wait();
  EXPECT_LT(runtime_.now() - stopped, 2s) << "another could have got the lock, had it not been renewed";
  EXPECT_EQ(ended.status.code, 70);
  EXPECT_THAT(ended.err, HasSubstr("the guard process did not answer; the command was ended"));
  EXPECT_TRUE(is_free("a"));
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(LockRunFaultTest, WhoseGuardIsStoppedHearsASignalAndDoesNotWaitForALongLease) {
  auto running = start(lock_run("a", {"--ttl", "1h"}, stubborn_));
  EXPECT_EQ(hear(), "in");
  ASSERT_EQ(::kill(pid_in("guard"), SIGSTOP), 0);
  running.child().signal(SIGTERM);
  EXPECT_EQ(running.wait().status.code, 70);
  EXPECT_TRUE(life_.ends(runtime_));
}

TEST_F(LockRunFaultTest, WhoseGuardIsKilledWhileItWaitsSaysSoAndLeavesTheLine) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  auto waiting = start(lock_run("a", {}, "echo never >&3"));
  await_waiters("a", 1);
  const auto below = descendants(files_, waiting.child().pid());
  ASSERT_EQ(below.size(), 1U);
  EXPECT_EQ(send_signal(below.front(), SIGKILL), Sent::done);
  const auto ended = waiting.wait();
  EXPECT_EQ(ended.status.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("the guard process was killed while \"a\" was waited for; the command was not "
                                   "started: run it again [unavailable]"));
  EXPECT_EQ(waiters("a"), 0U);
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
}

TEST_F(LockRunFaultTest, AKilledWaiterLosesItsPlace) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  auto killed = start(lock_run("a", brief_, "echo never >&3"));
  await_waiters("a", 1);
  auto next = start(lock_run("a", {}, "echo next >&3"));
  await_waiters("a", 2);
  killed.child().signal(SIGKILL);
  touch("enough");
  EXPECT_EQ(hear(), "next");
  EXPECT_EQ(holder.wait().status.code, 0);
  EXPECT_EQ(next.wait().status.code, 0);
}

TEST_F(LockRunFaultTest, BrokenItEndsTheCommandAndTheNextInLineGoesOn) {
  auto broken = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  auto next = start(lock_run("a", {}, "echo next >&3"));
  await_waiters("a", 1);
  EXPECT_EQ(run(tidelock({"lock", "break", "a", "--yes"})).status.code, 0);
  EXPECT_EQ(hear(), "next");
  const auto ended = broken.wait();
  EXPECT_EQ(ended.status.code, 70);
  EXPECT_THAT(ended.err, HasSubstr("lost the lease on \"a\""));
  EXPECT_EQ(next.wait().status.code, 0);
  EXPECT_TRUE(life_.ends(runtime_));
}

// Until the next renewal both may run: a file that is gone cannot say who held it. The tokens tell them apart.
TEST_F(LockRunFaultTest, WhoseStateIsDeletedLosesTheLockAtTheNextRenewalAndHasTheSmallerToken) {
  auto running = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  delete_folder(folder_ / ".tidelock");
  const auto other = run(lock_run("a", {"--no-wait"}, "echo $TIDELOCK_FENCING_TOKEN"));
  EXPECT_EQ(other.status.code, 0);
  EXPECT_GT(std::stoll(other.out), std::stoll(file("token")));
  const auto ended = running.wait();
  EXPECT_EQ(ended.status.code, 70);
  EXPECT_THAT(ended.err, HasSubstr("[lease_lost]"));
  EXPECT_TRUE(life_.ends(runtime_));
}

// Somebody else gets the lock from what is left of the state; who lost the rest of it must not go on.
TEST_F(LockRunFaultTest, WhoseLogIsDeletedLosesTheLockAtTheNextRenewal) {
  auto running = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  for (const auto* name : {"state.db-wal", "state.db-shm"}) std::filesystem::remove(folder_ / ".tidelock" / name);
  auto other =
      start(lock_run("a", {"--no-wait"}, "echo $TIDELOCK_FENCING_TOKEN; until [ -e enough ]; do sleep 0.01; done"));
  const auto ended = running.wait();
  EXPECT_EQ(ended.status.code, 70);
  EXPECT_THAT(ended.err, HasSubstr("were deleted or replaced while it was in use"));
  EXPECT_FALSE(is_free("a")) << "the one who lost it wrote over the state of the other";
  touch("enough");
  const auto later = other.wait();
  EXPECT_EQ(later.status.code, 0);
  EXPECT_GT(std::stoll(later.out), std::stoll(file("token")));
}

TEST_F(LockRunFaultTest, AWaiterWhoseStateIsDeletedWithItsFolderMakesItAnew) {
  auto holder = start(lock_run("a", brief_, stubborn_));
  EXPECT_EQ(hear(), "in");
  auto waiting = start(lock_run("a", {}, "exit 4"));
  await_waiters("a", 1);
  delete_folder(folder_ / ".tidelock");
  EXPECT_EQ(waiting.wait().status.code, 4);
  EXPECT_EQ(holder.wait().status.code, 70);
}

// A file system of one megabyte; only root can have one.
class SmallDisk {
 public:
  SmallDisk(base::Runtime& runtime, std::filesystem::path folder) : runtime_(runtime), folder_(std::move(folder)) {
    std::filesystem::create_directory(folder_);
    mounted_ = ok({"mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder_.string()});
  }
  ~SmallDisk() {
    if (mounted_) ok({"umount", "--lazy", folder_.string()});
  }
  bool mounted() const { return mounted_; }
  void fill() { ok({"sh", "-c", "cat /dev/zero > '" + (folder_ / "filler").string() + "'"}); }
  void make_room() { std::filesystem::remove(folder_ / "filler"); }

 private:
  bool ok(std::vector<std::string> argv) {
    base::ChildProcess child(runtime_,
                             {.argv = std::move(argv), .out = base::Stream::null(), .err = base::Stream::null()});
    return child.wait(runtime_.in(testing::kPatience)).value_or(base::ExitStatus{1, 0}).ok();
  }
  base::Runtime& runtime_;
  std::filesystem::path folder_;
  bool mounted_ = false;
};

TEST_F(LockRunFaultTest, OnAFullDiskIsRefusedAndWorksAgainWhenThereIsRoom) {
  SmallDisk disk(runtime_, folder_ / "small");
  if (!disk.mounted()) GTEST_SKIP() << "no file system can be mounted here: run the tests as root";
  const Arguments on{"--on", "sqlite:small/state.db"};
  disk.fill();
  const auto refused = run(lock_run("a", on, "echo never >&3"));
  EXPECT_EQ(refused.status.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("[disk_full]"));
  disk.make_room();
  EXPECT_EQ(run(lock_run("a", on, "exit 3")).status.code, 3);
}

// Renewals may find room in what the state's file has already; if not, the lock is lost. Never do two hold it.
TEST_F(LockRunFaultTest, WhoseDiskFillsUpKeepsTheLockOrEndsTheCommand) {
  SmallDisk disk(runtime_, folder_ / "small");
  if (!disk.mounted()) GTEST_SKIP() << "no file system can be mounted here: run the tests as root";
  Arguments on{"--on", "sqlite:small/state.db"};
  on.insert(on.end(), brief_.begin(), brief_.end());
  auto running = start(lock_run("a", on, "echo $$ > pid; echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  disk.fill();
  const auto other = run(lock_run("a", {"--on", "sqlite:small/state.db", "--wait", "2500ms"},
                                  "kill -0 $(cat pid) 2> /dev/null && echo overlap"));
  EXPECT_THAT(other.out, ::testing::Not(HasSubstr("overlap")));
  disk.make_room();
  touch("enough");
  const auto code = running.wait().status.code;
  EXPECT_TRUE(code == 0 || code == 70) << code;
  EXPECT_EQ(run(lock_run("a", on, "exit 3")).status.code, 3);
}

class OtherUserTest : public LockRunFaultTest {
 protected:
  // As a user to whom the folder's permissions apply.
  base::Command as_nobody(base::Command command) {
    if (::geteuid() != 0) return command;
    const auto program = (folder_ / "tidelock").string();
    if (!files_.info(program)) std::filesystem::copy_file(TIDELOCK_PROGRAM, program);
    command.argv.front() = program;
    command.argv.insert(command.argv.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
    return command;
  }
  void allow(unsigned permissions) { files_.set_mode(folder_.path(), permissions); }
};

class ReadOnlyFolderTest : public OtherUserTest {
 protected:
  ~ReadOnlyFolderTest() override { allow(0755); }
};

TEST_F(OtherUserTest, WhatRunsAsAnotherUserIsNotWaitedForAndSaid) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a program that runs as another user";
  allow(0777);
  std::filesystem::copy_file("/usr/bin/setpriv", folder_ / "as_root");
  files_.set_mode(folder_ / "as_root", 04755);
  const auto ended = run(as_nobody(lock_run("a", brief_, "./as_root --reuid=0 sleep 60 & echo $! > pid; exit 4")));
  ::kill(pid_in("pid"), SIGKILL);
  EXPECT_EQ(ended.status.code, 4);
  EXPECT_THAT(ended.err, HasSubstr("run as another user and could not be ended"));
  EXPECT_TRUE(is_free("a"));
}

// The limits grow until the command can run: each number of threads is once one too few.
TEST_F(OtherUserTest, WithoutRoomForAnotherThreadItLeavesNoLeaseBehind) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be a user of its own, who has no other process";
  allow(0777);
  int code = 1;
  int refusals = 0;
  for (int limit = 1; limit < 20 && code != 0; ++limit) {
    auto command = as_nobody(lock_run("a", {"--ttl", "1h"}, "exit 0"));
    const auto user = std::find_if(command.argv.begin(), command.argv.end(),
                                   [](const auto& argument) { return argument.starts_with("--reuid"); });
    *user = fmt::format("--reuid={}", 1'000'000'000 + ::getpid());
    command.argv.insert(command.argv.begin(), {"prlimit", fmt::format("--nproc={}", limit)});
    const auto ended = run(std::move(command));
    code = ended.status.code;
    if (code == 0) break;
    ++refusals;
    EXPECT_THAT(ended.err, ::testing::Not(HasSubstr("bug"))) << limit;
    EXPECT_TRUE(is_free("a")) << limit << ": " << ended.err;
  }
  EXPECT_EQ(code, 0);
  EXPECT_GT(refusals, 2);
}

TEST_F(ReadOnlyFolderTest, ShowsItsLocksToOneWhoMayOnlyRead) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  allow(0755);
  const auto list = tidelock({"lock", "list"});
  const auto held = run(as_nobody(list));
  EXPECT_EQ(held.status.code, 0) << held.err;
  EXPECT_THAT(held.out, HasSubstr(":" + std::to_string(holder.child().pid())));
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  const auto at_rest = run(as_nobody(list));
  EXPECT_EQ(at_rest.status.code, 0) << at_rest.err;
  EXPECT_THAT(at_rest.out, HasSubstr("no locks are held"));
}

TEST_F(ReadOnlyFolderTest, CannotHoldANewState) {
  allow(0555);
  const auto refused = run(as_nobody(lock_run("a", {}, "echo never >&3")));
  EXPECT_EQ(refused.status.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("[permission_denied]"));
  EXPECT_FALSE(files_.info(folder_ / ".tidelock"));
}

TEST_F(ReadOnlyFolderTest, AnExistingStateIsNotWritten) {
  EXPECT_EQ(run(lock_run("a", {}, "true")).status.code, 0);
  for (const auto& name : files_.list(folder_ / ".tidelock")) files_.set_mode(folder_ / ".tidelock" / name, 0444);
  files_.set_mode(folder_ / ".tidelock", 0555);
  allow(0555);
  const auto refused = run(as_nobody(lock_run("a", {}, "echo never >&3")));
  files_.set_mode(folder_ / ".tidelock", 0755);
  EXPECT_EQ(refused.status.code, 1);
  EXPECT_THAT(refused.err, ::testing::AnyOf(HasSubstr("[read_only]"), HasSubstr("[permission_denied]")));
}

TEST_F(LockRunFaultTest, RunsWithoutStandardStreams) {
  const auto nested = tidelock({"lock", "run", "a", "--", "sh", "-c", "exit 5"});
  std::string line = "exec";
  for (const auto& argument : nested.argv) line += " '" + argument + "'";
  for (const auto* closed : {" <&- >&-", " <&- 2>&-", " >&- 2>&-", " <&- >&- 2>&-"}) {
    auto command = nested;
    command.argv = {"sh", "-c", line + closed};
    EXPECT_EQ(run(std::move(command)).status.code, 5) << closed;
  }
}

}  // namespace
}  // namespace tidelock::cli

#include "tidelock/base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tidelock/base/poll.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/error_text.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using testing::error_text;

Command shell(std::string script) { return {.argv = {"/bin/sh", "-c", std::move(script)}}; }

Command with_output(Command command) {
  command.out = Stream::pipe();
  return command;
}

std::string read_line(const Descriptor& from) {
  std::string line;
  std::byte next{};
  while (read_some(from, {&next, 1}) == 1U && static_cast<char>(next) != '\n') line += static_cast<char>(next);
  return line;
}

std::string read_all(const Descriptor& from) {
  std::string text;
  std::array<std::byte, 256> buffer;
  while (const auto count = read_some(from, buffer).value_or(0)) {
    text.append(reinterpret_cast<const char*>(buffer.data()), count);
  }
  return text;
}

class ChildProcessTest : public ::testing::Test {
 protected:
  // What the script writes to its standard output.
  std::string output_of(Command command) {
    ChildProcess child(runtime_, with_output(std::move(command)));
    auto text = read_all(child.out());
    EXPECT_EQ(child.wait(runtime_.in(1min)), ExitStatus{});
    return text;
  }

  RealRuntime runtime_;
};

TEST_F(ChildProcessTest, ItsEndIsKnownByCodeOrBySignal) {
  ChildProcess ok(runtime_, shell("exit 0"));
  EXPECT_TRUE(ok.wait()->ok());
  ChildProcess seven(runtime_, shell("exit 7"));
  EXPECT_EQ(seven.wait(), (ExitStatus{7, 0}));
  EXPECT_EQ(seven.wait(), (ExitStatus{7, 0}));  // Asked again.
  EXPECT_EQ(seven.wait()->shell_code(), 7);
  EXPECT_EQ(seven.wait()->to_string(), "exit code 7");
  ChildProcess killed(runtime_, shell("kill -9 $$"));
  EXPECT_EQ(killed.wait(), (ExitStatus{0, SIGKILL}));
  EXPECT_EQ(killed.wait()->shell_code(), 137);
  EXPECT_EQ(killed.wait()->to_string(), "killed by signal 9 (Killed)");
}

TEST_F(ChildProcessTest, AWaitEndsAtItsDeadlineOrByAStopWhileTheChildGoesOn) {
  ChildProcess child(runtime_, {.argv = {"cat"}, .in = Stream::pipe(), .out = Stream::null()});
  EXPECT_EQ(child.wait(runtime_.in(1ms)), std::nullopt);
  auto waiter = runtime_.spawn(
      "waiter", [&](const std::stop_token& stop) { EXPECT_EQ(child.wait(Deadline::never(), stop), std::nullopt); });
  waiter.request_stop();
  waiter.join();
  child.in().reset();  // cat ends at the end of its input.
  EXPECT_EQ(child.wait(runtime_.in(1min)), ExitStatus{});
}

TEST_F(ChildProcessTest, StreamsCanBePipesNullOrADescriptor) {
  ChildProcess child(runtime_, {.argv = {"/bin/sh", "-c", "cat; echo oops >&2"},
                                .in = Stream::pipe(),
                                .out = Stream::pipe(),
                                .err = Stream::pipe()});
  write_all(child.in(), "through and back");
  child.in().reset();
  EXPECT_EQ(read_all(child.out()), "through and back");
  EXPECT_EQ(read_all(child.err()), "oops\n");
  EXPECT_EQ(child.wait(runtime_.in(1min)), ExitStatus{});

  EXPECT_EQ(output_of({.argv = {"cat"}, .in = Stream::null()}), "");

  auto pipe = make_pipe();
  auto both = shell("echo out; echo err >&2");
  both.out = both.err = Stream::to(pipe.write_end);
  ChildProcess writer(runtime_, both);
  pipe.write_end.reset();
  EXPECT_EQ(read_all(pipe.read_end), "out\nerr\n");
}

TEST_F(ChildProcessTest, TheEnvironmentIsThisOneWithAdditions) {
  ::setenv("TIDELOCK_TEST_KEPT", "kept", 1);
  ::setenv("TIDELOCK_TEST_REPLACED", "old", 1);
  auto command = shell("echo $TIDELOCK_TEST_KEPT $TIDELOCK_TEST_REPLACED $TIDELOCK_TEST_ADDED");
  command.env = {{"TIDELOCK_TEST_REPLACED", "new"}, {"TIDELOCK_TEST_ADDED", "a=b c"}};
  EXPECT_EQ(output_of(command), "kept new a=b c\n");
  ::unsetenv("TIDELOCK_TEST_KEPT");
  ::unsetenv("TIDELOCK_TEST_REPLACED");
}

TEST_F(ChildProcessTest, ItStartsInTheFolderItIsGiven) {
  const testing::TempFolder folder;
  auto command = shell("pwd -P");
  command.folder = folder.path();
  EXPECT_EQ(output_of(command), std::filesystem::canonical(folder.path()).string() + '\n');
}

TEST_F(ChildProcessTest, ItHasNoDescriptorsButThoseItIsHanded) {
  const auto one = make_pipe();
  const auto two = make_pipe();
  const Descriptor leaking(::dup(one.read_end.get()));  // Without close-on-exec.
  Command command{.argv = {"/bin/sh", "-c", "echo first >&3; echo second >&4; ls /proc/$$/fd; true"},
                  .pass = {two.write_end.get(), one.write_end.get()}};
  EXPECT_EQ(output_of(command), "0\n1\n2\n3\n4\n");
  EXPECT_EQ(read_line(two.read_end), "first");
  EXPECT_EQ(read_line(one.read_end), "second");

  auto inheriting = shell("cd /proc/$$/fd && echo *");
  inheriting.inherit_descriptors = true;
  EXPECT_NE(output_of(inheriting).find(std::to_string(leaking.get())), std::string::npos);
}

TEST_F(ChildProcessTest, ADescriptorMayBeHandedOverAsAnotherOnesNumber) {
  // The write ends of the pipes are numbers 3 and up: each may be the target of the other.
  std::vector<Pipe> pipes;
  for (int i = 0; i < 3; ++i) pipes.push_back(make_pipe());
  ChildProcess child(runtime_,
                     {.argv = {"/bin/sh", "-c", "echo a >&3; echo b >&4; echo c >&5"},
                      .pass = {pipes[2].write_end.get(), pipes[0].write_end.get(), pipes[1].write_end.get()}});
  EXPECT_EQ(child.wait(runtime_.in(1min)), ExitStatus{});
  EXPECT_EQ(read_line(pipes[2].read_end), "a");
  EXPECT_EQ(read_line(pipes[0].read_end), "b");
  EXPECT_EQ(read_line(pipes[1].read_end), "c");
}

TEST_F(ChildProcessTest, AProgramThatCannotBeStartedIsAClearError) {
  const testing::TempFolder folder;
  RealFiles files(runtime_);
  const auto start = [&](std::vector<std::string> argv) { ChildProcess(runtime_, {.argv = std::move(argv)}); };
  EXPECT_THROW_CODE(start({"tidelock-no-such-program"}), Code::not_found);
  EXPECT_NE(error_text([&] { start({"tidelock-no-such-program"}); }).find("in the folders of PATH"), std::string::npos);
  EXPECT_THROW_CODE(start({folder / "missing"}), Code::not_found);

  files.write_atomically(folder / "file", "echo hello");
  EXPECT_THROW_CODE(start({folder / "file"}), Code::permission_denied);
  files.set_mode(folder / "file", 0755);
  EXPECT_THROW_CODE(start({folder / "file"}), Code::invalid_argument);  // No #! line.
  files.write_atomically(folder / "script", "#!/bin/sh\nexit 0\n");
  files.set_mode(folder / "script", 0755);
  EXPECT_NO_THROW(start({folder / "script"}));

  EXPECT_THROW_CODE(start({}), Code::invalid_argument);
  EXPECT_THROW_CODE(start({""}), Code::invalid_argument);
  EXPECT_THROW_CODE(start({"sh", std::string("a\0b", 3)}), Code::invalid_argument);
  for (const std::string name : {"", "A=B"}) {
    EXPECT_THROW_CODE(ChildProcess(runtime_, {.argv = {"true"}, .env = {{name, "x"}}}), Code::invalid_argument);
  }
  EXPECT_THROW_CODE(ChildProcess(runtime_, {.argv = {"true"}, .folder = folder / "missing"}), Code::invalid_argument);
  EXPECT_THROW_CODE(ChildProcess(runtime_, {.argv = {"true"}, .foreground = true}), Code::invalid_argument);
}

TEST_F(ChildProcessTest, SignalsReachTheChildAndSayWhenNobodyIsThere) {
  ChildProcess child(runtime_,
                     with_output(shell("trap 'echo caught; exit 3' TERM; echo ready; while :; do read x; done")));
  EXPECT_EQ(read_line(child.out()), "ready");
  EXPECT_TRUE(child.signal(SIGTERM));
  EXPECT_EQ(read_line(child.out()), "caught");
  EXPECT_EQ(child.wait(runtime_.in(1min)), (ExitStatus{3, 0}));
  EXPECT_FALSE(child.signal(SIGTERM));
  EXPECT_THROW_CODE(child.signal_group(SIGTERM), Code::misuse);
}

TEST_F(ChildProcessTest, AGroupIsSignalledWithAllItsMembers) {
  auto command = with_output(shell("sleep 1000 & echo $!; wait"));
  command.group = Command::Group::own;
  ChildProcess child(runtime_, command);
  const auto grandchild = std::stoi(read_line(child.out()));
  EXPECT_EQ(::getpgid(grandchild), child.pid());
  EXPECT_TRUE(child.signal_group(SIGKILL));
  EXPECT_EQ(child.wait(runtime_.in(1min)), (ExitStatus{0, SIGKILL}));
  EXPECT_EQ(read_all(child.out()), "");  // Nobody is left that holds the other end.
}

TEST_F(ChildProcessTest, ASessionOfItsOwnHasAGroupOfItsOwn) {
  auto command = with_output(shell("echo ready; read x"));
  command.in = Stream::pipe();
  command.group = Command::Group::own_session;
  ChildProcess child(runtime_, command);
  EXPECT_EQ(read_line(child.out()), "ready");
  EXPECT_EQ(::getsid(child.pid()), child.pid());
  EXPECT_EQ(::getpgid(child.pid()), child.pid());
}

TEST_F(ChildProcessTest, OneThatIsDroppedIsKilledWithItsGroupAndLeavesNoZombie) {
  Descriptor out;
  pid_t pid = -1;
  {
    auto command = with_output(shell("sleep 1000 & echo ready; wait"));
    command.group = Command::Group::own;
    ChildProcess child(runtime_, command);
    EXPECT_EQ(read_line(child.out()), "ready");
    pid = child.pid();
    out = std::move(child.out());
  }
  EXPECT_EQ(read_all(out), "");
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(ChildProcessTest, OneMayBeLeftRunning) {
  Descriptor in;
  Descriptor out;
  pid_t pid = -1;
  {
    ChildProcess child(runtime_,
                       {.argv = {"cat"}, .in = Stream::pipe(), .out = Stream::pipe(), .kill_when_dropped = false});
    in = std::move(child.in());
    out = std::move(child.out());
    pid = child.pid();
  }
  write_all(in, "still here\n");
  EXPECT_EQ(read_line(out), "still here");
  in.reset();
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
}

TEST_F(ChildProcessTest, ItCanBeMoved) {
  ChildProcess first(runtime_, {.argv = {"cat"}, .in = Stream::pipe()});
  const auto pid = first.pid();
  ChildProcess second(std::move(first));
  EXPECT_EQ(second.pid(), pid);
  ChildProcess third(runtime_, {.argv = {"cat"}, .in = Stream::pipe()});
  const auto replaced = third.pid();
  third = std::move(second);
  EXPECT_EQ(third.pid(), pid);
  EXPECT_FALSE(process_start_time(replaced));
  third.in().reset();
  EXPECT_EQ(third.wait(runtime_.in(1min)), ExitStatus{});
}

TEST_F(ChildProcessTest, SignalsThatThisThreadBlocksOrIgnoresHaveTheirDefaultsInTheChild) {
  auto previous = ::signal(SIGPIPE, SIG_IGN);
  auto task = runtime_.spawn("masked", [&](const std::stop_token&) {  // A task blocks all signals.
    ChildProcess child(runtime_, with_output(shell("echo ready; exec sleep 1000")));
    EXPECT_EQ(read_line(child.out()), "ready");
    EXPECT_TRUE(child.signal(SIGTERM));
    EXPECT_EQ(child.wait(runtime_.in(1min)), (ExitStatus{0, SIGTERM}));
    ChildProcess piped(runtime_, shell("kill -PIPE $$"));
    EXPECT_EQ(piped.wait(runtime_.in(1min)), (ExitStatus{0, SIGPIPE}));
  });
  task.join();
  ::signal(SIGPIPE, previous);
}

TEST_F(ChildProcessTest, ManyTasksStartChildrenAtOnce) {
  std::vector<Task> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(runtime_.spawn("starter", [this, i](const std::stop_token&) {
      for (int j = 0; j < 5; ++j) {
        EXPECT_EQ(output_of(shell("echo " + std::to_string(i * 5 + j))), std::to_string(i * 5 + j) + '\n');
      }
    }));
  }
  for (auto& task : tasks) task.join();
}

TEST_F(ChildProcessTest, SeveralChildrenAreWaitedForTogether) {
  ChildProcess slow(runtime_, {.argv = {"cat"}, .in = Stream::pipe(), .out = Stream::null()});
  ChildProcess quick(runtime_, shell("exit 0"));
  Poll poll(runtime_);
  const auto slow_ended = poll.add(slow.descriptor());
  const auto quick_ended = poll.add(quick.descriptor());
  EXPECT_TRUE(poll.wait(runtime_.in(1min)));
  EXPECT_TRUE(poll.ready(quick_ended));
  EXPECT_FALSE(poll.ready(slow_ended));
  poll.ignore(quick_ended);
  EXPECT_FALSE(poll.wait(runtime_.in(1ms)));
}

TEST_F(ChildProcessTest, AProgramThatIgnoresItsChildrensEndsIsTold) {
  const auto previous = ::signal(SIGCHLD, SIG_IGN);
  EXPECT_THROW_CODE(ChildProcess(runtime_, shell("exit 0")), Code::misuse);
  ::signal(SIGCHLD, previous);
}

// Is the program on a terminal of its own: its child must be able to read from it, and give it back.
int read_from_terminal() {
  RealRuntime runtime;
  auto command = with_output(shell("read answer; echo \"got $answer\""));
  command.group = Command::Group::own;
  command.foreground = true;
  ChildProcess child(runtime, command);
  if (read_line(child.out()) != "got yes") return 2;
  if (child.wait(runtime.in(1min)) != ExitStatus{}) return 3;
  return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp() ? 0 : 4;
}

TEST_F(ChildProcessTest, AForegroundChildReadsFromTheTerminalAndGivesItBack) {
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      ::_exit(read_from_terminal());
    } catch (...) {
      ::_exit(5);
    }
  }
  const Descriptor keyboard(terminal);
  write_all(keyboard, "yes\n");
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Pipes, AWriteThatNobodyReadsIsAnErrorAndDoesNotEndTheProgram) {
  auto pipe = make_pipe();
  pipe.read_end.reset();
  EXPECT_THROW_CODE(write_all(pipe.write_end, "x"), Code::io_error);
  EXPECT_THROW_CODE(write_all(Descriptor(), "x"), Code::misuse);
}

TEST(Pipes, WaitingForAClosedDescriptorIsAMistake) {
  RealRuntime runtime;
  Poll poll(runtime);
  const auto pipe = make_pipe();
  const int number = ::fcntl(pipe.read_end.get(), F_DUPFD_CLOEXEC, 100);
  ::close(number);
  poll.add(number);
  EXPECT_THROW_CODE(poll.wait(runtime.in(1min)), Code::misuse);
}

}  // namespace
}  // namespace tidelock::base

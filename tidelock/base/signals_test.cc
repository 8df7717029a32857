#include "tidelock/base/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tidelock/base/poll.h"
#include "tidelock/base/process.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

TEST(ProgramSignals, AreReadInsteadOfInterrupting) {
  RealRuntime runtime;
  ProgramSignals signals(runtime, {SIGTERM, SIGUSR1});
  EXPECT_EQ(signals.next(runtime.in(1ms)), std::nullopt);
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(signals.next(runtime.in(1min)), SIGTERM);
  auto sender = runtime.spawn("sender", [](const std::stop_token&) { ::kill(::getpid(), SIGUSR1); });
  EXPECT_EQ(signals.next(runtime.in(1min)), SIGUSR1);
  sender.join();
  EXPECT_EQ(signals.next(runtime.in(1ms)), std::nullopt);
}

TEST(ProgramSignals, AreWaitedForTogetherWithAChild) {
  RealRuntime runtime;
  ProgramSignals signals(runtime, {SIGUSR1});
  ChildProcess child(runtime, {.argv = {"/bin/sh", "-c", "kill -USR1 $PPID; read x"}, .in = Stream::pipe()});
  Poll poll(runtime);
  const auto child_ended = poll.add(child.descriptor());
  const auto signal_came = poll.add(signals.descriptor());
  EXPECT_TRUE(poll.wait(runtime.in(1min)));
  EXPECT_TRUE(poll.ready(signal_came));
  EXPECT_FALSE(poll.ready(child_ended));
  EXPECT_EQ(signals.next(runtime.in(1min)), SIGUSR1);
}

TEST(ProgramSignals, AWaitForOneEndsByAStop) {
  RealRuntime runtime;
  ProgramSignals signals(runtime, {SIGUSR1});
  std::stop_source stop;
  auto stopper = runtime.spawn("stopper", [&](const std::stop_token&) { stop.request_stop(); });
  EXPECT_EQ(signals.next(Deadline::never(), stop.get_token()), std::nullopt);
}

TEST(ProgramSignals, RefuseASignalThatNobodyCanBlock) {
  RealRuntime runtime;
  for (const int none : {SIGKILL, SIGSTOP, 0, 4711}) {
    EXPECT_THROW_CODE(ProgramSignals(runtime, {none}), Code::invalid_argument);
  }
}

TEST(ProgramSignals, AreAsBeforeAtTheirEnd) {
  RealRuntime runtime;
  sigset_t blocked;
  {
    const ProgramSignals signals(runtime, {SIGUSR2});
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(sigismember(&blocked, SIGUSR2), 1);
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_EQ(sigismember(&blocked, SIGUSR2), 0);
}

}  // namespace
}  // namespace tidelock::base

#include "tidelock/cli/interruption.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "tidelock/base/real_runtime.h"
#include "tidelock/cli/testing/life_line.h"

namespace tidelock::cli {
namespace {

TEST(Interruption, CallsAgainForWhatHadNotBegunAtTheSignal) {
  base::RealRuntime runtime;
  Interruption interruption(runtime);
  std::atomic<int> calls = 0;
  interruption.at_signal([&] { ++calls; });
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(testing::eventually(runtime, [&] { return calls >= 3; }));
  EXPECT_TRUE(interruption.token().stop_requested());
  EXPECT_EQ(interruption.signal(), SIGTERM);
  interruption.at_signal(nullptr);
}

TEST(Interruption, TheSameSignalTwiceAtOnceIsOneRequest) {
  base::RealRuntime runtime;
  Interruption interruption(runtime);
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(testing::eventually(runtime, [&] { return interruption.signal().has_value(); }));
  ::kill(::getpid(), SIGHUP);  // It would end this.
  std::atomic<int> calls = 0;
  interruption.at_signal([&] { ++calls; });
  EXPECT_TRUE(testing::eventually(runtime, [&] { return calls >= 2; }));
  interruption.at_signal(nullptr);
  EXPECT_EQ(interruption.signal(), SIGTERM);
}

}  // namespace
}  // namespace tidelock::cli

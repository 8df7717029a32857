#include "tidelock/base/local_mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

TEST(LocalMutex, ExcludesTheTasksOfAProcess) {
  RealRuntime runtime;
  LocalMutex mutex;
  int counter = 0;
  {
    std::vector<Task> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(runtime.spawn("counter", [&](const std::stop_token&) {
        for (int round = 0; round < 1000; ++round) {
          const LocalGuard guard(mutex);
          ++counter;
        }
      }));
    }
    for (auto& task : tasks) task.join();
  }
  EXPECT_EQ(counter, 4000);
}

#if defined(TIDELOCK_CHECKS)

TEST(LocalMutex, HeldAcrossAWaitIsMisuseOnTheRealRuntime) {
  RealRuntime runtime;
  const auto signal = runtime.make_signal("bell");
  LocalMutex mutex;
  {
    const LocalGuard guard(mutex);
    EXPECT_THROW_CODE(runtime.sleep_for(1ms), Code::misuse);
    EXPECT_THROW_CODE(signal->wait(0, runtime.now() + 1ms), Code::misuse);
    EXPECT_THROW_CODE(Poll(runtime).wait(runtime.now() + 1ms), Code::misuse);
  }
  EXPECT_FALSE(signal->wait(0, runtime.now() + 1ms));
}

TEST(LocalMutex, HeldAcrossASwitchFailsTheWorldAndTheTaskIsNamed) {
  world::World world(1);
  LocalMutex mutex;
  const auto body = [&](Runtime& runtime) {
    const auto bell = runtime.make_signal("bell");
    auto careless = runtime.spawn("careless", [&](const std::stop_token&) {
      const LocalGuard guard(mutex);
      bell->wait(0, Deadline::never());
    });
    runtime.sleep_for(1s);
    const LocalGuard guard(mutex);
  };
  try {
    world.run(body);
    ADD_FAILURE() << "the wait was let through";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::misuse);
    EXPECT_STREQ(error.what(),
                 "main/careless#1 waits for signal bell while it holds a LocalMutex: unlock it before the wait, or the "
                 "next task that locks it stops for ever");
  }
}

TEST(LocalMutex, HeldAcrossAYieldFailsTheWorldToo) {
  world::World world(1);
  LocalMutex mutex;
  const auto body = [&](Runtime& runtime) {
    const LocalGuard guard(mutex);
    runtime.yield();
  };
  EXPECT_THROW_CODE(world.run(body), Code::misuse);
}

#endif

}  // namespace
}  // namespace tidelock::base

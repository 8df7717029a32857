// The contract of runtime.h and context.h, run unchanged on the real Runtime and in a World.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>

#include "tidelock/base/context.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/uuid.h"
#include "tidelock/world/world.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

struct RuntimeKind {
  std::string name;
  std::function<void(const std::function<void(Runtime&)>&)> run;
};

void with_real_runtime(const std::function<void(Runtime&)>& body) {
  RealRuntime runtime;
  body(runtime);
}

void with_runtime_of_worlds(const std::function<void(Runtime&)>& body) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    world::World world(seed);
    world.run(body);
  }
}

class RuntimeConformance : public ::testing::TestWithParam<RuntimeKind> {
 protected:
  void run(const std::function<void(Runtime&)>& body) { GetParam().run(body); }
};

INSTANTIATE_TEST_SUITE_P(Runtimes, RuntimeConformance,
                         ::testing::Values(RuntimeKind{"Real", with_real_runtime},
                                           RuntimeKind{"World", with_runtime_of_worlds}),
                         [](const auto& info) { return info.param.name; });

inline constexpr TaskLocal<std::string> kColour;
inline constexpr TaskLocal<std::string> kShape;

TEST_P(RuntimeConformance, ASleepLastsUntilItsMoment) {
  run([](Runtime& runtime) {
    const auto moment = runtime.now() + 3ms;
    EXPECT_TRUE(runtime.sleep_until(moment));
    EXPECT_GE(runtime.now(), moment);
    EXPECT_TRUE(runtime.sleep_until(moment));  // Has passed.
    std::stop_source never_used;
    EXPECT_TRUE(runtime.sleep_for(3ms, never_used.get_token()));
    EXPECT_GE(runtime.now(), moment + 3ms);
  });
}

TEST_P(RuntimeConformance, AStopEndsASleepAndAlsoOneWhoseMomentHasPassed) {
  run([](Runtime& runtime) {
    const auto asleep = runtime.make_signal("asleep");
    bool slept_on = true;
    auto task = runtime.spawn("sleeper", [&](std::stop_token stop) {
      asleep->notify_all();
      slept_on = runtime.sleep_for(24h, stop);
    });
    ASSERT_TRUE(asleep->wait(0, runtime.in(1min)));
    task.request_stop();
    task.join();
    EXPECT_FALSE(slept_on);

    std::stop_source stopped;
    stopped.request_stop();
    EXPECT_FALSE(runtime.sleep_until(runtime.now() - 1ns, stopped.get_token()));
    EXPECT_FALSE(runtime.sleep_for(24h, stopped.get_token()));
  });
}

TEST_P(RuntimeConformance, ANotificationBetweenTheLookAndTheWaitIsNotLost) {
  run([](Runtime& runtime) {
    const auto signal = runtime.make_signal("signal");
    const auto seen = signal->count();
    signal->notify_all();
    EXPECT_NE(signal->count(), seen);
    EXPECT_TRUE(signal->wait(seen, Deadline::never()));
    EXPECT_TRUE(signal->wait(seen, runtime.now() - 1s));
  });
}

TEST_P(RuntimeConformance, AWaitEndsAtItsDeadlineWhenNothingHappens) {
  run([](Runtime& runtime) {
    const auto signal = runtime.make_signal("signal");
    const auto deadline = runtime.in(3ms);
    EXPECT_FALSE(signal->wait(0, deadline));
    EXPECT_GE(runtime.now(), deadline.at());
    EXPECT_FALSE(signal->wait(0, deadline));
  });
}

TEST_P(RuntimeConformance, ANotificationWakesEveryWaiter) {
  run([](Runtime& runtime) {
    const auto go = runtime.make_signal("go");
    const auto arrived = runtime.make_signal("arrived");
    std::atomic<int> woken = 0;
    std::vector<Task> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(runtime.spawn("waiter", [&](const std::stop_token&) {
        arrived->notify_all();
        if (go->wait(0, runtime.in(1min))) ++woken;
      }));
    }
    while (arrived->count() < 4) {
      const auto seen = arrived->count();
      if (seen < 4) arrived->wait(seen, Deadline::never());
    }
    go->notify_all();
    for (auto& task : tasks) task.join();
    EXPECT_EQ(woken, 4);
  });
}

TEST_P(RuntimeConformance, AStopWakesAWaiterWhoThenAsksTheToken) {
  run([](Runtime& runtime) {
    const auto signal = runtime.make_signal("signal");
    auto task = runtime.spawn("waiter", [&](const std::stop_token& stop) {
      EXPECT_TRUE(signal->wait(signal->count(), Deadline::never(), stop));
      EXPECT_TRUE(stop.stop_requested());
      EXPECT_TRUE(signal->wait(signal->count(), Deadline::never(), stop));
    });
    task.request_stop();
    task.join();
  });
}

TEST_P(RuntimeConformance, TwoTasksHandABallToAndFro) {
  run([](Runtime& runtime) {
    const auto ball = runtime.make_signal("ball");
    std::atomic<std::uint64_t> turn = 0;
    constexpr std::uint64_t kTurns = 1000;
    const auto play = [&](std::uint64_t parity) {
      while (turn < kTurns) {
        const auto seen = ball->count();
        if (turn < kTurns && turn % 2 != parity) {
          ASSERT_TRUE(ball->wait(seen, runtime.in(1min)));
        } else {
          ++turn;
          ball->notify_all();
        }
      }
    };
    auto other = runtime.spawn("other", [&](const std::stop_token&) { play(1); });
    play(0);
    other.join();
    EXPECT_GE(turn, kTurns);
  });
}

TEST_P(RuntimeConformance, JoiningThrowsWhatTheTaskThrew) {
  run([](Runtime& runtime) {
    auto task = runtime.spawn("thrower", [](const std::stop_token&) { throw std::runtime_error("as planned"); });
    EXPECT_TRUE(task.joinable());
    try {
      task.join();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "as planned");
    }
    EXPECT_FALSE(task.joinable());
    EXPECT_NO_THROW(task.join());
  });
}

TEST_P(RuntimeConformance, ATaskThatIsDroppedIsStoppedAndWaitedFor) {
  run([](Runtime& runtime) {
    std::atomic<bool> ended = false;
    {
      auto task = runtime.spawn("stubborn", [&](const std::stop_token& stop) {
        EXPECT_FALSE(runtime.sleep_for(24h, stop));
        runtime.yield();
        ended = true;
      });
    }
    EXPECT_TRUE(ended);
  });
}

TEST_P(RuntimeConformance, WhatATaskHoldsIsGoneWhenItIsJoined) {
  run([](Runtime& runtime) {
    const auto held = std::make_shared<int>(1);
    const auto scope = kColour.set(runtime, "red");
    auto task = runtime.spawn("holder", [held](const std::stop_token&) {});
    task.join();
    EXPECT_EQ(held.use_count(), 1);
  });
}

TEST_P(RuntimeConformance, ATaskLocalValueIsSeenByItsTaskAndThoseSpawnedWhileItIsSet) {
  run([](Runtime& runtime) {
    EXPECT_EQ(kColour.get(runtime), nullptr);
    Task late;
    {
      const auto red = kColour.set(runtime, "red");
      const auto round = kShape.set(runtime, "round");
      EXPECT_EQ(*kColour.get(runtime), "red");
      {
        const auto blue = kColour.set(runtime, "blue");
        EXPECT_EQ(*kColour.get(runtime), "blue");
        EXPECT_EQ(*kShape.get(runtime), "round");
      }
      EXPECT_EQ(*kColour.get(runtime), "red");
      late = runtime.spawn("child", [&](const std::stop_token&) {
        EXPECT_EQ(*kColour.get(runtime), "red");
        const auto green = kColour.set(runtime, "green");
        runtime.yield();
        EXPECT_EQ(*kColour.get(runtime), "green");
        EXPECT_EQ(*kShape.get(runtime), "round");
      });
      runtime.yield();
      EXPECT_EQ(*kColour.get(runtime), "red");
    }
    EXPECT_EQ(kColour.get(runtime), nullptr);
    late.join();
  });
}

TEST_P(RuntimeConformance, TasksHaveNumbersOfTheirOwnAndTheMainTaskIsZero) {
  run([](Runtime& runtime) {
    EXPECT_EQ(runtime.current_task(), 0U);
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    auto one = runtime.spawn("one", [&](const std::stop_token&) { first = runtime.current_task(); });
    auto two = runtime.spawn("two", [&](const std::stop_token&) { second = runtime.current_task(); });
    one.join();
    two.join();
    EXPECT_EQ((std::set<std::uint64_t>{0, first, second}.size()), 3U);
  });
}

TEST_P(RuntimeConformance, RandomNumbersDoNotRepeat) {
  run([](Runtime& runtime) {
    std::set<std::uint64_t> here;
    std::set<std::uint64_t> there;
    auto task = runtime.spawn("drawer", [&](const std::stop_token&) {
      for (int i = 0; i < 1000; ++i) there.insert(runtime.random());
    });
    for (int i = 0; i < 1000; ++i) here.insert(runtime.random());
    task.join();
    here.merge(there);
    EXPECT_EQ(here.size(), 2000U);
  });
}

TEST_P(RuntimeConformance, TheOwnerIsAUuidAndTheMachineHasAName) {
  run([](Runtime& runtime) {
    const auto& identity = runtime.identity();
    EXPECT_NO_THROW(Uuid::parse(std::string_view(identity.owner).substr(0, 36)));
    EXPECT_FALSE(identity.host.empty());
    EXPECT_FALSE(identity.boot_id.empty());
    EXPECT_GT(identity.pid, 0);
  });
}

TEST_P(RuntimeConformance, TheLongestDurationIsForEver) {
  run([](Runtime& runtime) {
    EXPECT_TRUE(runtime.in(Duration::max()).is_never());
    EXPECT_FALSE(runtime.in(24h).is_never());
    std::stop_source stop;
    auto task = runtime.spawn(
        "sleeper", [&](const std::stop_token& token) { EXPECT_FALSE(runtime.sleep_for(Duration::max(), token)); });
    task.request_stop();
    task.join();
  });
}

}  // namespace
}  // namespace tidelock::base

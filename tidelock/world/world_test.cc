#include "tidelock/world/world.h"

#include <chrono>
#include <set>
#include <stdexcept>
#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::world {
namespace {

using base::Deadline;
using base::Runtime;
using base::Task;
using ::testing::Test;
using namespace std::chrono_literals;

std::string error_of(World& world, const std::function<void(Runtime&)>& body) {
  try {
    world.run(body);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

WORLD_TEST(World, SleepingTakesNoRealTime) {
  const auto start = runtime.now();
  runtime.sleep_for(24h * 365);
  EXPECT_EQ(runtime.now() - start, 24h * 365);
}

TEST(World, TheOrderOfTasksIsChosenByTheSeed) {
  std::set<std::string> orders;
  const auto seeds = for_seeds(100, [&](World& world) {
    std::string order;
    world.run([&](Runtime& runtime) {
      std::vector<Task> tasks;
      for (const char letter : {'a', 'b', 'c'}) {
        tasks.push_back(runtime.spawn("letter", [&order, letter](const std::stop_token&) { order += letter; }));
      }
    });
    EXPECT_EQ(order.size(), 3U);
    orders.insert(order);
  });
  if (seeds > 1) {
    EXPECT_EQ(orders.size(), 6U);
  }
}

WORLD_TEST(World, OfTasksThatWakeAtOneMomentAnyMayRunFirst) {
  std::set<int> first;
  for (int round = 0; round < 50; ++round) {
    int winner = -1;
    std::vector<Task> tasks;
    for (int i = 0; i < 3; ++i) {
      tasks.push_back(runtime.spawn("racer", [&, i](const std::stop_token&) {
        runtime.sleep_for(1ms);
        if (winner < 0) winner = i;
      }));
    }
    for (auto& task : tasks) task.join();
    first.insert(winner);
  }
  EXPECT_EQ(first.size(), 3U);
}

TEST(World, RunThrowsWhatTheBodyThrowsWhenAllTasksHaveEnded) {
  World world(1);
  bool ended = false;
  const auto body = [&](Runtime& runtime) {
    auto& other = world.process("other");
    other.start([&](Process& process) {
      const std::unique_ptr<bool, void (*)(bool*)> at_end(&ended, [](bool* flag) { *flag = true; });
      process.sleep_for(1h);
    });
    runtime.sleep_for(1s);
    throw Error(Code::not_found, "nothing there");
  };
  EXPECT_THROW_CODE(world.run(body), Code::not_found);
  EXPECT_TRUE(ended);
  EXPECT_EQ(world.elapsed(), 1s);
}

TEST(World, RunThrowsTheErrorOfATaskThatNobodyJoinedFor) {
  World world(1);
  const auto body = [](Runtime& runtime) {
    {
      const auto task = runtime.spawn("doomed", [](const std::stop_token&) { throw std::out_of_range("too far"); });
      runtime.sleep_for(1s);
    }
    runtime.sleep_for(1h);
  };
  EXPECT_THROW(world.run(body), std::out_of_range);
  EXPECT_EQ(world.elapsed(), 1s);
}

TEST(World, CanBeRunAgainAfterAFailure) {
  World world(1);
  EXPECT_THROW_CODE(world.run([] { throw Error(Code::not_found, "nothing there"); }), Code::not_found);
  bool ran = false;
  world.run([&](Runtime& runtime) {
    runtime.sleep_for(1s);
    ran = true;
  });
  EXPECT_TRUE(ran);
}

TEST(World, ThatNobodyCanRunIsReportedWithWhoWaitsForWhatSinceWhen) {
  World world(1);
  EXPECT_EQ(error_of(world,
                     [&](Runtime& runtime) {
                       const auto never = runtime.make_signal("bell");
                       auto& paused = world.process(world.machine("db1"), "server");
                       paused.start([](Process& process) { process.sleep_for(500ms); });
                       auto sleeper = runtime.spawn("sleeper", [&](const std::stop_token&) {
                         runtime.sleep_for(1500ms);
                         never->wait(0, Deadline::never());
                       });
                       paused.pause();
                       sleeper.join();
                     }),
            "nobody can run at 1.5s; tasks:\n"
            "  main/main waits for the end of main/sleeper#1 since 0s\n"
            "  db1/server/main could run, but its process is paused\n"
            "  main/sleeper#1 waits for signal bell since 1.5s");
}

TEST(World, TasksThatPollEachOtherWhileNoTimePassesAreReported) {
  World world(1, {.step_limit_at_once = 1000});
  const auto text = error_of(world, [&](Runtime& runtime) {
    for (;;) runtime.yield();
  });
  EXPECT_EQ(text, "livelock: 1000 steps while no time passed at 0s; tasks:\n  main/main is ready");
}

TEST(World, AnEndlessPollIsReported) {
  World world(1, {.step_limit = 1000});
  const auto text = error_of(world, [&](Runtime& runtime) {
    for (;;) runtime.sleep_for(1s);
  });
  EXPECT_TRUE(text.starts_with("not at an end after 1000 steps at 1000s;")) << text;
}

TEST(World, GoesOnForAWhileAndThenUntilTheEnd) {
  World world(1);
  int ticks = 0;
  world.process().start([&](Process& process) {
    for (; ticks < 10; ++ticks) process.sleep_for(1s);
  });
  world.run_for(3500ms);
  EXPECT_EQ(ticks, 3);
  world.run_until(world.machine().now() + 2s);
  EXPECT_EQ(ticks, 5);
  EXPECT_EQ(world.elapsed(), 5500ms);
  world.run();
  EXPECT_EQ(ticks, 10);
}

TEST(World, TheThreadThatDrivesItMayWaitLikeATask) {
  World world(1);
  auto& runtime = world.runtime();
  const auto done = runtime.make_signal("done");
  auto task = runtime.spawn("worker", [&](const std::stop_token&) {
    runtime.sleep_for(1h);
    done->notify_all();
    runtime.sleep_for(1h);
  });
  EXPECT_FALSE(done->wait(0, runtime.in(1s)));
  EXPECT_TRUE(done->wait(0, Deadline::never()));
  EXPECT_EQ(world.elapsed(), 1h);
  task.join();
  EXPECT_EQ(world.elapsed(), 2h);
}

// Facts of the Itanium ABI: the caught exceptions of a thread are one stack, which fibers must not share.
TEST(World, ASwitchInsideACatchBlockLeavesEachTaskItsOwnException) {
  for_seeds(20, [](World& world) {
    world.run([&](Runtime& runtime) {
      std::vector<Task> tasks;
      for (int i = 0; i < 3; ++i) {
        tasks.push_back(runtime.spawn("thrower", [&, i](const std::stop_token&) {
          for (int round = 0; round < 5; ++round) {
            try {
              throw std::runtime_error(std::to_string(i));
            } catch (const std::exception& outer) {
              runtime.yield();
              try {
                throw std::logic_error("inner " + std::to_string(i));
              } catch (const std::exception& inner) {
                runtime.yield();
                EXPECT_EQ(inner.what(), "inner " + std::to_string(i));
              }
              runtime.yield();
              EXPECT_EQ(outer.what(), std::to_string(i));
              EXPECT_THROW(
                  try { throw; } catch (const std::runtime_error& again) {
                    runtime.yield();
                    EXPECT_EQ(again.what(), std::to_string(i));
                    throw;
                  },
                  std::runtime_error);
            }
            EXPECT_EQ(std::current_exception(), nullptr);
            EXPECT_EQ(std::uncaught_exceptions(), 0);
            runtime.yield();
          }
        }));
      }
      for (auto& task : tasks) task.join();
    });
  });
}

WORLD_TEST(World, ADestructorThatWaitsWhileAnExceptionFliesDoesNotConfuseOthers) {
  struct Slow {
    Runtime& runtime;
    ~Slow() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      runtime.sleep_for(1s);
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  auto thrower = runtime.spawn("thrower", [&](const std::stop_token&) {
    const Slow slow{runtime};
    throw std::runtime_error("flies");
  });
  for (int i = 0; i < 10; ++i) {
    runtime.sleep_for(100ms);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  }
  EXPECT_THROW(thrower.join(), std::runtime_error);
}

WORLD_TEST(World, AStackIsLargeEnoughForACLibrary) {
  auto task = runtime.spawn("deep", [&](const std::stop_token&) {
    volatile char buffer[200 * 1024];
    for (std::size_t i = 0; i < sizeof(buffer); i += 1024) buffer[i] = static_cast<char>(i);
    runtime.yield();
    EXPECT_EQ(buffer[5 * 1024], static_cast<char>(5 * 1024));
  });
  task.join();
}

WORLD_TEST(World, ThousandsOfTasksLiveAtOnce) {
  int woken = 0;
  std::vector<Task> tasks;
  for (int i = 0; i < 2'000; ++i) {
    tasks.push_back(runtime.spawn("one of many", [&](const std::stop_token& stop) {
      runtime.sleep_for(24h, stop);
      ++woken;
    }));
  }
  runtime.sleep_for(1s);
  tasks.clear();  // Requests each to stop, and joins it.
  EXPECT_EQ(woken, 2'000);
  EXPECT_EQ(world.elapsed(), 1s);
}

TEST(World, ATaskThatNeverRanIsUnwoundToo) {
  const auto counted = std::make_shared<int>(0);
  {
    World world(1);
    world.process().start([counted](Process&) {});
    auto task = world.runtime().spawn("never runs", [counted](const std::stop_token&) { ++*counted; });
    world.process().crash();
  }
  EXPECT_EQ(*counted, 0);
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(World, RareBranchesAreForcedInSomeRunsAtSomePlaces) {
  const auto count = [](WorldOptions options) {
    int places = 0;
    int total = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      World world(seed, options);
      int times = 0;
      for (int i = 0; i < 100; ++i) times += world.chance(0.25) ? 1 : 0;
      places += times > 0 ? 1 : 0;
      total += times;
    }
    return std::pair(places, total);
  };
  EXPECT_EQ(count({.buggify = false}), std::pair(0, 0));
  const auto [places, total] = count({.buggify = true});
  EXPECT_GT(places, 20);
  EXPECT_LT(places, 80);
  EXPECT_NEAR(static_cast<double>(total) / places, 25, 3);
}

TEST(World, TheLogTellsTheLastEvents) {
  World world(1, {.trace_log = 3});
  world.run([&](Runtime& runtime) {
    runtime.sleep_for(1500us);
    world.trace("something odd");
  });
  EXPECT_EQ(world.trace_log(),
            "0.0015s  main/main runs\n"
            "0.0015s  main/main something odd\n"
            "0.0015s  main/main ends\n");
}

}  // namespace
}  // namespace tidelock::world

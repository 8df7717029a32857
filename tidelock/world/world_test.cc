#include "tidelock/world/world.h"

#include <chrono>

#include "tidelock/world/testing.h"

namespace tidelock::world {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(World, SleepingTakesNoRealTime) {
  const auto start = runtime.now();
  runtime.sleep_for(24h * 365);
  EXPECT_EQ(runtime.now() - start, 24h * 365);
}

TEST(World, RunThrowsWhatTheBodyThrows) {
  World world(1);
  EXPECT_THROW_CODE(world.run([] { throw Error(Code::not_found, "nothing there"); }), Code::not_found);
}

TEST(World, NobodyCanRunIsReportedWithWhoWaitsForWhatSinceWhen) {
  World world(1);
  try {
    world.run([](base::Runtime& runtime) {
      const auto never = runtime.make_signal("bell");
      auto sleeper = runtime.spawn("sleeper", [&](const std::stop_token&) {
        runtime.sleep_for(1500ms);
        never->wait(0, base::Deadline::never());
      });
      sleeper.join();
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::deadlock);
    EXPECT_STREQ(error.what(),
                 "nobody can run at 1.5s; tasks:\n"
                 "  main/main waits for the end of main/sleeper#1 since 0s\n"
                 "  main/sleeper#1 waits for signal bell since 1.5s");
  }
}

}  // namespace
}  // namespace tidelock::world

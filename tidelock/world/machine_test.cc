#include "tidelock/world/machine.h"

#include <chrono>

#include "tidelock/world/testing.h"

namespace tidelock::world {
namespace {

using base::Runtime;
using namespace std::chrono_literals;

WORLD_TEST(Machine, HasABootClockOfItsOwn) {
  auto& one = world.machine("one");
  auto& other = world.machine("other");
  EXPECT_NE(one.now(), other.now());
  EXPECT_NE(one.boot_id(), other.boot_id());
  EXPECT_EQ(&world.machine("one"), &one);
  EXPECT_EQ(one.wall_now(), other.wall_now());
}

WORLD_TEST(Machine, ADriftingClockRunsFasterAndItsTasksWakeByIt) {
  auto& machine = world.machine("fast");
  auto& process = world.process(machine, "task");
  machine.set_clock_drift(50'000);
  const auto start = machine.now();
  runtime.sleep_for(100s);
  EXPECT_EQ(machine.now() - start, 105s);
  base::Duration slept{};
  process.start([&](Process& self) {
    const auto before = world.elapsed();
    const auto moment = self.now() + 21s;
    self.sleep_until(moment);
    EXPECT_GE(self.now(), moment);
    slept = world.elapsed() - before;
  });
  process.wait_for_end();
  EXPECT_EQ(slept, 20s);
}

WORLD_TEST(Machine, AChangeOfDriftCountsForWaitsUnderWay) {
  auto& machine = world.machine("fast");
  auto& process = world.process(machine, "task");
  base::Duration slept{};
  process.start([&](Process& self) {
    const auto before = world.elapsed();
    EXPECT_FALSE(self.make_signal("never")->wait(0, self.in(20s)));
    slept = world.elapsed() - before;
  });
  runtime.sleep_for(10s);
  machine.set_clock_drift(-100'000);
  process.wait_for_end();
  EXPECT_GE(slept, 10s + 11111ms);
  EXPECT_LE(slept, 10s + 11112ms);
  EXPECT_THROW_CODE(machine.set_clock_drift(100'001), Code::invalid_argument);
}

TEST(Machine, ClocksGoForwardOnlyAndWakeNobodyTooEarlyWhateverTheDrift) {
  for_seeds(100, [](World& world) {
    auto& machine = world.machine("drifts");
    auto& process = world.process(machine, "sleeper");
    world.run([&](Runtime& runtime) {
      process.start([&](Process& self) {
        for (int i = 0; i < 50; ++i) {
          const auto before = self.now();
          const auto moment = before + world.random().between({0s, 10s});
          self.sleep_until(moment);
          EXPECT_GE(self.now(), moment);
        }
      });
      for (int i = 0; i < 50; ++i) {
        runtime.sleep_for(world.random().between({0s, 10s}));
        const auto before = machine.now();
        machine.set_clock_drift(static_cast<std::int64_t>(world.random().below(200'001)) - 100'000);
        EXPECT_EQ(machine.now(), before);
      }
    });
  });
}

WORLD_TEST(Machine, AStepOfTheWallClockLeavesInstantsAlone) {
  const auto wall = runtime.wall_now();
  const auto now = runtime.now();
  world.machine().step_wall_clock(-1h);
  EXPECT_EQ(runtime.wall_now() - wall, -1h);
  EXPECT_EQ(runtime.now(), now);
  runtime.sleep_for(1s);
  EXPECT_EQ(runtime.wall_now() - wall, -1h + 1s);
}

WORLD_TEST(Machine, APowerCutKillsItsProcessesAndBootsAnew) {
  auto& machine = world.machine("server");
  auto& process = world.process(machine, "database");
  auto& elsewhere = world.process(world.machine("client"), "client");
  process.start([](Process& self) { self.sleep_for(1h); });
  elsewhere.start([](Process& self) { self.sleep_for(1h); });
  runtime.sleep_for(1s);
  const auto boot_id = machine.boot_id();
  const auto wall = machine.wall_now();
  machine.power_cut();
  EXPECT_TRUE(process.crashed());
  EXPECT_FALSE(elsewhere.crashed());
  EXPECT_NE(machine.boot_id(), boot_id);
  EXPECT_LE(machine.now().time_since_epoch(), 1min);
  EXPECT_EQ(machine.wall_now(), wall);
  process.restart();
  EXPECT_EQ(process.identity().boot_id, machine.boot_id());
  process.crash();
}

TEST(Machine, APowerCutOfTheOwnMachineEndsTheTaskThatCausesIt) {
  World world(1);
  bool survived = false;
  world.run([&] {
    world.machine().power_cut();
    survived = true;
  });
  EXPECT_FALSE(survived);
}

}  // namespace
}  // namespace tidelock::world

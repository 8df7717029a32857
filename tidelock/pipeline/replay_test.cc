// `tidelock run --replay`: past days again, each moment of them once, whoever is killed meanwhile.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/pipeline/supervisor.h"
#include "tidelock/pipeline/testing/bench.h"
#include "tidelock/world/testing.h"

namespace tidelock::pipeline {
namespace {

using testing::Bench;
using ::testing::ElementsAre;
using testing::noting;
using namespace std::chrono_literals;

WORLD_TEST(Supervisor, AReplayRunsEachMomentOfItsDaysAndThenEnds) {
  Bench bench(runtime, files, noting("close", "schedule = \"0 0 * * *\"\nmissed = \"all\""));
  const auto began = runtime.now();
  const auto summary = bench.replay("2018-01-03..2018-01-06");
  EXPECT_THAT(bench.notes(), ElementsAre("2018-01-04 00:00:00.000000", "2018-01-05 00:00:00.000000",
                                         "2018-01-06 00:00:00.000000", "2018-01-07 00:00:00.000000"));
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(summary.days, 4U);
  EXPECT_EQ(summary.jobs.at("close").completed, 4U);
  EXPECT_GE(runtime.now() - began, 8s);
  EXPECT_LT(runtime.now() - began, 10s);
}

WORLD_TEST(Supervisor, AReplayOnASlowMachineMissesNothing) {
  Bench bench(runtime, files, noting("refresh", "schedule = \"0 * * * *\"\nmissed = \"none\""));
  const auto summary = bench.replay("2018-01-03..2018-01-05", 10ms);  // A run takes longer than an hour of it.
  EXPECT_EQ(summary.jobs.at("refresh").completed, 72U);
  EXPECT_EQ(summary.missed, 0U);
}

WORLD_TEST(Supervisor, AReplayThatWasStoppedGoesOnWhereItWas) {
  Bench bench(runtime, files, noting("close", "schedule = \"0 0 * * *\""));
  std::stop_source drain;
  const auto timer = runtime.spawn("timer", [&](const std::stop_token&) {
    runtime.sleep_for(5s);
    drain.request_stop();
  });
  const auto days = Replay::parse("2018-01-03..2018-01-06", 2s, "UTC");
  EXPECT_FALSE(bench.run(drain.get_token(), {.replay = days}).complete);
  const auto began = runtime.now();
  EXPECT_TRUE(bench.run({}, {.replay = days}).complete);
  EXPECT_LT(runtime.now() - began, 6s);
  EXPECT_EQ(bench.notes().size(), 4U);
  EXPECT_TRUE(bench.run({}, {.replay = days}).complete);  // Nothing is left to do.
  EXPECT_EQ(bench.notes().size(), 4U);
}

WORLD_TEST(Supervisor, ADayOfAReplayIsCountedOnceAlsoWhenTheStateIsLockedAtItsEnd) {
  Bench bench(runtime, files, noting("close", "schedule = \"0 0 * * *\""));
  base::Task locking;
  std::vector<std::string> days;
  bench.when_said = [&](const Progress& progress) {
    if (progress.kind != Progress::Kind::day) return;
    days.push_back(progress.text.substr(0, 10));
    if (days.size() != 2) return;
    const auto state = bench.state();
    auto connection = std::make_shared<sql::Connection>(state->connect());
    auto locked = std::make_shared<sql::Transaction>(connection->begin());
    locking = runtime.spawn("locks the state", [&runtime, state, connection, locked](const std::stop_token&) mutable {
      runtime.sleep_for(6s);
      locked.reset();
      connection.reset();
    });
  };
  const auto began = runtime.now();
  const auto summary = bench.replay("2018-01-03..2018-01-06");
  EXPECT_GE(runtime.now() - began, 4 * 2s + 4s);  // It did wait for the state.
  EXPECT_EQ(summary.days, 4U);
  EXPECT_THAT(days, ElementsAre("2018-01-03", "2018-01-04", "2018-01-05", "2018-01-06"));
}

WORLD_TEST(Supervisor, AStateBelongsToOneReplayOrToTheRealTime) {
  Bench bench(runtime, files, noting("close", "schedule = \"0 0 * * *\""));
  bench.replay("2018-01-03..2018-01-04");
  EXPECT_THROW_CODE(bench.replay("2018-01-03..2018-01-05"), Code::already_exists);
  EXPECT_THROW_CODE(bench.run_for(1s), Code::already_exists);
}

// A replay that is killed at random moments ends with the tables of one that was left alone.
void kill_a_replay_now_and_then(world::World& world) {
  const auto jobs = noting("close", "schedule = \"0 0 * * *\"\nmissed = \"all\"\ngroup = \"books\"") +
                    noting("refresh", "schedule = \"0 */6 * * *\"\ngroup = \"books\"") + "\n[group.books]\n";
  std::set<std::int64_t> dead;
  bool complete = false;
  auto& process = world.process(world.machine(), "killed");
  for (int kills = 0; !complete; ++kills) {
    process.start([&](world::Process& self) {
      Bench bench(self, self.files(), jobs);
      bench.dead = dead;
      complete = bench.replay("2018-01-03..2018-01-07", 200ms).complete;
    });
    world.runtime().sleep_for(kills < 6 ? base::Duration(world.random().below(600'000'000)) : 60s);
    if (complete) break;
    dead.insert(process.identity().pid);
    process.crash();
    process.wait_for_end();
  }
  Bench bench(world.runtime(), world.files(), jobs);
  auto notes = bench.notes();
  EXPECT_EQ(notes.size(), 5U + 20U);
  std::sort(notes.begin(), notes.end());
  const auto twice = [&](const std::string& at) { return std::count(notes.begin(), notes.end(), at); };
  EXPECT_EQ(twice("2018-01-05 00:00:00.000000"), 2);  // Of both jobs.
  EXPECT_EQ(twice("2018-01-05 06:00:00.000000"), 1);
}

TEST(Supervisor, AReplayKilledNowAndThenDoesEachMomentOnce) {
  world::for_seeds(world::long_seeds(30),
                   [](world::World& world) { world.run([&] { kill_a_replay_now_and_then(world); }); });
}

TEST(SupervisorSoak, AReplayKilledNowAndThenDoesEachMomentOnce) {
  world::for_seeds(1000, [](world::World& world) { world.run([&] { kill_a_replay_now_and_then(world); }); });
}

}  // namespace
}  // namespace tidelock::pipeline

// Several processes at one pipeline: one runs it, others are refused, stand by, or take over what a dead one left.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/lock/testing/faulty_backend.h"
#include "tidelock/pipeline/lease.h"
#include "tidelock/pipeline/supervisor.h"
#include "tidelock/pipeline/testing/bench.h"
#include "tidelock/world/testing.h"

namespace tidelock::pipeline {
namespace {

using testing::Bench;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::noting;
using namespace std::chrono_literals;

WORLD_TEST(Supervisor, ARunThatAnotherProcessExecutesCannotBeResumedAndItIsSaidWhoHasIt) {
  const std::string jobs = "\n[job.slow]\n[[job.slow.step]]\nname = \"p\"\npublish = \"shop\"\n";
  auto& first = world.process(world.machine(), "first");
  first.start([&](world::Process& process) {
    Bench bench(process, process.files(), jobs);
    bench.publishing_takes = 60s;
    bench.run_once("slow");
  });
  runtime.sleep_for(10s);
  Bench bench(runtime, files, jobs);
  const auto refusal = base::testing::error_text([&] { bench.resume(1); });
  EXPECT_THAT(refusal,
              HasSubstr("run 1 of slow is executed by process " + std::to_string(first.identity().pid) + " on "));
  EXPECT_THROW_CODE(bench.resume(1), Code::already_exists);
  first.crash();
  first.wait_for_end();
  runtime.sleep_for(60s);
  EXPECT_EQ(bench.resume(1).jobs.at("slow").completed, 1U);  // Its process has died.
}

// Takes up the next run that is queued, as another process would, and is at it for some seconds.
void take_up_one(base::Runtime& runtime, Toolkit& toolkit, const std::string& end, const std::stop_token& stop) {
  constexpr auto kState = "sqlite:/p/work/state.db";
  const auto state = toolkit.database(kState);
  const auto locks = toolkit.lock_backend(kState);
  std::optional<std::string> uuid;
  while (!(uuid = state->maybe<std::string>("select uuid from tidelock_run where status = 'queued'"))) {
    // Mostly ready to go on, at whatever the others do; but time has to pass too.
    if (runtime.random() % 16 > 0) {
      runtime.yield();
    } else if (!runtime.sleep_for(1us, stop)) {
      return;
    }
  }
  lock::Mutex mutex(*locks, runtime, "run/" + *uuid, {.ttl = 60s, .margin = 1s});
  const auto lease = mutex.try_acquire(runtime.in(10s));
  if (!lease) return;
  state->execute("update tidelock_run set status = 'running' where uuid = ?", *uuid);
  runtime.sleep_for(5s);
  state->execute("update tidelock_run set status = ?, reason = 'so it went' where uuid = ?", end, *uuid);
  mutex.release(*lease, runtime.in(10s));
}

TEST(Supervisor, AJobWhoseRunAnotherProcessTakesUpIsFollowedToItsEnd) {
  int taken = 0;
  // The other one is faster in every second of them or so.
  world::for_seeds(world::long_seeds(40, 10), [&](world::World& world) {
    world.run([&] {
      auto& runtime = world.runtime();
      Bench bench(runtime, world.files(), noting("tick", ""));
      bench.run_once("tick");  // Makes the tables.
      bench.said.clear();
      const auto other = runtime.spawn(
          "other", [&](const std::stop_token& stop) { take_up_one(runtime, bench.toolkit(), "failed", stop); });
      const auto summary = bench.run_once("tick");
      EXPECT_TRUE(summary.complete);
      EXPECT_EQ(summary.jobs.at("tick").runs, 1U);
      if (summary.jobs.at("tick").completed == 1) return;  // It was faster.
      ++taken;
      EXPECT_EQ(summary.jobs.at("tick").failed, 1U);
      EXPECT_THAT(bench.said, ElementsAre(HasSubstr("run 2 was taken up by another process, and is waited for"),
                                          HasSubstr(": so it went")));
    });
  });
  EXPECT_GT(taken, 0);
}

WORLD_TEST(Supervisor, ASecondOneIsRefusedAndToldWhoIsFirst) {
  Bench bench(runtime, files, noting("tick", "schedule = \"every 10s\""));
  std::stop_source drain;
  const auto first = runtime.spawn("first", [&](const std::stop_token&) { bench.run(drain.get_token()); });
  runtime.sleep_for(30s);
  auto& other = world.process(world.machine(), "other");
  std::string refused;
  other.start([&](world::Process& process) {
    try {
      Bench(process, process.files(), noting("tick", "schedule = \"every 10s\"")).run_for(1s);
    } catch (const AlreadyRuns& error) {
      refused = error.what();
    }
  });
  other.wait_for_end();
  EXPECT_THAT(refused, HasSubstr("pipeline \"shop\" is run by process " + std::to_string(runtime.identity().pid)));
  drain.request_stop();
}

WORLD_TEST(Supervisor, AKilledOneIsFollowedAtOnceAndNoMomentIsDoneTwice) {
  const auto jobs = noting("tick", "schedule = \"every 10s\"\nmissed = \"all\"");
  auto& victim = world.process(world.machine(), "victim");
  victim.start([&](world::Process& process) { Bench(process, process.files(), jobs).run({}); });
  runtime.sleep_for(47s);
  const auto pid = victim.identity().pid;
  victim.crash();
  victim.wait_for_end();

  Bench bench(runtime, files, jobs);
  bench.dead = {pid};
  bench.run_for(30s);
  const auto notes = bench.notes();
  EXPECT_GE(notes.size(), 7U);
  EXPECT_EQ(std::set(notes.begin(), notes.end()).size(), notes.size());
  EXPECT_TRUE(std::is_sorted(notes.begin(), notes.end()));
}

// One that runs the pipeline, and a second one that stands by, for so long.
struct TwoOfThem {
  TwoOfThem(world::World& world, base::Runtime& runtime, base::Files& files, base::Duration length)
      : first(world.process(world.machine(), "first")) {
    first.start([this](world::Process& process) { Bench(process, process.files(), jobs).run({}, {.standby = true}); });
    runtime.sleep_for(5s);
    second.emplace(runtime, files, jobs);
    standby = runtime.spawn(
        "standby", [this, length](const std::stop_token&) { summary = second->run_for(length, {.standby = true}); });
  }
  void first_dies() {
    first.crash();
    first.wait_for_end();
  }

  const std::string jobs = noting("tick", "schedule = \"every 10s\"\nmissed = \"all\"");
  world::Process& first;
  std::optional<Bench> second;
  Summary summary;  // Of the second.
  base::Task standby;
};

// Nobody tells it that the first one is dead: the lease expires.
WORLD_TEST(Supervisor, AStandbyTakesOverWhenTheFirstOneDiesAndNoMomentIsLeftOutOrDoneTwice) {
  TwoOfThem two(world, runtime, files, 200s);
  auto& bench = *two.second;
  runtime.sleep_for(60s);
  EXPECT_THAT(bench.said, ElementsAre(HasSubstr("stands by: the pipeline is run by process " +
                                                std::to_string(two.first.identity().pid))));
  const auto before = bench.notes().size();
  EXPECT_GE(before, 5U);
  two.first_dies();
  runtime.sleep_for(150s);
  const auto notes = bench.notes();
  EXPECT_GE(notes.size(), 19U);
  EXPECT_EQ(std::set(notes.begin(), notes.end()).size(), notes.size());
  EXPECT_TRUE(std::is_sorted(notes.begin(), notes.end()));
  EXPECT_LE(two.summary.jobs.at("tick").completed, notes.size() - before + 1);
}

WORLD_TEST(Supervisor, AStandbyGoesOnWaitingWhileTheStateIsOutOfReach) {
  TwoOfThem two(world, runtime, files, 300s);
  auto& bench = *two.second;
  runtime.sleep_for(20s);
  two.first_dies();
  {
    const auto state = bench.state();
    auto connection = state->connect();
    const auto locked = connection.begin();
    runtime.sleep_for(60s);
  }
  runtime.sleep_for(230s);
  EXPECT_THAT(bench.said, ::testing::Contains(HasSubstr("stands by: the state: ")));
  EXPECT_GT(two.summary.jobs.at("tick").completed, 0U);
}

WORLD_TEST(Supervisor, AStandbyWaitsForAStateThatIsOutOfReachWhenItIsStarted) {
  Bench bench(runtime, files, noting("tick", "schedule = \"every 10s\""));
  files.create_folders("/p/work");
  const auto locking = runtime.spawn("locks the state", [&](const std::stop_token&) {
    const auto state = bench.state();
    auto connection = state->connect();
    auto locked = connection.begin();
    locked.execute("create table foreign_one (a integer)");
    runtime.sleep_for(60s);
  });
  runtime.sleep_for(1s);
  const auto summary = bench.run_for(120s, {.standby = true});
  EXPECT_THAT(bench.said, Contains(HasSubstr("stands by: the state: ")));
  EXPECT_GT(summary.jobs.at("tick").completed, 3U);
}

// A failover is under way: the state answers from a server that is not the primary yet.
WORLD_TEST(Supervisor, AStandbyWaitsForAStateThatIsNotThePrimaryYet) {
  Toolkit toolkit(runtime, files);
  const auto inner = toolkit.lock_backend("memory:");
  lock::testing::FaultyBackend locks(*inner, runtime);
  const Processes processes{[](std::int64_t) { return true; }, false};
  const auto refuse = [&](int times, Code code) {
    for (int i = 0; i < times; ++i) locks.refuse_next(code);
  };
  std::vector<std::string> said;
  const auto take = [&] {
    return PipelineLease(locks, runtime, "shop", processes, {}, [&](const std::string& why) { said.push_back(why); })
        .lost();
  };
  refuse(3, Code::read_only_server);
  EXPECT_FALSE(take());
  EXPECT_THAT(said, ElementsAre(HasSubstr("the state: ")));
  refuse(1, Code::corrupt);
  EXPECT_THROW_CODE(take(), Code::corrupt);
  refuse(1, Code::read_only_server);
  EXPECT_THROW_CODE(PipelineLease(locks, runtime, "shop", processes, {}), Code::read_only_server);
}

// The same of the one that runs.
WORLD_TEST(Supervisor, AStateThatIsNotThePrimaryForAWhileIsWaitedFor) {
  const std::string jobs =
      "\n[job.slow]\nschedule = \"every 10s\"\n[[job.slow.step]]\nname = \"p\"\npublish = \"shop\"\n";
  auto& victim = world.process(world.machine(), "victim");
  victim.start([&](world::Process& process) {
    Bench bench(process, process.files(), jobs);
    bench.publishing_takes = 60s;
    bench.run({});
  });
  runtime.sleep_for(15s);
  victim.crash();
  victim.wait_for_end();

  Bench bench(runtime, files, jobs);
  bench.dead = {victim.identity().pid};
  int asked = 0;  // First for the lease, then while the state is asked for what the dead one has left.
  bench.when_asked = [&] {
    if (++asked == 2) throw Error(Code::read_only_server, "a standby");
  };
  const auto summary = bench.run_for(30s);
  EXPECT_GT(asked, 2);
  EXPECT_THAT(bench.said, Contains(HasSubstr("waits: the state: a standby")));
  EXPECT_GE(summary.jobs.at("slow").completed, 2U);
}

WORLD_TEST(Supervisor, AStandbyThatIsToldToStopHasDoneNothing) {
  const auto jobs = noting("tick", "schedule = \"every 10s\"");
  Bench bench(runtime, files, jobs);
  std::stop_source drain;
  const auto first = runtime.spawn("first", [&](const std::stop_token&) { bench.run(drain.get_token()); });
  runtime.sleep_for(5s);
  Bench other(runtime, files, jobs);
  const auto summary = other.run_for(30s, {.standby = true});
  EXPECT_EQ(summary.all().completed, 0U);
  EXPECT_EQ(summary.pipeline, "shop");
  drain.request_stop();
}

WORLD_TEST(Supervisor, AKilledOneLeavesNoPlaceInALineThatOthersWaitBehind) {
  const auto jobs = noting("a", "schedule = \"every 1s\"\ngroup = \"g\"") +
                    noting("b", "schedule = \"every 1s\"\ngroup = \"g\"") + "\n[group.g]\n";
  auto& victim = world.process(world.machine(), "victim");
  Bench bench(runtime, files, jobs);
  files.create_folders("/p/work");
  const auto locks = bench.toolkit().lock_backend("sqlite:/p/work/state.db");
  lock::Mutex foreign(*locks, runtime, "group/g", {.ttl = 60s, .margin = 1s});
  const auto held = foreign.try_acquire(runtime.in(1s));
  ASSERT_TRUE(held);
  victim.start([&](world::Process& process) { Bench(process, process.files(), jobs).run({}); });
  runtime.sleep_for(5s);  // Both jobs wait in line.
  bench.dead = {victim.identity().pid};
  victim.crash();
  victim.wait_for_end();
  foreign.release(*held, runtime.in(1s));

  const auto summary = bench.run_for(3s);
  EXPECT_GT(summary.all().completed, 2U);
}

}  // namespace
}  // namespace tidelock::pipeline

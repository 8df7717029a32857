// The loop of `tidelock run`, in virtual time, on SQLite files of a simulated disk.
#include "tidelock/pipeline/supervisor.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/pipeline/lease.h"
#include "tidelock/pipeline/testing/fake_host.h"
#include "tidelock/world/disk.h"
#include "tidelock/world/testing.h"

namespace tidelock::pipeline {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::FakeHost;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

constexpr std::string_view kHead = R"(
[pipeline]
name = "shop"

[store.shop]
url = "sqlite:{work}/shop.db"

[replica.shop]
store = "shop"
to = "{work}/replica"
)";

// A job that notes each of its moments.
std::string noting(const std::string& name, const std::string& keys) {
  return "\n[job." + name + "]\nstore = \"shop\"\n" + keys + "\n[[job." + name +
         ".step]]\nname = \"note\"\nsql = \"note.sql\"\n";
}

// One process that runs a pipeline, as often as the test wants.
class Bench {
 public:
  Bench(base::Runtime& runtime, base::Files& files, const std::string& jobs, base::Path folder = "/p")
      : runtime_(runtime), files_(files), folder_(std::move(folder)), toolkit_(runtime, files), host_(runtime) {
    files.create_folders(folder_);
    write("note.sql", "create table if not exists note (at text); insert into note values ($now);");
    write("broken.sql", "insert into nowhere values (1);");
    write("pipeline.toml", std::string(kHead) + jobs);
  }

  void write(const std::string& name, const std::string& text) { files_.write_atomically(folder_ / name, text); }

  Surroundings surroundings() {
    return {.toolkit = toolkit_,
            .services = host_,
            .publish =
                [this](const Replica&, sql::Database&, const std::stop_token&) {
                  runtime_.sleep_for(publishing_takes);
                  if (disk_is_full) throw Error(Code::disk_full, "no space is left for the replica");
                  return "version " + std::to_string(++versions);
                },
            .process_alive = [this](std::int64_t pid) { return !dead.contains(pid); },
            .say =
                [this](const Progress& progress) {
                  said.push_back(progress.about + ": " + progress.text);
                  if (when_said) when_said(progress);
                }};
  }

  // Until the stop is requested.
  Summary run(const std::stop_token& drain, SupervisorOptions options = {}) {
    const auto pipeline = load(files_, folder_ / "pipeline.toml");
    return Supervisor(pipeline, surroundings(), std::move(options)).run(drain);
  }
  // For so long.
  Summary run_for(base::Duration duration, SupervisorOptions options = {}) {
    std::stop_source drain;
    const auto timer = runtime_.spawn("timer", [&](const std::stop_token& stop) {
      runtime_.sleep_for(duration, stop);
      drain.request_stop();
    });
    return run(drain.get_token(), std::move(options));
  }
  Summary replay(std::string_view days, base::Duration day = 2s) {
    return run({}, {.replay = Replay::parse(days, day, "UTC")});
  }
  Summary run_once(const std::string& job) {
    const auto pipeline = load(files_, folder_ / "pipeline.toml");
    return Supervisor(pipeline, surroundings()).run_once(job, {});
  }

  Summary resume(batch::RunId run) {
    const auto pipeline = load(files_, folder_ / "pipeline.toml");
    return Supervisor(pipeline, surroundings()).resume(run, {});
  }

  std::vector<std::string> notes() {
    std::vector<std::string> all;
    auto connection = database("shop.db")->connect();
    for (const auto row : connection.query("select at from note order by rowid")) {
      all.push_back(row.get<std::string>(0));
    }
    return all;
  }

  FakeHost& host() { return host_; }
  Toolkit& toolkit() { return toolkit_; }

  std::shared_ptr<sql::Database> database(const std::string& name) {
    return toolkit_.database("sqlite:" + (folder_ / "work" / name).string());
  }
  std::shared_ptr<sql::Database> state() { return database("state.db"); }

  std::vector<std::string> said;
  std::function<void(const Progress&)> when_said;
  std::set<std::int64_t> dead;
  bool disk_is_full = false;
  base::Duration publishing_takes{};
  int versions = 0;

 private:
  base::Runtime& runtime_;
  base::Files& files_;
  const base::Path folder_;
  Toolkit toolkit_;
  FakeHost host_;
};

WORLD_TEST(Supervisor, RunsJobsWhenTheyAreDueUntilItIsToldToStop) {
  Bench bench(runtime, files, noting("tick", "schedule = \"every 10s\""));
  const auto summary = bench.run_for(35s);
  EXPECT_GE(summary.jobs.at("tick").completed, 3U);
  EXPECT_LE(summary.jobs.at("tick").completed, 4U);
  EXPECT_EQ(summary.all().failed, 0U);
  EXPECT_FALSE(summary.complete);
  EXPECT_EQ(bench.notes().size(), summary.jobs.at("tick").completed);
}

WORLD_TEST(Supervisor, IdlesWithoutWakingOften) {
  Bench bench(runtime, files, noting("daily", "schedule = \"@daily\""));
  bench.run_for(1s);  // Makes the tables.
  const auto before = world.steps();
  bench.run_for(600s);
  EXPECT_LT(world.steps() - before, 6000U);  // Ten choices of a task a second would be too many.
}

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

WORLD_TEST(Supervisor, WhatComesFirstIsCompleteBeforeAnythingElseBegins) {
  Bench bench(runtime, files,
              noting("load", "schedule = \"@first\"") + noting("tick", "schedule = \"every 1s\"") +
                  "\n[service.web]\ncommand = [\"web\"]\n");
  bench.run_for(5s);
  const auto at = [&](std::string_view what) {
    return std::find_if(bench.said.begin(), bench.said.end(),
                        [&](const std::string& line) { return line.find(what) != std::string::npos; }) -
           bench.said.begin();
  };
  EXPECT_LT(at("load: run 1 completed"), at("tick: run 2"));
  EXPECT_LT(at("load: run 1 completed"), at("web: runs as process"));
  const auto again = bench.run_for(3s);
  EXPECT_FALSE(again.jobs.contains("load"));  // Once.
}

WORLD_TEST(Supervisor, RunsThatWereOverLongAgoLeaveTheStateAndWhatComesFirstIsNotRunAgain) {
  Bench bench(runtime, files, "");
  bench.write("pipeline.toml",
              "[pipeline]\nname = \"shop\"\nkeep_runs = \"1h\"\n[store.shop]\nurl = \"sqlite:{work}/shop.db\"\n" +
                  noting("load", "schedule = \"@first\"") + noting("tick", "schedule = \"every 10m\""));
  const auto summary = bench.run_for(190min);
  EXPECT_GE(summary.jobs.at("tick").completed, 18U);
  EXPECT_EQ(summary.jobs.at("load").completed, 1U);
  const auto state = bench.state();
  EXPECT_LE(state->one<std::int64_t>("select count(*) from tidelock_run"), 10);
  EXPECT_EQ(state->one<std::int64_t>("select count(*) from tidelock_run where job = 'load'"), 1);
  EXPECT_FALSE(bench.run_for(30s).jobs.contains("load"));
}

WORLD_TEST(Supervisor, IfWhatComesFirstFailsNothingElseBeginsAndTheNextStartTriesAgain) {
  Bench bench(runtime, files,
              noting("load", "schedule = \"@first\"") + noting("tick", "schedule = \"every 1s\"") +
                  "\n[service.web]\ncommand = [\"web\"]\n");
  bench.write("note.sql", "insert into nowhere values (1);");
  auto summary = bench.run_for(10s);
  EXPECT_EQ(summary.jobs.at("load").failed, 1U);
  EXPECT_FALSE(summary.jobs.contains("tick"));
  EXPECT_THAT(bench.host().whats(), ElementsAre());
  EXPECT_THAT(bench.said, Contains(HasSubstr("job load comes before all others, and failed")));

  bench.write("note.sql", "create table if not exists note (at text); insert into note values ($now);");
  summary = bench.run_for(10s);
  EXPECT_EQ(summary.jobs.at("load").completed, 1U);
  EXPECT_GT(summary.jobs.at("tick").completed, 5U);
}

WORLD_TEST(Supervisor, ARunByHandOfAJobThatComesFirstDoesNotStandForItWhateverCameOfIt) {
  for (const bool fails : {false, true}) {
    const base::Path folder(fails ? "/failed" : "/completed");
    Bench bench(runtime, files, noting("load", "schedule = \"@first\"") + noting("close", "schedule = \"0 0 * * *\""),
                folder);
    if (fails) bench.write("note.sql", "insert into nowhere values (1);");
    EXPECT_EQ(bench.run_once("load").all().failed, fails ? 1U : 0U);
    bench.write("note.sql", "create table if not exists note (at text); insert into note values ($now);");
    auto summary = bench.replay("2018-01-03..2018-01-04");
    EXPECT_TRUE(summary.complete);
    EXPECT_EQ(summary.jobs["load"].completed, 1U);
    EXPECT_EQ(summary.jobs["close"].completed, 2U) << folder;
    EXPECT_EQ(bench.state()->one<std::int64_t>("select count(*) from tidelock_run where job = 'load'"), 2);
  }
}

WORLD_TEST(Supervisor, IfWhatComesFirstWasStoppedItIsSaidAndOnlyAnOperatorContinuesIt) {
  const auto jobs = noting("load", "schedule = \"@first\"") + noting("tick", "schedule = \"every 1s\"");
  Bench bench(runtime, files, jobs);
  bench.write("note.sql", "insert into nowhere values (1);");
  bench.run_for(5s);
  bench.state()->execute("update tidelock_run set status = 'stopped'");
  bench.write("note.sql", "create table if not exists note (at text); insert into note values ($now);");
  EXPECT_EQ(bench.run_for(10s).all().runs, 0U);
  EXPECT_THAT(bench.said, Contains(HasSubstr("job load comes before all others, and was stopped; continue it by "
                                             "`tidelock batch resume 1`")));
  EXPECT_EQ(bench.resume(1).jobs.at("load").completed, 1U);
  EXPECT_GT(bench.run_for(10s).jobs.at("tick").completed, 5U);
}

WORLD_TEST(Supervisor, TheSpyWritesDownWhatTheStoresAreTold) {
  Bench bench(
      runtime, files,
      noting("tick", "schedule = \"* * * * *\"") + "\n[spy]\nproperties = \"spy.properties\"\nformat = \"json\"\n");
  bench.write("spy.properties", "driverlist=x\nlogfile=work/sql.log\n");
  bench.run_for(90s);
  const auto log = files.read("/p/work/sql.log");
  EXPECT_THAT(log, HasSubstr("insert into note values (?)\",\"values\":["));
  EXPECT_THAT(log, HasSubstr("\"job\":\"tick\",\"run\":\"1\",\"step\":\"note\",\"token\":"));
  EXPECT_THAT(bench.said, Contains(HasSubstr("spy.properties:1: driverlist means nothing here")));
}

WORLD_TEST(Supervisor, AFailedRunDoesNotEndThePipeline) {
  Bench bench(runtime, files,
              noting("good", "schedule = \"every 10s\"") +
                  "\n[job.bad]\nschedule = \"every 10s\"\nstore = \"shop\"\n[[job.bad.step]]\nname = \"s\"\nsql = "
                  "\"broken.sql\"\n");
  const auto summary = bench.run_for(35s);
  EXPECT_GE(summary.jobs.at("good").completed, 3U);
  EXPECT_GE(summary.jobs.at("bad").failed, 3U);
  EXPECT_THAT(bench.said, Contains(HasSubstr("bad: run")));
}

WORLD_TEST(Supervisor, ATriggeredJobRunsWithTheSameMoment) {
  Bench bench(runtime, files,
              "\n[job.close]\nschedule = \"0 0 * * *\"\n[[job.close.step]]\nname = \"t\"\ntrigger = \"report\"\n" +
                  noting("report", ""));
  const auto summary = bench.replay("2018-01-03..2018-01-04");
  EXPECT_EQ(summary.jobs.at("report").completed, 2U);
  EXPECT_THAT(bench.notes(), ElementsAre("2018-01-04 00:00:00.000000", "2018-01-05 00:00:00.000000"));
}

WORLD_TEST(Supervisor, AFullDiskOfTheReplicaIsSaidAndThePipelineRecovers) {
  Bench bench(runtime, files,
              noting("tick", "schedule = \"every 10s\"") +
                  "\n[[job.tick.step]]\nname = \"p\"\npublish = \"shop\"\nmax_attempts = 1\n");
  bench.disk_is_full = true;
  const auto space = runtime.spawn("space", [&](const std::stop_token&) {
    runtime.sleep_for(25s);
    bench.disk_is_full = false;
  });
  const auto summary = bench.run_for(65s);
  EXPECT_GE(summary.jobs.at("tick").failed, 2U);
  EXPECT_GE(summary.replicas_published, 3U);
  EXPECT_EQ(summary.replicas_published, static_cast<std::uint64_t>(bench.versions));
  EXPECT_EQ(summary.jobs.at("tick").completed, summary.replicas_published);
  EXPECT_THAT(bench.said, Contains(HasSubstr("no space is left")));
}

WORLD_TEST(Supervisor, ServicesAreStoppedAfterTheRuns) {
  Bench bench(runtime, files, noting("tick", "schedule = \"every 1s\"") + "\n[service.web]\ncommand = [\"web\"]\n");
  bench.run_for(5s);
  EXPECT_THAT(bench.host().whats(), ElementsAre("start web", "term web", "end web"));
}

WORLD_TEST(Supervisor, OneJobIsRunOnceWithWhatItTriggersAndNothingElse) {
  Bench bench(runtime, files,
              "\n[job.close]\n[[job.close.step]]\nname = \"t\"\ntrigger = \"report\"\n" + noting("report", "") +
                  noting("tick", "schedule = \"every 1s\"") + "\n[service.web]\ncommand = [\"web\"]\n");
  const auto summary = bench.run_once("close");
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(summary.jobs.at("close").completed, 1U);
  EXPECT_EQ(summary.jobs.at("report").completed, 1U);
  EXPECT_FALSE(summary.jobs.contains("tick"));
  EXPECT_THAT(bench.host().whats(), ElementsAre());
  EXPECT_THROW_CODE(bench.run_once("clos"), Code::not_found);
}

WORLD_TEST(Supervisor, ATriggeredRunThatCannotBeExecutedIsCountedAsFailed) {
  Bench bench(runtime, files,
              "\n[job.close]\n[[job.close.step]]\nname = \"t\"\ntrigger = \"report\"\n" + noting("report", ""));
  bench.when_said = [&](const Progress& progress) {
    if (progress.text.find("queued run 2 of report") == progress.text.npos) return;
    bench.state()->execute("delete from tidelock_run where id = 2");
  };
  const auto summary = bench.run_once("close");
  EXPECT_THAT(bench.said, Contains(HasSubstr("report: run 2 could not be executed: ")));
  EXPECT_EQ(summary.jobs.at("close").completed, 1U);
  EXPECT_EQ(summary.all().failed, 1U);
  EXPECT_EQ(summary.all().runs, 2U);
}

WORLD_TEST(Supervisor, ARunThatIsStoppedWhileItWaitsBehindAnotherIsNotExecuted) {
  Bench bench(runtime, files,
              "\n[job.slow]\nschedule = \"every 10s\"\n[[job.slow.step]]\nname = \"p\"\npublish = \"shop\"\n");
  bench.publishing_takes = 60s;  // Runs 2 and 3 are due meanwhile.
  const auto operating = runtime.spawn("operator", [&](const std::stop_token&) {
    runtime.sleep_for(45s);
    const auto state = bench.state();
    const auto locks = bench.toolkit().lock_backend("sqlite:/p/work/state.db");
    for (const batch::RunId run : {2, 3}) {
      EXPECT_TRUE(batch::Runs(*state).request_stop(run, *locks, runtime.in(1s)));
    }
  });
  bench.run_for(200s);
  const auto state = bench.state();
  EXPECT_EQ(state->one<std::string>("select status from tidelock_run where id = 1"), "completed");
  EXPECT_EQ(state->one<std::int64_t>("select count(*) from tidelock_run where id in (2, 3) and status = 'stopped'"), 2);
  EXPECT_EQ(state->one<std::int64_t>("select executions from tidelock_run where id = 3"), 0);
}

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

WORLD_TEST(Supervisor, AStateThatIsNoDatabaseIsOneClearError) {
  Bench bench(runtime, files, noting("tick", "schedule = \"every 10s\""));
  files.create_folders("/p/work");
  files.write_atomically("/p/work/state.db", std::string(8192, 'x'));
  EXPECT_THROW_CODE(bench.run_for(1s), Code::not_a_database);
  EXPECT_THAT(bench.host().whats(), ElementsAre());
}

}  // namespace
}  // namespace tidelock::pipeline

// The loop of `tidelock run`, in virtual time, on SQLite files of a simulated disk.
#include "tidelock/pipeline/supervisor.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

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

WORLD_TEST(Supervisor, AStateThatIsNoDatabaseIsOneClearError) {
  Bench bench(runtime, files, noting("tick", "schedule = \"every 10s\""));
  files.create_folders("/p/work");
  files.write_atomically("/p/work/state.db", std::string(8192, 'x'));
  EXPECT_THROW_CODE(bench.run_for(1s), Code::not_a_database);
  EXPECT_THAT(bench.host().whats(), ElementsAre());
}

}  // namespace
}  // namespace tidelock::pipeline

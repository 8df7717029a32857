// `tidelock run` with real processes: stopped, killed, run twice, with mistakes.
#include "tidelock/cli/pipeline_run.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tidelock/base/process_info.h"
#include "tidelock/cli/testing/program.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using testing::Ended;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Running;

constexpr std::string_view kHead = R"(
[pipeline]
name = "shop"

[store.shop]
url = "sqlite:{work}/shop.db"
)";

// One row a transaction: long enough to be stopped in the middle.
constexpr std::string_view kLoad = R"(
[record.sale]
fields = ["id integer", "amount decimal"]

[job.load]
schedule = "@first"
store = "shop"

[[job.load.step]]
name = "schema"
sql = "schema.sql"

[[job.load.step]]
name = "sales"
csv = "sales.csv"
record = "sale"
insert = "sales"
chunk = 1
)";

constexpr int kRows = 1500;

class PipelineRunTest : public testing::ProgramTest {
 protected:
  void write(const std::string& name, std::string_view text) { files_.write_atomically(folder_ / name, text); }

  void write_load(std::string_view more = {}) {
    std::string csv = "id,amount\n";
    for (int id = 1; id <= kRows; ++id) csv += fmt::format("{},{}.50\n", id, id);
    write("sales.csv", csv);
    write("schema.sql", "create table sales (id integer, amount text);");
    write("pipeline.toml", fmt::format("{}{}{}", kHead, kLoad, more));
  }

  std::unique_ptr<sql::Database> database(const std::string& name) {
    return sql::open(runtime_, files_, base::Url::parse("sqlite:" + (folder_ / "work" / name).string()));
  }
  std::int64_t sales() {
    if (!files_.info(folder_ / "work/shop.db")) return 0;
    const auto shop = database("shop.db");
    const auto exists = shop->one<std::int64_t>("select count(*) from sqlite_master where name = 'sales'");
    return exists == 0 ? 0 : shop->one<std::int64_t>("select count(*) from sales");
  }

  Running start_run(Arguments options = {}) {
    options.insert(options.begin(), "run");
    return start(tidelock(options));
  }
  Ended run_once(const Arguments& options) {
    Arguments arguments{"run"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(tidelock(arguments));
  }

  bool says(const Running& running, const std::string& text) {
    const auto said = eventually(runtime_, [&] { return running.err().find(text) != std::string::npos; });
    if (!said) ADD_FAILURE() << "did not say " << text << ": " << running.err();
    return static_cast<bool>(said);
  }
  bool runs(const std::string& pid_file) { return base::process_start_time(std::stoi(file(pid_file))).has_value(); }
};

TEST_F(PipelineRunTest, StartsNothingWhileThereIsAMistake) {
  write("pipeline.toml",
        fmt::format("{}\n[job.a]\nschedul = \"@daily\"\n[[job.a.step]]\nname = \"s\"\nsql = \"s.sql\"\n"
                    "[service.web]\ncommand = [\"sh\", \"-c\", \"touch started\"]\n",
                    kHead));
  const auto ended = run(tidelock({"run"}));
  EXPECT_EQ(ended.status.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("pipeline.toml:9: job.a.schedul: unknown key: did you mean schedule?\n"));
  EXPECT_THAT(ended.err, HasSubstr("pipeline.toml:10: job.a.s: the job has no store to work on"));
  EXPECT_THAT(ended.err, HasSubstr("nothing was started: 3 mistakes"));
  EXPECT_FALSE(files_.info(folder_ / "work"));
  EXPECT_FALSE(files_.info(folder_ / "started"));

  const auto json = nlohmann::json::parse(run(tidelock({"run", "--json"})).err);
  EXPECT_EQ(json.at("error").at("mistakes").size(), 3U);
  EXPECT_EQ(json.at("error").at("exit"), 2);
}

TEST_F(PipelineRunTest, SaysThatThereIsNoFile) {
  const auto ended = run(tidelock({"run", "none.toml"}));
  EXPECT_EQ(ended.status.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("none.toml"));
  EXPECT_THAT(ended.err, HasSubstr("[not_found]"));
}

TEST_F(PipelineRunTest, ADryRunSaysWhatWouldRunAndMakesNothing) {
  write_load(
      "\n[job.nightly]\nschedule = \"0 3 * * *\"\nstore = \"shop\"\n[[job.nightly.step]]\nname = \"s\"\nsql = "
      "\"schema.sql\"\n");
  const auto plan = nlohmann::json::parse(run(tidelock({"run", "--dry-run", "--json"})).out);
  EXPECT_EQ(plan.at("pipeline"), "shop");
  EXPECT_EQ(plan.at("jobs").size(), 2U);
  EXPECT_EQ(plan.at("next").size(), 10U);
  EXPECT_EQ(plan.at("next").at(0).at("job"), "nightly");
  EXPECT_FALSE(files_.info(folder_ / "work"));
  EXPECT_THAT(run(tidelock({"run", "--dry-run"})).out, HasSubstr("pipeline shop is right"));
}

TEST_F(PipelineRunTest, SigtermDrainsAndTheNextStartContinuesAtTheNextChunk) {
  write_load();
  {
    auto running = start_run();
    ASSERT_TRUE(eventually(runtime_, [&] { return sales() > 5; })) << running.err();
    running.child().signal(SIGTERM);
    const auto ended = running.wait();
    EXPECT_TRUE(ended.status.ok()) << ended.status.to_string() << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("draining"));
  }
  const auto before = sales();
  EXPECT_LT(before, kRows);
  EXPECT_EQ(database("state.db")->one<std::string>("select status from tidelock_run"), "interrupted");

  auto running = start_run({"--json"});
  ASSERT_TRUE(eventually(runtime_, [&] { return sales() == kRows; })) << running.err();
  ASSERT_TRUE(says(running, "load: run 1 completed"));
  running.child().signal(SIGINT);
  const auto ended = running.wait();
  EXPECT_TRUE(ended.status.ok()) << ended.err;
  const auto summary = nlohmann::json::parse(ended.out);
  EXPECT_EQ(summary.at("completed"), 1);
  EXPECT_EQ(summary.at("jobs").at("load").at("rows_written"), kRows);
  EXPECT_EQ(sales(), kRows);
}

TEST_F(PipelineRunTest, AfterAKillTheNextStartContinuesAtOnceAndNoRowIsThereTwice) {
  write_load();
  {
    auto running = start_run();
    ASSERT_TRUE(eventually(runtime_, [&] { return sales() > 5; })) << running.err();
    running.child().signal(SIGKILL);
    running.wait();
  }
  EXPECT_LT(sales(), kRows);
  const auto began = runtime_.now();
  auto running = start_run();
  ASSERT_TRUE(says(running, "run 1, which was running, is continued"));
  EXPECT_LT(runtime_.now() - began, 9s);  // Not after the leases, which live for 10 s.
  ASSERT_TRUE(says(running, "load: run 1 completed"));
  running.child().signal(SIGTERM);
  running.wait();
  EXPECT_EQ(database("shop.db")->one<std::int64_t>("select count(distinct id) from sales"), kRows);
  EXPECT_EQ(sales(), kRows);
}

TEST_F(PipelineRunTest, ASecondOneIsRefusedAndNamesTheFirst) {
  write_load();
  auto first = start_run();
  ASSERT_TRUE(says(first, "load: "));
  const auto second = run(tidelock({"run"}));
  EXPECT_EQ(second.status.code, 75);
  EXPECT_THAT(second.err, HasSubstr(fmt::format("pipeline \"shop\" is run by process {} on ", first.child().pid())));
  EXPECT_THAT(second.err, HasSubstr("stop that one first"));
  first.child().signal(SIGTERM);
  EXPECT_TRUE(first.wait().status.ok());
}

// A service that ignores SIGTERM, and a daemon of it that does too.
constexpr std::string_view kServices = R"(
[service.stubborn]
command = ["sh", "-c", "trap '' TERM; (setsid sh -c 'echo $$ > daemon; while :; do sleep 0.05; done' &) ; echo $$ > stubborn; while :; do sleep 0.05; done"]
stop_timeout = "300ms"

[service.failing]
command = ["sh", "-c", "echo said by $$; echo x >> starts; exit 3"]
backoff = "10ms..20ms"
)";

TEST_F(PipelineRunTest, ServicesAreKeptRunningAndStoppedWithAllTheyStarted) {
  write("pipeline.toml", fmt::format("{}{}", kHead, kServices));
  auto running = start_run();
  EXPECT_TRUE(eventually(
      runtime_, [&] { return files_.info(folder_ / "starts") && files_.read(folder_ / "starts").size() >= 6; }));
  EXPECT_TRUE(says(running, "failing | said by "));
  EXPECT_TRUE(says(running, "failing: ended: exit code 3"));
  EXPECT_TRUE(runs("stubborn") && runs("daemon"));
  running.child().signal(SIGTERM);
  const auto ended = running.wait();
  EXPECT_TRUE(ended.status.ok()) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("stubborn: stopped: killed by signal 9"));
  EXPECT_FALSE(runs("stubborn"));
  EXPECT_FALSE(runs("daemon"));
}

TEST_F(PipelineRunTest, ServicesEndWhenItIsKilled) {
  write("pipeline.toml", fmt::format("{}{}", kHead, kServices));
  auto running = start_run();
  ASSERT_TRUE(eventually(runtime_, [&] { return files_.info(folder_ / "daemon").has_value(); })) << running.err();
  EXPECT_TRUE(runs("stubborn") && runs("daemon"));
  running.child().signal(SIGKILL);
  running.wait();
  EXPECT_TRUE(eventually(runtime_, [&] { return !runs("stubborn") && !runs("daemon"); }));
}

TEST_F(PipelineRunTest, ASecondSignalDoesNotWaitForServices) {
  write("pipeline.toml",
        fmt::format("{}[service.slow]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; echo $$ > slow; while "
                    ":; do sleep 0.05; done\"]\nstop_timeout = \"1h\"\n",
                    kHead));
  auto running = start_run();
  ASSERT_TRUE(eventually(runtime_, [&] { return files_.info(folder_ / "slow").has_value(); })) << running.err();
  running.child().signal(SIGTERM);
  ASSERT_TRUE(says(running, "draining"));
  running.child().signal(SIGTERM);
  const auto ended = running.wait();
  EXPECT_TRUE(ended.status.ok()) << ended.status.to_string() << ended.err;
  EXPECT_FALSE(runs("slow"));
}

TEST_F(PipelineRunTest, AServiceWhoseGuardIsKilledLeavesNothingOfItsSessionBehind) {
  write("pipeline.toml", fmt::format("{}[service.web]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; [ -e child ] && exec "
                                     "sleep 1000; sleep 1000 & echo $PPID > guard; echo $! > child; wait\"]\n",
                                     kHead));
  auto running = start_run();
  ASSERT_TRUE(eventually(runtime_, [&] { return files_.info(folder_ / "child").has_value(); })) << running.err();
  EXPECT_TRUE(runs("child"));
  ASSERT_EQ(::kill(std::stoi(file("guard")), SIGKILL), 0);
  EXPECT_TRUE(eventually(runtime_, [&] { return !runs("child"); }));
  running.child().signal(SIGTERM);
  running.child().signal(SIGTERM);
  EXPECT_TRUE(running.wait().status.ok());
}

TEST_F(PipelineRunTest, ASecondSignalEndsAStatementThatWouldGoOnForAnHour) {
  write("endless.sql",
        "create table t (a integer);\n"
        "insert into t with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n;");
  write("pipeline.toml",
        fmt::format("{}[job.long]\nstore = \"shop\"\n[[job.long.step]]\nname = \"s\"\nsql = \"endless.sql\"\n", kHead));
  auto running = start_run({"--once", "long"});
  const auto begun = [&] {
    try {
      return files_.info(folder_ / "work/state.db") &&
             database("state.db")->one<std::int64_t>("select count(*) from tidelock_step where status = 'running'") ==
                 1;
    } catch (const Error&) {  // Its tables are being made.
      return false;
    }
  };
  ASSERT_TRUE(eventually(runtime_, begun)) << running.err();
  running.child().signal(SIGTERM);
  ASSERT_TRUE(says(running, "draining"));
  running.child().signal(SIGTERM);
  const auto ended = running.wait();
  EXPECT_EQ(ended.status, base::ExitStatus{}) << ended.status.to_string() << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("run 1 interrupted"));
  EXPECT_EQ(database("state.db")->one<std::string>("select status || ': ' || reason from tidelock_run"),
            "interrupted: step s: its process was told to end at once");
  EXPECT_EQ(database("shop.db")->one<std::int64_t>("select count(*) from sqlite_master where name = 't'"), 0);
}

TEST_F(PipelineRunTest, AServiceThatCannotBeStartedIsSaid) {
  write("no_program", "just text\n");
  write("pipeline.toml", fmt::format("{}[service.text]\ncommand = [\"./no_program\"]\n", kHead));
  auto running = start_run();
  EXPECT_TRUE(says(running, "error: text: "));
  running.child().signal(SIGTERM);
  EXPECT_TRUE(running.wait().status.ok());
}

TEST_F(PipelineRunTest, OneJobIsRunOnceAndItsEndIsTheExitCode) {
  write("good.sql", "create table if not exists t (at text); insert into t values ($now);");
  write("bad.sql", "insert into nowhere values (1);");
  std::string jobs;
  for (const auto* name : {"good", "bad"}) {
    jobs += fmt::format("\n[job.{0}]\nstore = \"shop\"\n[[job.{0}.step]]\nname = \"s\"\nsql = \"{0}.sql\"\n", name);
  }
  write("pipeline.toml", std::string(kHead) + jobs);
  EXPECT_EQ(run_once({"--once", "good"}).status.code, 0);
  const auto bad = run_once({"--once", "bad"});
  EXPECT_EQ(bad.status.code, 1);
  EXPECT_THAT(bad.err, HasSubstr("error: bad: run 2 failed in "));
  const auto why = bad.err.find("nowhere");  // Once, with the step.
  EXPECT_THAT(bad.err, HasSubstr(": step s: bad.sql:1: "));
  EXPECT_EQ(bad.err.find("error: ", bad.err.find("error: ") + 1), std::string::npos) << bad.err;
  EXPECT_NE(why, std::string::npos) << bad.err;
  EXPECT_THAT(run(tidelock({"batch", "show", "2"})).out, HasSubstr("nowhere"));
  const auto none = run_once({"--once", "god"});
  EXPECT_EQ(none.status.code, 1);
  EXPECT_THAT(none.err, HasSubstr("there is no job \"god\"; there are good and bad"));
}

TEST_F(PipelineRunTest, AStepThatWaitsForTheGroupOfItsOwnRunIsToldThatItWouldWaitForEver) {
  write("pipeline.toml",
        fmt::format("{}[group.books]\n[job.close]\ngroup = \"books\"\n[[job.close.step]]\nname = \"again\"\n"
                    "command = [\"sh\", \"-c\", \"exec $TIDELOCK lock run --group books -- touch never\"]\n"
                    "timeout = \"10s\"\n",
                    kHead));
  const auto ended = run_once({"--once", "close", "--verbose"});
  EXPECT_EQ(ended.status.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("[deadlock]"));
  EXPECT_THAT(ended.err, HasSubstr("sh\" ended with exit code 75"));
  EXPECT_FALSE(files_.info(folder_ / "never"));
}

#if TIDELOCK_HAVE_POSTGRES
TEST_F(PipelineRunTest, AStoreWhoseServerCannotBeReachedIsWaitedFor) {
  write("one.sql", "select 1;");
  write("pipeline.toml",
        "[pipeline]\nname = \"p\"\n[store.far]\nurl = \"postgres://app@127.0.0.1:1/shop\"\n[job.one]\nstore = "
        "\"far\"\n[[job.one.step]]\nname = \"s\"\nsql = \"one.sql\"\n");
  auto running = start_run({"--once", "one"});
  ASSERT_TRUE(says(running, "warning: far: waits: "));
  running.child().signal(SIGTERM);
  const auto ended = running.wait();
  EXPECT_THAT(ended.err, HasSubstr("one: run 1 interrupted"));
}
#endif

TEST_F(PipelineRunTest, ACorruptStateIsOneErrorAndNothingIsStarted) {
  write("pipeline.toml", fmt::format("{}[service.web]\ncommand = [\"sh\", \"-c\", \"touch started\"]\n", kHead));
  files_.create_folders(folder_ / "work");
  write("work/state.db", std::string(8192, 'x'));
  const auto ended = run(tidelock({"run"}));
  EXPECT_EQ(ended.status.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("state.db"));
  EXPECT_THAT(ended.err, HasSubstr("[not_a_database]"));
  EXPECT_FALSE(files_.info(folder_ / "started"));
}

#if TIDELOCK_HAVE_DUCKDB
TEST_F(PipelineRunTest, AMasterThatAnotherProcessHasLockedIsWaitedForAndTheProcessNamed) {
  write("tick.sql", "create table if not exists t (moment timestamp); insert into t values ($now);");
  write(
      "pipeline.toml",
      "[pipeline]\nname = \"p\"\n[store.m]\nurl = \"duckdb:m.db\"\n[job.tick]\nstore = \"m\"\n[[job.tick.step]]\nname "
      "= \"s\"\nsql = \"tick.sql\"\n");
  auto foreign = sql::open(runtime_, files_, base::Url::parse("duckdb:" + (folder_ / "m.db").string()));
  foreign->execute("create table mine (a integer)");
  auto running = start_run({"--once", "tick"});
  ASSERT_TRUE(says(running, "warning: m: waits: "));
  EXPECT_THAT(running.err(), HasSubstr(fmt::format("process {} (\"{}", ::getpid(),
                                                   base::process_command_line(::getpid()).substr(0, 20))));
  foreign.reset();
  const auto ended = running.wait();
  EXPECT_TRUE(ended.status.ok()) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("m: is free"));
}

TEST_F(PipelineRunTest, AMasterIsFreeForOthersBetweenRuns) {
  write("tick.sql", "create table if not exists t (moment timestamp); insert into t values ($now);");
  write("pipeline.toml",
        "[pipeline]\nname = \"p\"\n[store.m]\nurl = \"duckdb:m.db\"\n[job.tick]\nschedule = \"@first\"\nstore = "
        "\"m\"\n[[job.tick.step]]\nname = \"s\"\nsql = \"tick.sql\"\n");
  auto running = start_run();
  ASSERT_TRUE(says(running, "tick: run 1 completed"));
  EXPECT_TRUE(eventually(runtime_, [&] {
    try {
      const auto other = sql::open(runtime_, files_, base::Url::parse("duckdb:" + (folder_ / "m.db").string()));
      return other->one<std::int64_t>("select count(*) from t") == 1;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::database_locked) << error.what();
      return false;
    }
  }));
  running.child().signal(SIGTERM);
  EXPECT_TRUE(running.wait().status.ok());
}
#endif

}  // namespace
}  // namespace tidelock::cli

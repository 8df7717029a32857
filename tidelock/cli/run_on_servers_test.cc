// `tidelock run` with real processes, whose state and store are a database of a server.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/cli/testing/program.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/sql/testing/turn.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using ::testing::HasSubstr;
using testing::Running;

constexpr int kJobs = 4;
constexpr int kRowsOfStore = 1500;

class RunOnServersTest : public testing::ProgramTest, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    TIDELOCK_NEEDS(sql::testing::why_not_here(GetParam()));
    own_.emplace(runtime_, files_, sql::testing::server_variable(GetParam()));
    db_ = sql::open(runtime_, files_, own_->url());
  }

  void write(const std::string& name, std::string_view text) { files_.write_atomically(folder_ / name, text); }

  std::string head(std::string_view name) const {
    auto url = own_->url();
    if (!user_.empty()) url.user = user_;
    return fmt::format("[pipeline]\nname = \"{0}\"\nstate = \"{1}\"\n\n[store.shop]\nurl = \"{1}\"\n", name,
                       url.to_string());
  }

  // Jobs that are due each second, and note the moment that they stand for.
  void write_ticking(const std::string& name) {
    auto text = head(name);
    for (int job = 1; job <= kJobs; ++job) {
      write(fmt::format("tick{}.sql", job), fmt::format("insert into ticks (job, at) values ({}, $now);", job));
      text += fmt::format(
          "\n[job.tick{0}]\nschedule = \"every 1s\"\nstore = \"shop\"\nmissed = \"all\"\n"
          "[[job.tick{0}.step]]\nname = \"tick\"\nsql = \"tick{0}.sql\"\n",
          job);
    }
    write(name + ".toml", text);
  }
  void make_ticks() {
    db_->execute(
        fmt::format("create table ticks (job integer, at {})", db_->dialect().column_type(sql::Kind::timestamp)));
  }

  std::int64_t count(std::string_view sql) { return db_->one<std::int64_t>(sql); }
  std::int64_t ticks() { return count("select count(*) from ticks"); }
  // Leases of a process that was killed live for 10 s more.
  ::testing::AssertionResult in_a_minute(const std::function<bool()>& holds) {
    const auto deadline = runtime_.in(60s);
    while (!deadline.passed(runtime_.now())) {
      if (holds()) return ::testing::AssertionSuccess();
      runtime_.sleep_for(20ms);
    }
    return ::testing::AssertionFailure();
  }
  // Until so many were noted.
  void await_ticks(std::int64_t wanted, const Running& running) {
    ASSERT_TRUE(in_a_minute([&] { return ticks() >= wanted; })) << ticks() << " of " << wanted << ": " << running.err();
  }

  // Each moment of each job once, none left out between the first and the last.
  void check_ticks() {
    for (int job = 1; job <= kJobs; ++job) {
      auto connection = db_->connect();
      std::vector<sql::Timestamp> at;
      for (const auto row : connection.query("select at from ticks where job = ? order by at", job)) {
        at.push_back(row.get<sql::Timestamp>(0));
      }
      for (std::size_t i = 1; i < at.size(); ++i) EXPECT_EQ(at[i] - at[i - 1], 1s) << "job " << job << ", tick " << i;
    }
    const auto completed = count("select count(*) from tidelock_run where status = 'completed'");
    EXPECT_EQ(ticks(), completed);
    EXPECT_EQ(count("select count(*) from tidelock_run where status not in ('completed', 'queued', 'interrupted')"), 0);
  }

  bool says(const Running& running, const std::string& text) {
    const auto said = eventually(runtime_, [&] { return running.err().find(text) != std::string::npos; });
    if (!said) ADD_FAILURE() << "did not say " << text << ": " << running.err();
    return static_cast<bool>(said);
  }
  void end(Running& running) {
    running.child().signal(SIGTERM);
    const auto ended = running.wait();
    EXPECT_TRUE(ended.status.ok()) << ended.status.to_string() << ended.err;
  }

  std::int64_t lost_updates(bool in_group);

  std::optional<sql::testing::OwnDatabase> own_;
  std::unique_ptr<sql::Database> db_;
  std::string user_;  // Of the pipeline, where it is another.
};

TEST_P(RunOnServersTest, TwoSchedulersOnOneStateStartEachDueRunOnceAlsoWhenOneIsKilled) {
  make_ticks();
  write_ticking("north");
  write_ticking("south");
  auto north = start(tidelock({"run", "north.toml"}));
  auto south = start(tidelock({"run", "south.toml"}));
  await_ticks(6 * kJobs, south);
  // Both are at it.
  EXPECT_TRUE(eventually(runtime_, [&] { return count("select count(distinct pid) from tidelock_run") == 2; }));
  north.child().signal(SIGKILL);
  north.wait();
  await_ticks(25 * kJobs, south);  // Among them those whose runs the dead one had begun.
  end(south);
  check_ticks();
}

TEST_P(RunOnServersTest, AStandbyTakesOverWhenTheOneThatRunsIsKilled) {
  make_ticks();
  write_ticking("shop");
  auto first = start(tidelock({"run", "shop.toml", "--standby"}));
  await_ticks(3 * kJobs, first);
  auto second = start(tidelock({"run", "shop.toml", "--standby"}));
  ASSERT_TRUE(says(second, fmt::format("stands by: the pipeline is run by process {} on ", first.child().pid())));
  const auto refused = run(tidelock({"run", "shop.toml"}));
  EXPECT_EQ(refused.status.code, 75);
  EXPECT_THAT(refused.err, HasSubstr("--standby"));
  first.child().signal(SIGKILL);
  first.wait();
  const auto before = ticks();
  await_ticks(before + 10 * kJobs, second);
  end(second);
  check_ticks();
}

TEST_P(RunOnServersTest, AStandbyEndsWhenItIsTold) {
  make_ticks();
  write_ticking("shop");
  auto first = start(tidelock({"run", "shop.toml"}));
  await_ticks(1, first);
  auto second = start(tidelock({"run", "shop.toml", "--standby"}));
  ASSERT_TRUE(says(second, "stands by: "));
  end(second);
  end(first);
}

TEST_P(RunOnServersTest, ARunThatIsKilledInAChunkGoesOnAndNoRowIsThereTwiceOrMissing) {
  std::string csv = "id,amount\n";
  for (int id = 1; id <= kRowsOfStore; ++id) csv += fmt::format("{},{}.50\n", id, id);
  write("sales.csv", csv);
  // No key: a row that was written twice would be there twice.
  db_->execute("create table sales (id integer, amount decimal(12, 2))");
  write("shop.toml", head("shop") +
                         "[record.sale]\nfields = [\"id integer\", \"amount decimal\"]\n"
                         "[job.load]\nschedule = \"@first\"\nstore = \"shop\"\n"
                         "[[job.load.step]]\nname = \"sales\"\ncsv = \"sales.csv\"\nrecord = \"sale\"\n"
                         "insert = \"sales\"\nchunk = 1\n");
  const auto sales = [&] { return count("select count(*) from sales"); };
  std::int64_t before = 0;
  for (int kill = 0; kill < 2; ++kill) {
    auto running = start(tidelock({"run", "shop.toml"}));
    ASSERT_TRUE(in_a_minute([&] { return sales() > before + 20; })) << running.err();
    running.child().signal(SIGKILL);
    running.wait();
    before = sales();
    ASSERT_LT(before, kRowsOfStore);
  }
  auto running = start(tidelock({"run", "shop.toml"}));
  const auto completed = [&] { return running.err().find("load: run 1 completed") != std::string::npos; };
  ASSERT_TRUE(in_a_minute(completed)) << running.err();
  end(running);
  EXPECT_EQ(sales(), kRowsOfStore);
  EXPECT_EQ(count("select count(distinct id) from sales"), kRowsOfStore);
  EXPECT_EQ(count("select executions from tidelock_run where id = 1"), 3);
  EXPECT_EQ(count("select rows_written from tidelock_step where run = 1 and place = 0"), kRowsOfStore);
}

TEST_P(RunOnServersTest, TheBatchCommandsReadAndStopWhatIsThere) {
  make_ticks();
  write("one.sql", "insert into ticks (job, at) values (1, $now);");
  write("pipeline.toml", head("shop") +
                             "[job.one]\nstore = \"shop\"\n[[job.one.step]]\nname = \"one\"\nsql = \"one.sql\"\n"
                             "[job.slow]\n[[job.slow.step]]\nname = \"sleep\"\ncommand = [\"sleep\", \"1000\"]\n");
  EXPECT_TRUE(run(tidelock({"batch", "run", "one"})).status.ok());
  auto slow = start(tidelock({"batch", "run", "slow"}));
  ASSERT_TRUE(eventually(runtime_, [&] {
    return count("select count(*) from tidelock_step where name = 'sleep' and status = 'running'") == 1;
  })) << slow.err();
  EXPECT_THAT(run(tidelock({"batch", "history", "--json"})).out, HasSubstr("\"running\""));
  EXPECT_THAT(run(tidelock({"batch", "list"})).out, HasSubstr("slow"));
  EXPECT_THAT(run(tidelock({"batch", "show", "1"})).out, HasSubstr("completed"));
  EXPECT_THAT(run(tidelock({"batch", "stop", "2"})).out, HasSubstr("was asked to stop"));
  slow.wait();
  EXPECT_EQ(db_->one<std::string>("select status from tidelock_run where id = 2"), "stopped");
}

// The incident: one job has read the open rows, another one closes the day, the first one writes back what it has read.
// Both are processes of their own. Returns how many rows of the closed day are wrong.
std::int64_t RunOnServersTest::lost_updates(bool in_group) {
  db_->execute("create table stats (id integer primary key, team integer, d integer, value integer, closed integer)");
  db_->execute("insert into stats values (1, 1, 1, 1, 0), (2, 2, 1, 1, 0), (3, 3, 1, 1, 0), (4, 4, 1, 1, 0)");
  db_->execute("create table passing (id integer, value integer)");
  write("read.sql", "insert into passing (id, value) select id, d * 1000 + 7 from stats where closed = 0;");
  write("write.sql",
        "update stats set value = (select value from passing where passing.id = stats.id) "
        "where id in (select id from passing);");
  write("close.sql",
        "update stats set value = d * 1000, closed = 1 where closed = 0;"
        "insert into stats (id, team, d, value, closed) select id + 100, team, d + 1, 1, 0 from stats where d = 1;");
  const std::string group = in_group ? "group = \"stats\"\n" : "";
  write("pipeline.toml",
        head("shop") + (in_group ? "[group.stats]\n" : "") +
            fmt::format("[job.refresh]\nstore = \"shop\"\n{0}"
                        "[[job.refresh.step]]\nname = \"read\"\nsql = \"read.sql\"\n"
                        "[[job.refresh.step]]\nname = \"think\"\n"
                        "command = [\"sh\", \"-c\", \"touch {1}/read; until [ -e {1}/go ]; do sleep 0.01; done\"]\n"
                        "[[job.refresh.step]]\nname = \"write\"\nsql = \"write.sql\"\n"
                        "[job.close_day]\nstore = \"shop\"\n{0}"
                        "[[job.close_day.step]]\nname = \"close\"\nsql = \"close.sql\"\n",
                        group, folder_.path().string()));
  const auto completed = [](const testing::Ended& ended) { EXPECT_TRUE(ended.status.ok()) << ended.err; };
  auto refresh = start(tidelock({"batch", "run", "refresh"}));
  EXPECT_TRUE(eventually(runtime_, [&] { return files_.info(folder_ / "read").has_value(); })) << refresh.err();
  auto close = start(tidelock({"batch", "run", "close_day"}));
  if (in_group) {
    EXPECT_TRUE(says(close, "waits for group/stats"));
  } else {
    completed(close.wait());
  }
  touch("go");
  completed(refresh.wait());
  if (in_group) completed(close.wait());
  EXPECT_EQ(count("select count(*) from stats where d = 1 and closed = 1"), 4);
  return count("select count(*) from stats where d = 1 and value <> 1000");
}

TEST_P(RunOnServersTest, WithoutAGroupTwoJobsThatOverlapSpoilTheRowsOfAClosedDay) { EXPECT_EQ(lost_updates(false), 4); }
TEST_P(RunOnServersTest, InOneGroupTwoJobsTakeTurnsAndNothingIsLost) { EXPECT_EQ(lost_updates(true), 0); }

// A server that nobody else uses meanwhile, and a user who may not write where it is read-only.
class RunInAFailoverTest : public RunOnServersTest {
 protected:
  void SetUp() override {
    TIDELOCK_NEEDS_VARIABLE(kServer);
    turn_.emplace(std::filesystem::path(std::getenv("TIDELOCK_TEST_MARIADB_PLAIN_PID")).parent_path());
    own_.emplace(runtime_, files_, kServer);
    db_ = sql::open(runtime_, files_, own_->url());
    user_ = "app";
  }
  void TearDown() override {
    if (db_ != nullptr) demote(false);
  }
  void demote(bool demoted) { db_->script(demoted ? "set global read_only = 1" : "set global read_only = 0"); }

 private:
  static constexpr auto kServer = "TIDELOCK_TEST_MARIADB_PLAIN";
  std::optional<sql::testing::Turn> turn_;
};

// As the address of a server does while another one takes over.
TEST_P(RunInAFailoverTest, AServerThatIsNotThePrimaryYetIsWaitedForByWhoRunsAndByWhoStandsBy) {
  make_ticks();
  write_ticking("shop");
  demote(true);
  auto first = start(tidelock({"run", "shop.toml", "--standby"}));
  ASSERT_TRUE(says(first, "stands by: the state: "));
  demote(false);
  await_ticks(3 * kJobs, first);
  auto second = start(tidelock({"run", "shop.toml", "--standby"}));
  ASSERT_TRUE(says(second, "stands by: the pipeline is run by "));

  demote(true);
  ASSERT_TRUE(says(first, "waits: the state: "));
  ASSERT_TRUE(says(second, "stands by: the state: "));
  demote(false);
  await_ticks(ticks() + 3 * kJobs, first);

  first.child().signal(SIGKILL);
  first.wait();
  await_ticks(ticks() + 3 * kJobs, second);
  ASSERT_TRUE(in_a_minute([&] {  // What the dead one was at is continued when its leases are over.
    return count(fmt::format("select count(*) from tidelock_run where status in ('waiting', 'running') and pid = {}",
                             first.child().pid())) == 0;
  })) << second.err();
  end(second);
  check_ticks();
}

INSTANTIATE_TEST_SUITE_P(Servers, RunInAFailoverTest, ::testing::Values("mariadb"),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Servers, RunOnServersTest, ::testing::Values("postgres", "mariadb"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tidelock::cli

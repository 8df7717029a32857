// Runs on the real Runtime: DuckDB, and programs.
#include <gmock/gmock.h>

#include <chrono>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/batch/testing/bench.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::job_of;
using testing::record_of;

class RealRunner : public ::testing::Test {
 protected:
  std::vector<std::string> output(Bench& bench, RunId run) {
    std::vector<std::string> lines;
    for (const auto& event : bench.history().show(run).events) {
      if (event.level == "output") lines.push_back(event.text);
    }
    return lines;
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder temp_;
};

#if TIDELOCK_HAVE_DUCKDB
TEST_F(RealRunner, DuckdbTakesInsertsUpsertsAndUpdatesAndSkipsWhatItRefuses) {
  Bench bench(runtime_, files_, temp_.path(), "duckdb");
  bench.store().execute("create table item (id integer primary key, price decimal(8,2) check (price < 1000))");
  std::string csv = "id,price\n";
  for (int i = 1; i <= 500; ++i) csv += std::to_string(i) + (i == 77 ? ",5000\n" : ",1.25\n");
  files_.write_atomically(temp_ / "items.csv", csv + "3,2\n");
  ChunkStep step{.source = CsvSource{temp_ / "items.csv"},
                 .record = record_of({"id integer", "price decimal"}),
                 .write = {.kind = Write::Kind::insert, .table = "item"},
                 .chunk_rows = 200,
                 .max_skips = 2};
  const auto loaded = bench.run(job_of(step));
  EXPECT_EQ(loaded.status, RunStatus::completed) << loaded.reason;
  EXPECT_EQ(loaded.rows_written, 499);
  const auto skips = bench.history().show(1).skips;
  ASSERT_EQ(skips.size(), 2);
  EXPECT_EQ(skips[0].place, "items.csv:78");
  EXPECT_EQ(skips[1].place, "items.csv:502");

  step.write = {.kind = Write::Kind::upsert, .table = "item", .key = {"id"}};
  const auto upserted = bench.run(job_of(step));  // The key 3 comes twice: the last one stays.
  EXPECT_EQ(upserted.status, RunStatus::completed) << upserted.reason;
  EXPECT_EQ(upserted.rows_written, 500);
  EXPECT_EQ(bench.store().one<double>("select price from item where id = 3"), 2.0);

  const auto doubled = bench.run(job_of(ChunkStep{
      .source = QuerySource{"double.sql", "select id, price * 2 as price from item where $today > date '1960-01-01'"},
      .write = {.kind = Write::Kind::update, .table = "item", .key = {"id"}},
      .chunk_rows = 50}));
  EXPECT_EQ(doubled.status, RunStatus::completed) << doubled.reason;
  EXPECT_EQ(bench.store().one<double>("select sum(price) from item"), 2 * (498 * 1.25 + 2));
}

TEST_F(RealRunner, DuckdbRunsAScriptInOneTransaction) {
  Bench bench(runtime_, files_, temp_.path(), "duckdb");
  const auto made = bench.run(job_of(SqlStep{"make.sql",
                                             "create table day (d date, t timestamp); create macro plus(x) as x + 1;\n"
                                             "insert into day select $yesterday, $now::timestamp where plus(1) = 2;"}));
  EXPECT_EQ(made.status, RunStatus::completed) << made.reason;
  EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from day where t - d = interval 1 day"), 1);
  const auto failed = bench.run(job_of(SqlStep{"bad.sql", "delete from day;\nselect nothing;"}));
  EXPECT_THAT(failed.reason, HasSubstr("bad.sql:2: "));
  EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from day"), 1);
}
#endif

TEST_F(RealRunner, AProgramSeesTheRunAndItsOutputIsKept) {
  Bench bench(runtime_, files_, temp_.path());
  const auto job = job_of(CommandStep{
      .argv = {"sh", "-c", "echo $TIDELOCK_JOB $TIDELOCK_RUN $TIDELOCK_TODAY $EXTRA; echo oops >&2; exit ${FAIL:-0}"},
      .env = {{"EXTRA", "more"}}});
  EXPECT_EQ(bench.run(job).status, RunStatus::completed);
  EXPECT_THAT(output(bench, 1), ::testing::UnorderedElementsAre("job 1 1970-01-01 more", "oops"));

  auto failing = job;
  std::get<CommandStep>(failing.steps[0].what).env["FAIL"] = "3";
  const auto failed = bench.run(failing);
  EXPECT_EQ(failed.status, RunStatus::failed);
  EXPECT_EQ(failed.reason, "\"sh\" ended with exit code 3");
  EXPECT_EQ(output(bench, 2).size(), 2);  // It ran once.
}

TEST_F(RealRunner, AProgramThatTakesTooLongIsEnded) {
  Bench bench(runtime_, files_, temp_.path());
  const auto result = bench.run(job_of(CommandStep{.argv = {"sleep", "1000"}, .timeout = 50ms}));
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_THAT(result.reason, HasSubstr("took too long"));
}

TEST_F(RealRunner, AProgramIsEndedWithTheProcess) {
  Bench bench(runtime_, files_, temp_.path());
  const auto job = job_of(CommandStep{.argv = {"sh", "-c", "echo begun; sleep 1000"}});
  std::stop_source stop;
  auto context = bench.context();
  context.progress = [&](const Progress& progress) {
    if (progress.text == "begun") stop.request_stop();
  };
  Runner runner(context);
  const auto result = runner.execute(bench.queue(job), job, stop.get_token());
  EXPECT_EQ(result->status, RunStatus::interrupted);
}

}  // namespace
}  // namespace tidelock::batch
#endif

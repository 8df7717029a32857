#include "tidelock/batch/runner.h"

#include <gmock/gmock.h>

#include <chrono>

#include "tidelock/base/unit_of_work.h"
#include "tidelock/batch/testing/bench.h"
#include "tidelock/lock/fence.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::job_of;
using testing::record_of;
using testing::write_file;

constexpr auto kItems = "create table item (id integer primary key, price decimal not null check (price < 1000))";

ChunkStep load_items(const base::Path& path = "/items.csv") {
  return {.source = CsvSource{path},
          .record = record_of({"id integer", "price decimal"}, {"price > 0"}),
          .write = {.kind = Write::Kind::insert, .table = "item"},
          .chunk_rows = 2};
}

std::vector<std::int64_t> ids(sql::Database& store) {
  std::vector<std::int64_t> result;
  auto connection = store.connect();
  for (const auto row : connection.query("select id from item order by id")) result.push_back(row.get<std::int64_t>(0));
  return result;
}

WORLD_TEST(Runner, LoadsAFileInChunks) {
  Bench bench(runtime, files);
  bench.store().execute(kItems);
  write_file(files, "/items.csv", "id,price\n1,1.50\n2,2\n3,3\n4,4\n5,5\n");
  const auto result = bench.run(job_of(load_items()));
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(result.rows_read, 5);
  EXPECT_EQ(result.rows_written, 5);
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 3, 4, 5));
  const auto details = bench.history().show(1);
  ASSERT_EQ(details.steps.size(), 1);
  EXPECT_EQ(details.steps[0].commits, 3);
  EXPECT_EQ(details.steps[0].status, "completed");
  EXPECT_EQ(details.run.executions, 1);
}

WORLD_TEST(Runner, RecordsBadRowsAndLoadsTheOthers) {
  Bench bench(runtime, files);
  bench.store().execute(kItems);
  write_file(files, "/items.csv", "id,price\n1,1\ntwo,2\n3,-3\n4,4,4\n5,5000\n1,6\n7,7\n");
  auto step = load_items();
  step.chunk_rows = 10;
  step.max_skips = 5;
  const auto result = bench.run(job_of(step));
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(result.rows_skipped, 5);
  EXPECT_EQ(result.rows_written, 2);
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 7));
  const auto skips = bench.history().show(1).skips;
  ASSERT_EQ(skips.size(), 5);
  EXPECT_EQ(skips[0].place, "items.csv:3");
  EXPECT_EQ(skips[0].record, "two,2");
  EXPECT_EQ(skips[0].error, "id must be of type integer (as 42), not \"two\"");
  EXPECT_EQ(skips[1].error, "price > 0 does not hold");
  EXPECT_EQ(skips[2].error, "it has 3 fields, not the 2 of the header");
  EXPECT_EQ(skips[3].position, 5);
  EXPECT_THAT(skips[3].error, HasSubstr("price"));
  EXPECT_THAT(skips[4].error, HasSubstr("item.id"));
}

WORLD_TEST(Runner, FailsAtOneBadRowTooManyAndGoesOnWhenTheFileIsRepaired) {
  Bench bench(runtime, files);
  bench.store().execute(kItems);
  write_file(files, "/items.csv", "id,price\n1,1\n2,2\n3,3\n4,x\n5,5\n");
  const auto job = job_of(load_items());
  const auto id = bench.queue(job);
  const auto failed = *bench.runner().execute(id, job);
  EXPECT_EQ(failed.status, RunStatus::failed);
  EXPECT_EQ(
      failed.reason,
      "items.csv:5: price must be of type decimal (as 12.34), not \"x\"; this is bad row 1, and max_skips allows 0");
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2));
  EXPECT_EQ(bench.history().show(id).skips.size(), 1);

  write_file(files, "/items.csv", "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
  const auto result = *bench.runner().execute(id, job);
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(result.rows_written, 5);
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(bench.history().show(id).skips, IsEmpty());
  EXPECT_FALSE(bench.runner().execute(id, job));  // It is over.
}

WORLD_TEST(Runner, DoesNotGoOnInAFileThatChangedBeforeTheCheckpoint) {
  Bench bench(runtime, files);
  bench.store().execute(kItems);
  write_file(files, "/items.csv", "id,price\n1,1\n2,2\n3,x\n");
  const auto job = job_of(load_items());
  const auto id = bench.queue(job);
  bench.runner().execute(id, job);
  write_file(files, "/items.csv", "id,price\n9,9\n1,1\n2,2\n3,3\n");
  const auto result = *bench.runner().execute(id, job);
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_THAT(result.reason, HasSubstr("the first 2 rows of items.csv are not those that this run has committed"));
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2));
}

WORLD_TEST(Runner, PassesOverWhatIsNotWanted) {
  Bench bench(runtime, files);
  bench.store().execute(kItems);
  write_file(files, "/items.csv", "id,price\n1,1\n2,\n3,3\n4,4\n");
  auto step = load_items();
  step.only = "id <> 2 and id < 4";
  const auto result = bench.run(job_of(step));
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(result.rows_passed_over, 2);
  EXPECT_EQ(result.rows_skipped, 0);
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 3));
}

WORLD_TEST(Runner, WritesByKey) {
  Bench bench(runtime, files);
  bench.store().execute(kItems);
  bench.store().execute("insert into item values (1, 10), (2, 20)");
  write_file(files, "/items.csv", "id,price\n1,11\n3,33\n");
  auto step = load_items();
  step.write = {.kind = Write::Kind::upsert, .table = "item", .key = {"id"}};
  EXPECT_EQ(bench.run(job_of(step)).status, RunStatus::completed);
  EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 11 + 20 + 33);

  write_file(files, "/items.csv", "id,price\n2,22\n4,44\n");
  step.write.kind = Write::Kind::update;
  step.max_skips = 1;
  const auto result = bench.run(job_of(step));
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(result.rows_written, 1);
  EXPECT_EQ(result.rows_skipped, 1);
  EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 11 + 22 + 33);
  EXPECT_EQ(bench.history().show(2).skips.at(0).error, "no row of item has this key");
}

WORLD_TEST(Runner, RunsAScriptInOneTransaction) {
  Bench bench(runtime, files);
  const auto result = bench.run(job_of(SqlStep{
      .name = "make.sql",
      .sql = "-- Makes it.\ncreate table day (day text, moment text);\ninsert into day values ($yesterday, $now);\n"}));
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(bench.store().one<std::string>("select day || ' ' || moment from day"),
            "1969-12-31 1970-01-01 00:00:00.000000");

  const auto failed = bench.run(job_of(SqlStep{.name = "bad.sql", .sql = "delete from day;\n\nselect nothing;\n"}));
  EXPECT_EQ(failed.status, RunStatus::failed);
  EXPECT_THAT(failed.reason, HasSubstr("bad.sql:3: "));
  EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from day"), 1);
}

WORLD_TEST(Runner, ReadsAQueryAndStartsItAnewWhenItGoesOnByKey) {
  Bench bench(runtime, files);
  bench.store().execute(kItems);
  bench.store().execute("insert into item values (1, 1), (2, 2), (3, 3)");
  const auto job = job_of(ChunkStep{.source = QuerySource{"double.sql", "select id, price * 2 as price from item"},
                                    .write = {.kind = Write::Kind::update, .table = "item", .key = {"id"}},
                                    .chunk_rows = 2});
  const auto result = bench.run(job);
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 12);
}

class WhoseStatements final : public sql::Observer {
 public:
  void on_statement(const sql::StatementEvent& event) noexcept override {
    if (event.sql.find("insert into seen") == event.sql.npos) return;
    if (const auto* work = base::kUnitOfWork.get(event.runtime)) seen.push_back(*work);
  }
  std::vector<base::UnitOfWork> seen;
};

WORLD_TEST(Runner, TellsWhatRunAndStepAStatementBelongsToAndUnderWhichToken) {
  Bench bench(runtime, files);
  bench.store().script("create table seen (a integer)");
  const auto observer = std::make_shared<WhoseStatements>();
  bench.store().observe(observer);
  const auto job = job_of(SqlStep{.name = "seen.sql", .sql = "insert into seen values (1)"}, "nightly");
  const auto id = bench.queue(job);
  EXPECT_EQ(bench.runner().execute(id, job)->status, RunStatus::completed);
  ASSERT_EQ(observer->seen.size(), 1U);
  const auto& work = observer->seen.front();
  EXPECT_EQ(work.job, "nightly");
  EXPECT_EQ(work.run, std::to_string(id));
  EXPECT_EQ(work.step, "step");
  auto connection = bench.store().connect();
  EXPECT_EQ(work.token, lock::last_token(connection, "job/nightly")->value);
  EXPECT_EQ(base::kUnitOfWork.get(runtime), nullptr);
}

WORLD_TEST(Runner, TriggersAnotherJobOnce) {
  Bench bench(runtime, files);
  auto job = job_of(TriggerStep{"report"});
  const auto id = bench.queue(job);
  EXPECT_EQ(bench.runner().execute(id, job)->status, RunStatus::completed);
  ASSERT_EQ(bench.queued().size(), 1);
  EXPECT_EQ(bench.history().show(bench.queued()[0]).run.caused_by, "run 1 of job");
  const auto pending = bench.runs().pending(bench.locks(), runtime.in(1s));
  ASSERT_EQ(pending.size(), 1);
  EXPECT_EQ(pending[0].job, "report");
}

}  // namespace
}  // namespace tidelock::batch
#endif

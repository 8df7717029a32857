// What runs do, on a store of each engine, with a state on each engine that can hold one.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/unit_of_work.h"
#include "tidelock/batch/conformance/engines.h"
#include "tidelock/batch/run_record.h"
#include "tidelock/batch/testing/before.h"
#include "tidelock/batch/testing/packed.h"
#include "tidelock/lock/fence.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch::conformance {
namespace {

using namespace std::chrono_literals;
using testing::Before;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::job_of;
using testing::record_of;

TIDELOCK_BATCH_CONFORMANCE(BatchRunner, stores_to_test());
TIDELOCK_BATCH_CONFORMANCE(BatchOnServers, servers_to_test());

constexpr auto kItems =
    "create table item (id integer primary key, price decimal(10, 2) not null check (price < 1000))";

void write_items(const Place& place, std::string_view csv) {
  place.files.write_atomically(place.folder / "items.csv", csv);
}

ChunkStep load_items(const Place& place) {
  return {.source = CsvSource{place.folder / "items.csv"},
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

class WhoseStatements final : public sql::Observer {
 public:
  void on_statement(const sql::StatementEvent& event) noexcept override {
    if (event.sql.find("insert into seen") == event.sql.npos) return;
    if (const auto* work = base::kUnitOfWork.get(event.runtime)) seen.push_back(*work);
  }
  std::vector<base::UnitOfWork> seen;
};

TEST_P(BatchRunner, LoadsAFileInChunks) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1.50\n2,2\n3,3\n4,4\n5,5\n");
    const auto result = bench.run(job_of(load_items(place)));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_read, 5);
    EXPECT_EQ(result.rows_written, 5);
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 3, 4, 5));
    const auto details = bench.history().show(1);
    ASSERT_EQ(details.steps.size(), 1);
    EXPECT_EQ(details.steps[0].commits, 3);
    EXPECT_EQ(details.steps[0].status, "completed");
    EXPECT_EQ(details.run.executions, 1);
  });
}

TEST_P(BatchRunner, RecordsBadRowsAndLoadsTheOthers) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\ntwo,2\n3,-3\n4,4,4\n5,5000\n1,6\n7,7\n");
    auto step = load_items(place);
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
    EXPECT_EQ(skips[4].position, 6);
    EXPECT_FALSE(skips[4].error.empty());
  });
}

TEST_P(BatchRunner, FailsAtOneBadRowTooManyAndGoesOnWhenTheFileIsRepaired) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,3\n4,x\n5,5\n");
    const auto job = job_of(load_items(place));
    const auto id = bench.queue(job);
    const auto failed = *bench.runner().execute(id, job);
    EXPECT_EQ(failed.status, RunStatus::failed);
    EXPECT_EQ(
        failed.reason,
        "items.csv:5: price must be of type decimal (as 12.34), not \"x\"; this is bad row 1, and max_skips allows 0");
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2));
    EXPECT_EQ(bench.history().show(id).skips.size(), 1);

    write_items(place, "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
    const auto result = *bench.runner().resume(id, job);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 5);
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_THAT(bench.history().show(id).skips, IsEmpty());
    EXPECT_FALSE(bench.runner().execute(id, job));  // It is over.
  });
}

TEST_P(BatchRunner, DoesNotGoOnInAFileThatChangedBeforeTheCheckpoint) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,x\n");
    const auto job = job_of(load_items(place));
    const auto id = bench.queue(job);
    bench.runner().execute(id, job);
    write_items(place, "id,price\n9,9\n1,1\n2,2\n3,3\n");
    const auto result = *bench.runner().resume(id, job);
    EXPECT_EQ(result.status, RunStatus::failed);
    EXPECT_THAT(result.reason, HasSubstr("the first 2 rows of items.csv are not those that this run has committed"));
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2));
  });
}

TEST_P(BatchRunner, PassesOverWhatIsNotWanted) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,\n3,3\n4,4\n");
    auto step = load_items(place);
    step.only = "id <> 2 and id < 4";
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_passed_over, 2);
    EXPECT_EQ(result.rows_skipped, 0);
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 3));
  });
}

TEST_P(BatchRunner, WritesByKey) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    bench.store().execute("insert into item values (1, 10), (2, 20)");
    write_items(place, "id,price\n1,11\n3,33\n");
    auto step = load_items(place);
    step.write = {.kind = Write::Kind::upsert, .table = "item", .key = {"id"}};
    EXPECT_EQ(bench.run(job_of(step)).status, RunStatus::completed);
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 11 + 20 + 33);

    write_items(place, "id,price\n2,22\n4,44\n");
    step.write.kind = Write::Kind::update;
    step.max_skips = 1;
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 1);
    EXPECT_EQ(result.rows_skipped, 1);
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 11 + 22 + 33);
    EXPECT_EQ(bench.history().show(2).skips.at(0).error, "no row of item has this key");
  });
}

// Somebody drops the table between two chunks.
TEST_P(BatchRunner, AMissingTableIsNoBadRow) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
    auto step = load_items(place);
    step.max_skips = 100;
    bench.state().observe(std::make_shared<Before>("set attempts", [&] { bench.store().execute("drop table item"); }));
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::failed);
    EXPECT_EQ(result.rows_skipped, 0);
    EXPECT_THAT(bench.history().show(1).skips, IsEmpty());
  });
}

TEST_P(BatchRunner, RunsAScriptInOneTransaction) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute("create table days (d date, t " + bench.store().dialect().column_type(sql::Kind::timestamp) +
                          ")");
    const auto result =
        bench.run(job_of(SqlStep{.name = "make.sql",
                                 .sql = "-- Makes it.\ninsert into days values ($yesterday, $now);\n"
                                        "insert into days select $today, t from days where d < $today;\n"}));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(bench.store().one<sql::Date>("select min(d) from days"), sql::Date{std::chrono::year{1969} / 12 / 31});
    EXPECT_EQ(bench.store().one<sql::Timestamp>("select max(t) from days"), sql::Timestamp());

    const auto failed =
        bench.run(job_of(SqlStep{.name = "bad.sql", .sql = "delete from days where 1 = 1;\n\nselect nothing;\n"}));
    EXPECT_EQ(failed.status, RunStatus::failed);
    EXPECT_THAT(failed.reason, HasSubstr("bad.sql:3: "));
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from days"), 2);
  });
}

// Elsewhere it would be committed by itself, and the fence and the checkpoint with it.
TEST_P(BatchRunner, AScriptMakesTablesWhereThatIsPartOfATransaction) {
  run([](const Place& place) {
    auto bench = place.bench();
    const auto result = bench.run(job_of(SqlStep{
        .name = "make.sql", .sql = "create table made (n integer);\ninsert into made values (1);\nselect nothing;"}));
    EXPECT_EQ(result.status, RunStatus::failed);
    EXPECT_THAT(result.reason, HasSubstr(bench.store().dialect().transactional_ddl ? "make.sql:3: " : "make.sql:1: "));
    EXPECT_THROW_CODE(bench.store().execute("insert into made values (2)"), Code::statement_invalid);
  });
}

TEST_P(BatchRunner, ReadsAQueryAndStartsItAnewWhenItGoesOnByKey) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    bench.store().execute("insert into item values (1, 1), (2, 2), (3, 3)");
    const auto job = job_of(ChunkStep{.source = QuerySource{"double.sql", "select id, price * 2 as price from item"},
                                      .write = {.kind = Write::Kind::update, .table = "item", .key = {"id"}},
                                      .chunk_rows = 2});
    const auto result = bench.run(job);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 12);
  });
}

// A run that is stopped passes over what it has committed.
TEST_P(BatchRunner, InsertsTheRowsOfAQueryOnceAlsoWhenItGoesOn) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    bench.store().execute("create table copied (id integer, price decimal(10, 2))");
    for (int id = 1; id <= 7; ++id) bench.store().execute("insert into item values (?, ?)", id, 10 * id);
    auto job = job_of(ChunkStep{.source = QuerySource{"copy.sql", "select id, price from item order by id"},
                                .write = {.kind = Write::Kind::insert, .table = "copied"},
                                .chunk_rows = 3});
    const auto id = bench.queue(job);
    std::stop_source stop;
    bench.state().observe(std::make_shared<Before>("set attempts", [&] { stop.request_stop(); }));
    EXPECT_EQ(bench.runner().execute(id, job, stop.get_token())->status, RunStatus::interrupted);
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from copied"), 3);
    const auto result = *bench.runner().execute(id, job);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from copied"), 7);
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from copied"), 280);
  });
}

TEST_P(BatchRunner, TellsWhatRunAndStepAStatementBelongsToAndUnderWhichToken) {
  run([](const Place& place) {
    auto bench = place.bench();
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
    EXPECT_EQ(base::kUnitOfWork.get(place.runtime), nullptr);
  });
}

TEST_P(BatchRunner, TriggersAnotherJobOnce) {
  run([](const Place& place) {
    auto bench = place.bench();
    auto job = job_of(TriggerStep{"report"});
    const auto id = bench.queue(job);
    EXPECT_EQ(bench.runner().execute(id, job)->status, RunStatus::completed);
    ASSERT_EQ(bench.queued().size(), 1);
    EXPECT_EQ(bench.history().show(bench.queued()[0]).run.caused_by, "run 1 of job");
    const auto pending = bench.runs().pending(bench.locks(), place.runtime.in(1s));
    ASSERT_EQ(pending.size(), 1);
    EXPECT_EQ(pending[0].job, "report");
  });
}

TEST_P(BatchRunner, ReadsPlainAndPackedFilesAlike) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    std::string first = "id,price\n";
    std::string second = first;
    std::string third = first;
    for (int i = 1; i <= 300; ++i) first += std::to_string(i) + ",1.25\n";
    for (int i = 301; i <= 600; ++i) second += std::to_string(i) + ",1.25\n";
    for (int i = 601; i <= 900; ++i) third += std::to_string(i) + ",1.25\n";
    auto step = load_items(place);
    step.chunk_rows = 100;
    for (const auto& file : {first, testing::gzip(second), testing::zstd(third)}) {
      write_items(place, file);
      const auto result = bench.run(job_of(step));
      EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
      EXPECT_EQ(result.rows_written, 300);
    }
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(distinct id) from item where price = 1.25"), 900);
  });
}

TEST_P(BatchRunner, InsertsUpsertsAndUpdatesManyRowsAndSkipsWhatTheEngineRefuses) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    std::string csv = "id,price\n";
    for (int i = 1; i <= 500; ++i) csv += std::to_string(i) + (i == 77 ? ",5000\n" : ",1.25\n");
    write_items(place, csv + "3,2\n");
    auto step = load_items(place);
    step.chunk_rows = 200;
    step.max_skips = 2;
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
        .source = QuerySource{"double.sql", "select id, price * 2 as price from item where $today > '1960-01-01'"},
        .write = {.kind = Write::Kind::update, .table = "item", .key = {"id"}},
        .chunk_rows = 50}));
    EXPECT_EQ(doubled.status, RunStatus::completed) << doubled.reason;
    EXPECT_EQ(bench.store().one<double>("select sum(price) from item"), 2 * (498 * 1.25 + 2));
  });
}

// Two rows of one chunk with one key, which some engines refuse in one statement.
TEST_P(BatchRunner, TheLastOfTwoRowsWithOneKeyStays) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    std::string csv = "id,price\n";
    for (int round = 1; round <= 3; ++round) {
      for (int i = 1; i <= 100; ++i) csv += std::to_string(i) + "," + std::to_string(round) + "\n";
    }
    write_items(place, csv);
    auto step = load_items(place);
    step.chunk_rows = 1000;
    step.write = {.kind = Write::Kind::upsert, .table = "item", .key = {"id"}};
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 300);
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from item where price = 3"), 100);
  });
}

// The slot is taken from a run between two of its chunks, and its successor has already written.
TEST_P(BatchRunner, AStaleRunIsRefusedByTheStore) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,3\n");
    auto job = job_of(load_items(place));
    job.group = Group{"books", 1};
    auto other = place.bench();
    const auto take_over = [&] {
      other.locks().break_key(group_key("books"), place.runtime.in(5s));
      lock::Mutex mutex(other.locks(), place.runtime, group_key("books"));
      const auto lease = mutex.try_acquire(place.runtime.in(5s));
      sql::transact(other.store(), [&](sql::Transaction& tx) {
        lock::fence(tx, group_key("books"), *lease);
        tx.execute("insert into item values (100, 100)");
      });
    };
    // Each first chunk records its progress when it is committed.
    bench.state().observe(std::make_shared<Before>("set attempts", take_over));
    auto context = bench.context();
    context.lease.ttl = 60s;  // It does not find out by itself.
    Runner runner(context);
    const auto result = *runner.execute(bench.queue(job), job);
    EXPECT_NE(result.status, RunStatus::completed);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->code(), Code::fenced) << result.reason;
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 100));
  });
}

// The run is taken from an execution in the middle of its step, and its successor completes it.
void expect_refused_after_takeover(
    const Place& place, const std::function<std::shared_ptr<sql::Observer>(std::function<void()> take_over)>& when) {
  auto bench = place.bench();
  bench.store().script("drop table if exists item");
  bench.store().execute(kItems);
  write_items(place, "id,price\n1,1\nx,2\n3,3\n4,4\n");
  auto step = load_items(place);
  step.max_skips = 1;
  const auto job = job_of(step);
  const auto id = bench.queue(job);
  auto other = place.bench();
  std::optional<RunResult> completed;
  bench.state().observe(when([&] {
    const auto uuid = other.state().one<std::string>("select uuid from tidelock_run where id = ?", id);
    other.locks().break_key(run_key(uuid), place.runtime.in(5s));
    other.locks().break_key(slot_key(job), place.runtime.in(5s));
    completed = other.runner().execute(id, job);
  }));
  auto context = bench.context();
  context.lease.ttl = 60s;  // It does not find out by itself.
  const auto result = *Runner(context).execute(id, job);
  ASSERT_TRUE(completed);
  EXPECT_EQ(completed->status, RunStatus::completed) << completed->reason;
  ASSERT_TRUE(result.error) << name(result.status);
  EXPECT_EQ(result.error->code(), Code::fenced) << result.reason;
  const auto details = bench.history().show(id);
  EXPECT_EQ(details.run.status, RunStatus::completed);
  ASSERT_EQ(details.steps.size(), 1);
  EXPECT_EQ(details.steps[0].status, "completed");
  EXPECT_EQ(details.steps[0].error, "");
  EXPECT_EQ(details.steps[0].rows_read, 4);
  EXPECT_EQ(details.skips.size(), 1);
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 3, 4));
}

TEST_P(BatchRunner, AnExecutionWhoseRunWasTakenOverChangesNothingOfItsSteps) {
  run([](const Place& place) {  // Before the step begins.
    expect_refused_after_takeover(place, [](auto act) {
      return std::make_shared<testing::After>("select status from tidelock_step", std::move(act));
    });
  });
  for (const auto* const part : {"select uuid from tidelock_run where job",  // Next: skips of an older execution.
                                 "set attempts", "set status = ?, ended_us = ?, error = ? where run"}) {
    SCOPED_TRACE(part);
    run([&](const Place& place) {
      expect_refused_after_takeover(place, [&](auto act) { return std::make_shared<Before>(part, std::move(act)); });
    });
  }
}

TEST_P(BatchRunner, ARunThatIsStoppedGoesOnBehindItsLastChunk) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
    const auto job = job_of(load_items(place));
    const auto id = bench.queue(job);
    std::stop_source stop;
    bench.state().observe(std::make_shared<Before>("set attempts", [&] { stop.request_stop(); }));
    const auto stopped = *bench.runner().execute(id, job, stop.get_token());
    EXPECT_EQ(stopped.status, RunStatus::interrupted) << stopped.reason;
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2));

    auto next = place.bench();
    const auto result = *next.runner().execute(id, job);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 5);
    EXPECT_THAT(ids(next.store()), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_EQ(next.history().show(id).run.executions, 2);
    EXPECT_THAT(next.story(), ::testing::Contains(HasSubstr("goes on behind row 2")));
    // The checkpoint is of no use any more, and goes with the next run's first transaction.
    EXPECT_EQ(next.store().one<std::int64_t>("select count(*) from tidelock_checkpoint"), 1);
    write_items(place, "id,price\n6,6\n");
    EXPECT_EQ(next.run(job).status, RunStatus::completed);
    EXPECT_EQ(next.store().one<std::int64_t>("select count(*) from tidelock_checkpoint"), 1);
  });
}

// Of all who use the database, but the one who says so.
void cut_all_connections(sql::Database& by) {
  auto connection = by.connect();
  if (by.dialect().engine == "postgres") {
    connection.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and "
        "pid <> pg_backend_pid()");
    return;
  }
  std::vector<std::int64_t> others;
  for (const auto row : connection.query("select id from information_schema.processlist where db = database() and "
                                         "id <> connection_id()")) {
    others.push_back(row.get<std::int64_t>(0));
  }
  for (const auto other : others) {
    try {
      connection.execute("kill " + std::to_string(other));
    } catch (const Error& error) {
      if (error.code() != Code::statement_invalid) throw;  // It has gone by itself.
    }
  }
}

// Those of its state, of its leases and of its store.
TEST_P(BatchOnServers, ARunGoesThroughWhileItsConnectionsAreCutAgainAndAgain) {
  run([](const Place& place) {
    auto bench = place.bench();
    // No key: a row that was written twice would be there twice.
    bench.store().execute("create table item (id integer, price decimal(10, 2))");
    constexpr int kRows = 400;
    std::string csv = "id,price\n";
    for (int id = 1; id <= kRows; ++id) csv += std::to_string(id) + ",1\n";
    write_items(place, csv);
    auto job = job_of(load_items(place));
    job.group = Group{"books", 1};
    job.steps[0].max_attempts = 100;
    job.steps[0].backoff = {.base = 5ms, .factor = 2, .cap = 50ms};

    const auto saboteur = sql::open(place.runtime, place.files, place.urls.store);
    const auto begun = place.runtime.make_signal("the first chunk is committed");
    bench.state().observe(std::make_shared<Before>("set attempts", [&] { begun->notify_all(); }));
    int cuts = 0;
    auto cutting = place.runtime.spawn("cuts connections", [&](const std::stop_token& stop) {
      if (!begun->wait(0, place.runtime.in(20s), stop)) return;
      for (; cuts < 20 && !stop.stop_requested(); ++cuts) {
        cut_all_connections(*saboteur);
        place.runtime.sleep_for(30ms, stop);
      }
    });
    const auto result = bench.run(job);
    cutting.request_stop();
    cutting.join();
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, kRows);
    EXPECT_GT(cuts, 3);
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from item"), kRows);
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(distinct id) from item"), kRows);
  });
}

TEST_P(BatchRunner, HistoryIsFilteredSummedUpAndForgotten) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n");
    EXPECT_EQ(bench.run(job_of(load_items(place), "load")).status, RunStatus::completed);
    EXPECT_EQ(bench.run(job_of(SqlStep{"bad.sql", "select nothing"}, "bad")).status, RunStatus::failed);
    auto history = bench.history();
    EXPECT_EQ(history.list().size(), 2);
    EXPECT_EQ(history.list({.job = "load"}).at(0).rows_written, 2);
    EXPECT_EQ(history.list({.status = RunStatus::failed}).at(0).job, "bad");
    EXPECT_THAT(history.list({.job = "load", .status = RunStatus::failed}), IsEmpty());
    const auto totals = history.totals();
    EXPECT_EQ(totals.runs, 2);
    EXPECT_EQ(totals.failed, 1);
    EXPECT_EQ(totals.rows_written, 2);

    EXPECT_TRUE(bench.request_stop(bench.queue(job_of(TriggerStep{"x"}))));
    EXPECT_EQ(history.list({.status = RunStatus::stopped}).size(), 1);

    EXPECT_THAT(history.list({.died = true}), IsEmpty());
    for (int i = 0; i < 2; ++i) {
      bench.state().execute("update tidelock_run set status = 'running' where id = ?",
                            bench.queue(job_of(TriggerStep{"x"}, "gone")));
    }
    EXPECT_EQ(history.list({.died = true}).size(), 2);
    EXPECT_EQ(history.list({.died = true, .limit = 1}).size(), 1);
    EXPECT_THAT(history.list({.job = "load", .died = true}), IsEmpty());
    EXPECT_TRUE(history.list({.job = "gone", .died = true}).at(0).died);
  });
}

TEST_P(BatchRunner, OldRunsAreForgottenButForWhatLaterWorkReliesOn) {
  run([](const Place& place) {
    auto bench = place.bench();
    const auto now = place.runtime.wall_now();
    auto& runs = bench.runs();
    // Runs that were over two days ago.
    const auto past = [&](const NewRun& run, std::string_view status) {
      const auto id = *runs.queue(run);
      bench.state().execute("update tidelock_run set status = ?, ended_us = ? where id = ?", status, in_us(now - 48h),
                            id);
      for (const auto* sql :
           {"insert into tidelock_step (run, place, name, kind, status) values (?, 0, '', '', '')",
            "insert into tidelock_skip (run, step, position, place, record, error) values (?, 0, 1, "
            "'', '', '')",
            "insert into tidelock_event (run, step, at_us, level, text) values (?, '', 0, 'info', '')"}) {
        bench.state().execute(sql, id);
      }
      return id;
    };
    const auto of = [&](std::string job, Cause cause = Cause::schedule) {
      return NewRun{.job = std::move(job), .cause = cause, .scheduled = now};
    };
    past(of("load"), "completed");
    past(of("load"), "skipped");
    past(of("load"), "missed");
    auto first = of("load", Cause::first);
    first.key = "load@first";
    std::vector<RunId> stay{past(first, "completed")};
    stay.push_back(past(of("load"), "failed"));
    stay.push_back(past(of("load"), "stopped"));
    stay.push_back(past(of("load"), "completed"));  // Its checkpoint is in its store.
    bench.state().execute("update tidelock_run set checkpoints = 1 where id = ?", stay.back());
    const auto uuid_of = [&](RunId id) {
      return bench.state().one<std::string>("select uuid from tidelock_run where id = ?", id);
    };
    auto triggered = of("load", Cause::trigger);
    triggered.key = trigger_key("load", uuid_of(stay[1]), 3);  // The failed one may be resumed, and trigger again.
    stay.push_back(past(triggered, "completed"));
    triggered.key = trigger_key("load", uuid_of(stay[0]), 3);
    past(triggered, "completed");
    stay.push_back(past(of("other"), "completed"));
    stay.push_back(past(of("load"), "completed"));  // The newest.

    EXPECT_EQ(runs.forget("load", now - 72h), 0U);
    EXPECT_EQ(runs.forget("load", now - 24h), 4U);
    EXPECT_EQ(runs.forget("load", now - 24h), 0U);
    std::vector<RunId> left;
    for (const auto& run : bench.history().list({.limit = 100})) left.insert(left.begin(), run.id);
    EXPECT_EQ(left, stay);
    for (const auto* part : {"step", "skip", "event"}) {
      EXPECT_EQ(bench.state().one<std::size_t>(fmt::format("select count(*) from tidelock_{}", part)), stay.size());
    }

    for (std::size_t i = 0; i < Runs::kForgetMost + 5; ++i) past(of("other"), "completed");
    EXPECT_EQ(runs.forget("other", now - 24h), Runs::kForgetMost);
    EXPECT_EQ(runs.forget("other", now - 24h), 5U);  // Not the newest one.
  });
}

}  // namespace
}  // namespace tidelock::batch::conformance
#endif

// What runs do, on a store of each engine, with a state on each engine that can hold one.
#include <gmock/gmock.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/unit_of_work.h"
#include "tidelock/batch/conformance/engines.h"
#include "tidelock/batch/conformance/items.h"
#include "tidelock/batch/run_record.h"
#include "tidelock/batch/testing/before.h"
#include "tidelock/lock/fence.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/text_form.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch::conformance {
namespace {

using namespace std::chrono_literals;
using testing::Before;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::job_of;
using testing::record_of;

INSTANTIATE_TEST_SUITE_P(Engines, BatchRunner, ::testing::ValuesIn(stores_to_test()),
                         [](const auto& info) { return info.param.name; });
TIDELOCK_BATCH_CONFORMANCE(BatchOnServers, servers_to_test());

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

class WhoseStatements final : public sql::Observer {
 public:
  void on_statement(const sql::StatementEvent& event) noexcept override {
    if (event.sql.find("insert into seen") == event.sql.npos) return;
    if (const auto* work = base::kUnitOfWork.get(event.runtime)) seen.push_back(*work);
  }
  std::vector<base::UnitOfWork> seen;
};

TEST_P(BatchRunner, CopiesAColumnOfEachTypeThatARecordKnows) {
  run([](const Place& place) {
    auto bench = place.bench();
    auto& store = bench.store();
    struct Column {
      std::string name;
      sql::Kind kind;
      sql::Value value;
    };
    const auto uuid = *base::Uuid::try_parse("01890a5d-ac96-774b-bcce-b302099a8057");
    const std::vector<Column> columns{
        {"a_text", sql::Kind::text, "text"},
        {"an_integer", sql::Kind::int64, std::int64_t{42}},
        {"a_decimal", sql::Kind::decimal, sql::Decimal("12.34")},
        {"a_real", sql::Kind::real, 1.5},
        {"a_boolean", sql::Kind::boolean, true},
        {"a_date", sql::Kind::date, *sql::parse_date("2024-02-29")},
        {"a_time", sql::Kind::time, *sql::parse_time("23:59:59")},
        {"a_timestamp", sql::Kind::timestamp, *sql::parse_timestamp("2024-02-29T23:59:59")},
        {"a_uuid", sql::Kind::uuid, uuid},
        {"a_json", sql::Kind::json, sql::Json{R"({"a": [1, null]})"}}};
    std::vector<std::string> names;
    std::vector<std::string> declared;
    std::vector<std::string> fields;
    std::vector<sql::ValueView> values;
    for (const auto& column : columns) {
      names.push_back(column.name);
      declared.push_back(column.name + " " + std::string(store.dialect().column_type(column.kind)));
      fields.push_back(fmt::format("{} {}", column.name, type_name(column.kind)));
      values.push_back(sql::view(column.value));
    }
    for (const auto* const table : {"given", "copied"}) {
      store.execute(fmt::format("create table {} ({})", table, fmt::join(declared, ", ")));
    }
    const auto list = fmt::format("{}", fmt::join(names, ", "));
    store.connect().execute_values(fmt::format("insert into given ({}) values ({})", list,
                                               fmt::join(std::vector<std::string>(columns.size(), "?"), ", ")),
                                   values);
    const auto result =
        bench.run(job_of(ChunkStep{.source = QuerySource{"copy.sql", fmt::format("select {} from given", list)},
                                   .record = record_of(fields),
                                   .write = {.kind = Write::Kind::insert, .table = "copied"}}));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 1);
    for (const auto& column : columns) {
      const auto of = [&](const char* table) {
        return store.one<sql::Value>(fmt::format("select {} from {}", column.name, table));
      };
      EXPECT_EQ(sql::to_text(sql::view(of("copied"))), sql::to_text(sql::view(of("given"))));
    }
  });
}

// Each is too large for the table of skips when it is told in full.
TEST_P(BatchRunner, RecordsLargeDocumentsThatDoNotFit) {
  run([](const Place& place) {
    auto bench = place.bench();
    auto& store = bench.store();
    store.execute(fmt::format("create table given (id {})", store.dialect().column_type(sql::Kind::json)));
    store.execute("create table item (id integer)");
    store.execute("insert into given values (?)", sql::Json{"[\"" + std::string(100'000, 'x') + "\"]"});
    const auto result = bench.run(job_of(ChunkStep{.source = QuerySource{"copy.sql", "select id from given"},
                                                   .record = record_of({"id integer"}),
                                                   .write = {.kind = Write::Kind::insert, .table = "item"},
                                                   .max_skips = 1}));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_skipped, 1);
    EXPECT_THAT(bench.history().show(1).skips.at(0).error, HasSubstr("id must be of type integer, not"));
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

}  // namespace
}  // namespace tidelock::batch::conformance
#endif

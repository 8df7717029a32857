// Chunks whose commit nobody answers: never repeated blindly, resolved by the checkpoint. On the engines themselves,
// with a connection that loses answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/batch/conformance/engines.h"
#include "tidelock/batch/conformance/items.h"
#include "tidelock/batch/conformance/losing_store.h"
#include "tidelock/batch/testing/bench.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using conformance::Fate;
using conformance::ids;
using conformance::losing_store;
using conformance::Plan;
using testing::Bench;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::job_of;
using ::testing::Not;
using testing::record_of;

ChunkStep load(Write::Kind kind) {
  ChunkStep step{.source = CsvSource{"/items.csv"},
                 .record = record_of({"id integer", "price decimal"}),
                 .write = {.kind = kind, .table = "item"},
                 .chunk_rows = 2};
  if (kind == Write::Kind::upsert) step.write.key = {"id"};
  return step;
}

// The n-th commit of a chunk is not answered.
void lose(base::Runtime& runtime, base::Files& files, int n, Fate fate) {
  Plan plan;
  Bench bench(runtime, files);
  bench.store_pointer() = losing_store(runtime, files, plan);
  bench.store().script("drop table if exists item; create table item (id integer, price decimal)");  // No key: rows
  files.write_atomically("/none.csv", "id,price\n");                                                 // may come twice.
  files.write_atomically("/items.csv", "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
  auto nothing = load(Write::Kind::insert);
  nothing.source = CsvSource{"/none.csv"};
  ASSERT_EQ(bench.run(job_of(nothing, "first")).status, RunStatus::completed);  // Makes the tables of checkpoints.

  plan.lose = n;
  plan.fate = fate;
  const auto result = bench.run(job_of(load(Write::Kind::insert)));
  EXPECT_EQ(plan.lost, 1);
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(result.rows_written, 5);
  EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 3, 4, 5));
  const auto told = Contains(HasSubstr("the checkpoint says that it took place"));
  if (fate == Fate::committed) {
    EXPECT_THAT(bench.story(), told);
  } else {
    EXPECT_THAT(bench.story(), Not(told));
    EXPECT_THAT(bench.story(), Contains(HasSubstr("attempt 1 of 3 failed")));
  }
}

WORLD_TEST(UnknownOutcome, AChunkThatWasCommittedWithoutAnAnswerIsNotCommittedAgain) {
  for (int n = 1; n <= 3; ++n) lose(runtime, files, n, Fate::committed);
}

WORLD_TEST(UnknownOutcome, AChunkThatWasRolledBackWithoutAnAnswerIsTriedAgain) {
  for (int n = 1; n <= 3; ++n) lose(runtime, files, n, Fate::rolled_back);
}

// Waits until a transaction waits for another one's lock. MariaDB's list of transactions is no help: it stays as it was
// as long as somebody reads it ten times a second. Its count is the whole server's.
void wait_until_one_waits(base::Runtime& runtime, sql::Database& by) {
  const auto* const sql =
      by.dialect().engine == "postgres"
          ? "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
          : "select cast(variable_value as integer) from information_schema.global_status "
            "where variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'";
  for (const auto deadline = runtime.in(20s); by.one<int>(sql) == 0;) {
    ASSERT_FALSE(deadline.passed(runtime.now())) << "no attempt waits for the one before it";
    runtime.yield();
  }
}

// The n-th commit of a chunk is not answered, and arrives after `arrives` has returned, when the next attempt has begun
// already. Its rows meet those of the first one, and are no bad rows for that.
void expect_late_commit_resolved(const conformance::Place& place, int n,
                                 const std::function<void(sql::Database&)>& arrives) {
  auto& runtime = place.runtime;
  Plan plan;
  auto bench = place.bench();
  const auto store = bench.store_pointer();
  bench.store_pointer() = losing_store(runtime, place.files, plan, place.urls.store);
  store->script("drop table if exists item");
  store->execute("create table item (id integer primary key, price decimal)");
  const auto file = place.folder / "items.csv";
  auto step = load(Write::Kind::insert);
  step.source = CsvSource{file};
  place.files.write_atomically(file, "id,price\n");
  ASSERT_EQ(bench.run(job_of(step, "first")).status, RunStatus::completed);  // Makes the tables of checkpoints.

  place.files.write_atomically(file, "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
  step.max_skips = 5;
  const auto lost = runtime.make_signal("a commit whose answer is lost");
  plan.lose = n;
  plan.fate = Fate::committed_late;
  plan.tell = lost.get();
  auto arriving = runtime.spawn("a commit that arrives late", [&](const std::stop_token& stop) {
    if (!lost->wait(0, base::Deadline::never(), stop) || stop.stop_requested()) return;
    arrives(*store);
    plan.late->commit(false);
    plan.late.reset();
  });
  const auto id = bench.queue(job_of(step));
  const auto result = *bench.runner().execute(id, job_of(step));
  arriving.request_stop();
  arriving.join();
  EXPECT_EQ(plan.lost, 1);
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(result.rows_written, 5);
  EXPECT_THAT(ids(*store), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(bench.history().show(id).skips, IsEmpty());
  EXPECT_THAT(bench.story(), Contains(HasSubstr("the checkpoint says that it took place")));
}

WORLD_TEST(UnknownOutcome, AChunkWhoseCommitArrivesLateIsNeitherCommittedAgainNorTakenForBadRows) {
  for (int n = 1; n <= 3; ++n) {
    expect_late_commit_resolved({runtime, files, "/", testing::bench_files("/")}, n,
                                [&](sql::Database&) { runtime.sleep_for(1s); });
  }
}

// A load of five rows, during which the store goes for so long.
RunResult load_while_the_store_is_gone(base::Runtime& runtime, base::Files& files, int n, base::Duration gone_for) {
  Plan plan;
  Bench bench(runtime, files);
  bench.store_pointer() = losing_store(runtime, files, plan);
  bench.store().script("drop table if exists item; create table item (id integer, price decimal)");
  files.write_atomically("/items.csv", "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
  auto nothing = SqlStep{"nothing.sql", "select 1"};
  EXPECT_EQ(bench.run(job_of(nothing, "first")).status, RunStatus::completed);  // Makes the tables of checkpoints.
  plan.lose = n;
  plan.fate = Fate::server_goes;
  plan.gone_for = gone_for;
  auto result = bench.run(job_of(load(Write::Kind::insert)));
  EXPECT_EQ(plan.lost, 1);
  return result;
}

WORLD_TEST(StoreUnit, AStoreThatIsStartedAnewDoesNotFailARunWithDefaultAttempts) {
  for (int n = 1; n <= 3; ++n) {
    const auto result = load_while_the_store_is_gone(runtime, files, n, 15s);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 5);
  }
}

WORLD_TEST(StoreUnit, AStoreThatStaysAwayFailsTheRunAfterItsAttempts) {
  const auto began = runtime.now();
  const auto result = load_while_the_store_is_gone(runtime, files, 1, 600s);
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_EQ(result.error->code(), Code::unavailable) << result.reason;
  EXPECT_GT(runtime.now() - began, 30s);
  EXPECT_LT(runtime.now() - began, 60s);
}

WORLD_TEST(UnknownOutcome, AScriptIsRunOnceWhicheverWayItsCommitWent) {
  for (const auto fate : {Fate::committed, Fate::rolled_back}) {
    Plan plan;
    Bench bench(runtime, files);
    bench.store_pointer() = losing_store(runtime, files, plan);
    bench.store().script("drop table if exists count; create table count (n integer); insert into count values (0)");
    const auto script = [](std::string sql) { return SqlStep{"count.sql", std::move(sql)}; };
    ASSERT_EQ(bench.run(job_of(script("select 1"), "first")).status, RunStatus::completed);
    plan.lose = 1;
    plan.fate = fate;
    const auto result = bench.run(job_of(script("update count set n = n + 1")));
    EXPECT_EQ(plan.lost, 1);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(bench.store().one<std::int64_t>("select n from count"), 1);
  }
}

}  // namespace

namespace conformance {
namespace {

TIDELOCK_BATCH_CONFORMANCE(BatchLateCommits, servers_to_test());

TEST_P(BatchLateCommits, AChunkIsNeitherCommittedAgainNorTakenForBadRows) {
  for (int n = 1; n <= 3; ++n) {
    run([&](const Place& place) {
      expect_late_commit_resolved(place, n, [&](sql::Database& by) { wait_until_one_waits(place.runtime, by); });
    });
  }
}

}  // namespace
}  // namespace conformance
}  // namespace tidelock::batch
#endif

// Rows that are read from a store whose connection is lost meanwhile: the step goes on behind what it has committed, as
// the next execution would. On an engine that loses rows, and on servers that end the session.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/batch/conformance/engines.h"
#include "tidelock/batch/conformance/losing_store.h"
#include "tidelock/batch/testing/before.h"
#include "tidelock/batch/testing/bench.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using conformance::Fate;
using conformance::losing_store;
using conformance::Plan;
using testing::Before;
using testing::Bench;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::job_of;
using ::testing::Not;
using testing::record_of;

ChunkStep copy_given(Write::Kind kind) {
  ChunkStep step{.source = QuerySource{"given.sql", "select id, price from given order by id"},
                 .record = record_of({"id integer", "price decimal"}, {"price > 0"}),
                 .write = {.kind = kind, .table = "item"},
                 .chunk_rows = 2,
                 .max_skips = 2};
  if (kind == Write::Kind::upsert) step.write.key = {"id"};
  return step;
}

// Seven rows, of which the record refuses the third and the store the fifth.
class LostSource {
 public:
  LostSource(base::Runtime& runtime, base::Files& files) : bench(runtime, files) {
    bench.store_pointer() = losing_store(runtime, files, plan);
    bench.store().script(
        "drop table if exists given; drop table if exists item; create table given (id integer, price decimal); "
        "insert into given values (1, 1), (2, 2), (3, -3), (4, 4), (5, 5000), (6, 6), (7, 7); "
        "create table item (id integer unique, price decimal check (price < 1000))");
    plan.rows_of = "from given";
  }

  RunResult run(const ChunkStep& step, int max_attempts = 3, const std::stop_token& stop = {}) {
    job = job_of(step);
    job.steps[0].max_attempts = max_attempts;
    return bench.run(job, stop);
  }

  void expect_copied(const RunResult& result) {
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_read, 7);
    EXPECT_EQ(result.rows_written, 5);
    EXPECT_EQ(result.rows_skipped, 2);
    EXPECT_EQ(bench.store().one<std::string>("select group_concat(id) from (select id from item order by id)"),
              "1,2,4,6,7");
    const auto skips = bench.history().show(1).skips;
    ASSERT_EQ(skips.size(), 2);
    EXPECT_EQ(skips[0].position, 3);
    EXPECT_EQ(skips[1].position, 5);
  }

  Plan plan;
  Bench bench;
  Job job;
};

void expect_copied_once(Write::Kind kind, std::uint64_t seed, int times) {
  for (int behind = 0; behind <= 7; ++behind) {
    SCOPED_TRACE(fmt::format("{} times behind {} rows", times, behind));
    world::World world(seed);
    world.run([&](base::Runtime& runtime) {
      LostSource source(runtime, world.files());
      source.plan.behind = behind;
      source.plan.times = times;
      source.expect_copied(source.run(copy_given(kind)));
      EXPECT_EQ(source.plan.lost, times);
      EXPECT_THAT(source.bench.story(),
                  Contains(HasSubstr(fmt::format("attempt {} of 3 failed: rows were lost", times))));
    });
  }
}

TEST(LostSource, IsReadAnewBehindWhatWasInserted) {
  for (const int times : {1, 2}) expect_copied_once(Write::Kind::insert, 1, times);
}

TEST(LostSource, IsReadAnewFromItsBeginningWhereRowsAreWrittenByKey) {
  for (const int times : {1, 2}) expect_copied_once(Write::Kind::upsert, 1, times);
}

// A standby that takes over has rows that it had not when they were read.
WORLD_TEST(LostSource, IsReadAnewWhereTheServerThatTakesOverHasMoreRows) {
  for (const auto kind : {Write::Kind::insert, Write::Kind::upsert}) {
    LostSource source(runtime, files);
    source.bench.store().script("delete from given where id > 4");
    source.plan.lose = 2;
    source.plan.fate = Fate::refused;
    source.plan.taking_over = [&] {
      source.bench.store().script("insert into given values (5, 5000), (6, 6), (7, 7)");
    };
    const auto result = source.run(copy_given(kind));
    EXPECT_EQ(source.plan.lost, 1);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(source.bench.store().one<std::string>("select group_concat(id) from (select id from item order by id)"),
              "1,2,4,6,7");
  }
}

WORLD_TEST(LostSource, FailsTheStepAfterItsAttemptsAndTheRunGoesOnWhenItIsResumed) {
  LostSource source(runtime, files);
  source.plan.behind = 6;
  source.plan.times = 3;
  const auto failed = source.run(copy_given(Write::Kind::insert));
  EXPECT_EQ(failed.status, RunStatus::failed);
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code(), Code::connection_lost) << failed.reason;
  EXPECT_EQ(source.plan.lost, 3);
  source.expect_copied(*source.bench.runner().resume(1, source.job));
}

// The chunks before it are written each time: that alone is no reason to begin again and again.
WORLD_TEST(LostSource, CountsTheAttemptsOfTheWholeStep) {
  LostSource source(runtime, files);
  source.plan.behind = 6;
  source.plan.times = 1000;
  EXPECT_EQ(source.run(copy_given(Write::Kind::upsert), 5).status, RunStatus::failed);
  EXPECT_EQ(source.plan.lost, 5);
}

WORLD_TEST(LostSource, IsNotReadAnewAfterWhatDoesNotPassAndWhatMayHaveBeenApplied) {
  for (const auto code : {Code::statement_invalid, Code::unknown_outcome}) {
    LostSource source(runtime, files);
    source.plan.behind = 3;
    source.plan.times = 1;
    source.plan.rows_end_by = code;
    const auto result = source.run(copy_given(Write::Kind::upsert));
    EXPECT_EQ(result.status, RunStatus::failed);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->code(), code) << result.reason;
    EXPECT_THAT(source.bench.story(), Not(Contains(HasSubstr("attempt"))));
  }
}

WORLD_TEST(LostSource, AServerThatIsStartedAnewIsWaitedFor) {
  LostSource source(runtime, files);
  source.plan.behind = 4;
  source.plan.times = 1;
  source.plan.gone_for = 15s;
  source.expect_copied(source.run(copy_given(Write::Kind::insert)));
}

WORLD_TEST(LostSource, AServerThatStaysAwayFailsTheRunAfterItsAttempts) {
  LostSource source(runtime, files);
  source.plan.behind = 4;
  source.plan.times = 1;
  source.plan.gone_for = 600s;
  const auto began = runtime.now();
  const auto result = source.run(copy_given(Write::Kind::insert));
  EXPECT_EQ(result.status, RunStatus::failed);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code(), Code::unavailable) << result.reason;
  EXPECT_GT(runtime.now() - began, 30s);
  EXPECT_LT(runtime.now() - began, 60s);
}

WORLD_TEST(LostSource, ARunThatIsToldToEndMeanwhileIsInterruptedAndTheNextExecutionCompletesIt) {
  LostSource source(runtime, files);
  source.plan.behind = 4;
  source.plan.times = 1000;
  std::stop_source stop;
  auto stopping = runtime.spawn("tells the run to end", [&](const std::stop_token& end) {
    runtime.sleep_for(10s, end);
    stop.request_stop();
  });
  const auto result = source.run(copy_given(Write::Kind::insert), 100'000, stop.get_token());
  stopping.join();
  EXPECT_EQ(result.status, RunStatus::interrupted) << result.reason;
  source.plan.times = 0;
  source.expect_copied(*source.bench.runner().execute(1, source.job));
}

// Whether the table is to blame is asked before a row is.
WORLD_TEST(LostSource, TheTableIsLookedAtAgainWhenThatIsLost) {
  LostSource source(runtime, files);
  source.plan.rows_of = "where 1 = 0";
  source.bench.state().observe(std::make_shared<Before>("set attempts", [&] { source.plan.times = 2; }));
  source.expect_copied(source.run(copy_given(Write::Kind::insert)));
  EXPECT_EQ(source.plan.lost, 2);
}

}  // namespace

namespace conformance {
namespace {

TIDELOCK_BATCH_CONFORMANCE(BatchLostSource, servers_to_test());

// Ends every session but its own that runs this query, or has run it last.
void end_readers(sql::Database& by, const std::string& query) {
  auto connection = by.connect();
  const bool is_postgres = by.dialect().engine == "postgres";
  std::vector<std::int64_t> readers;
  for (const auto row : connection.query(
           is_postgres ? "select pid from pg_stat_activity where datname = current_database() and query like ? and "
                         "pid <> pg_backend_pid()"
                       : "select id from information_schema.processlist where db = database() and info like ? and "
                         "id <> connection_id()",
           query + "%")) {
    readers.push_back(row.get<std::int64_t>(0));
  }
  EXPECT_EQ(readers.size(), 1);
  for (const auto reader : readers) {
    if (is_postgres) {
      connection.one<bool>("select pg_terminate_backend(?)", reader);
    } else {
      connection.execute("kill " + std::to_string(reader));
    }
  }
}

TEST_P(BatchLostSource, TheSessionThatStreamsTheRowsIsEnded) {
  for (const auto kind : {Write::Kind::insert, Write::Kind::upsert}) {
    run([&](const Place& place) {
      auto bench = place.bench();
      auto& store = bench.store();
      store.execute("create table given (id integer primary key, note text)");
      store.execute("create table item (id integer, note text" +
                    std::string(kind == Write::Kind::upsert ? ", primary key (id))" : ")"));
      constexpr int kRows = 5000;  // 20 MB: more than is on its way at any time.
      {
        auto connection = store.connect();
        auto tx = connection.begin();
        auto bulk = tx.bulk("given", {"id", "note"});
        const std::string note(4000, 'x');
        for (int id = 1; id <= kRows; ++id) bulk.append(id, note);
        bulk.finish();
        tx.commit();
      }
      const std::string query = "select id, note from given order by id";
      ChunkStep step{.source = QuerySource{"given.sql", query},
                     .record = record_of({"id integer", "note text"}),
                     .write = {.kind = kind, .table = "item"},
                     .chunk_rows = 500};
      if (kind == Write::Kind::upsert) step.write.key = {"id"};
      const auto saboteur = sql::open(place.runtime, place.files, place.urls.store);
      // The first chunk is committed.
      bench.state().observe(std::make_shared<Before>("set attempts", [&] { end_readers(*saboteur, query); }));
      const auto result = bench.run(job_of(step));
      EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
      EXPECT_EQ(result.rows_written, kRows);
      EXPECT_EQ(store.one<int>("select count(*) from item"), kRows);
      EXPECT_EQ(store.one<int>("select count(distinct id) from item"), kRows);
      EXPECT_THAT(bench.story(), Contains(HasSubstr("attempt 1 of 3 failed")));
    });
  }
}

}  // namespace
}  // namespace conformance
}  // namespace tidelock::batch
#endif

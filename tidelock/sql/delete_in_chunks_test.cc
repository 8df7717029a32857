#include "tidelock/sql/delete_in_chunks.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/testing/watch.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<Database> numbers(base::Runtime& runtime, base::Files& files, int count) {
  auto db = open(runtime, files, base::Url::parse("sqlite:/shop.db"));
  db->execute(
      "create table t as with recursive n(id) as (select 1 union all select id + 1 from n where id < ?) "
      "select id from n",
      count);
  return db;
}

WORLD_TEST(DeleteInChunks, KeepsTheRate) {
  const auto db = numbers(runtime, files, 1000);
  const auto start = runtime.now();
  const auto result =
      delete_in_chunks(*db, "t", "true", {.rows_per_second = 100, .on_progress = [&](const DeleteProgress& progress) {
                                            const auto allowed = (runtime.now() - start) / 1s * 100 + 100;
                                            EXPECT_LE(progress.deleted, allowed);
                                          }});
  EXPECT_EQ(result.done.deleted, 1000);
  EXPECT_EQ(result.done.chunks, 10);  // None of more than a second.
  EXPECT_GE(result.done.elapsed, 9s);
  EXPECT_LT(result.done.elapsed, 11s);
}

WORLD_TEST(DeleteInChunks, NoChunkIsMoreThanASecondOfTheRate) {
  const auto db = numbers(runtime, files, 7);
  const auto result = delete_in_chunks(*db, "t", "true", {.rows_per_second = 1.75});
  EXPECT_EQ(result.done.chunks, 7);
  EXPECT_GE(result.done.elapsed, 3999ms);
}

// As after a count that took long, or a wait for somebody else's lock.
WORLD_TEST(DeleteInChunks, AfterAPauseTheRateIsNotMadeUpFor) {
  const auto db = numbers(runtime, files, 1000);
  auto before = runtime.now() - 1s;
  const auto on_progress = [&](const DeleteProgress& progress) {
    EXPECT_GE(runtime.now() - before, 999ms);
    before = runtime.now();
    if (progress.chunks == 1) runtime.sleep_for(1min);
  };
  EXPECT_EQ(delete_in_chunks(*db, "t", "true", {.rows_per_second = 100, .on_progress = on_progress}).done.deleted,
            1000);
}

WORLD_TEST(DeleteInChunks, ALockThatIsHeldLongerThanAStatementMayTakeIsWaitedFor) {
  const auto db =
      open(runtime, files, base::Url::parse("sqlite:/shop.db"), {.statement_timeout = 100ms, .busy_timeout = 50ms});
  const auto rival = numbers(runtime, files, 100);
  auto connection = rival->connect();
  auto other = connection.begin();
  const auto watch = std::make_shared<testing::Watch>();
  watch->failed = [&](const StatementEvent&) {
    if (watch->failures.size() == 5) other.commit();
  };
  db->observe(watch);
  EXPECT_EQ(delete_in_chunks(*db, "t", "true", {.chunk_rows = 30}).done.deleted, 100);
  EXPECT_EQ(watch->failures, std::vector<Code>(5, Code::database_locked));
}

WORLD_TEST(DeleteInChunks, ARateBeyondAllNumbersOfRowsLeavesChunksAsTheyAre) {
  const auto db = numbers(runtime, files, 1000);
  for (const double rate : {1e19, 1e300, 9.3e18}) {
    const auto result =
        delete_in_chunks(*db, "t", "id % 2 = 0 or id = 1", {.chunk_rows = 100, .rows_per_second = rate});
    EXPECT_EQ(result.done.chunks, (result.done.deleted + 99) / 100) << rate;
    db->execute("insert into t select id + 1 from t where id % 2 = 1 limit 250");
  }
}

WORLD_TEST(DeleteInChunks, ARateOfNextToNothingWaitsUntilItIsStopped) {
  const auto db = numbers(runtime, files, 10);
  auto task = runtime.spawn("deletion", [&](const std::stop_token& stop) {
    const auto result = delete_in_chunks(*db, "t", "true", {.rows_per_second = 1e-300, .stop = stop});
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.done.deleted, 1);
  });
  runtime.sleep_for(24h);
  task.request_stop();
  task.join();
}

WORLD_TEST(DeleteInChunks, AStopEndsTheWait) {
  const auto db = numbers(runtime, files, 1000);
  auto task = runtime.spawn("deletion", [&](const std::stop_token& stop) {
    const auto result = delete_in_chunks(*db, "t", "true", {.rows_per_second = 1, .stop = stop});
    EXPECT_TRUE(result.stopped);
    EXPECT_LE(result.done.deleted, 62);
  });
  runtime.sleep_for(1min);
  task.request_stop();
  task.join();
  EXPECT_GE(db->one<std::int64_t>("select count(*) from t"), 938);
}

// A condition that is looked at for a while, and which no row meets.
constexpr const char* kSlow =
    "id in (with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000) select -i from n)";

TEST(DeleteInChunks, AStopEndsWhateverReadsTheRows) {
  struct Case {
    const char* stop_at;
    DeleteOptions options;
  };
  for (const auto& [stop_at, options] :
       {Case{"select count(*)", {.count_first = true}}, Case{"limit 1 offset", {}}, Case{"is null", {.key = {"n"}}}}) {
    base::RealRuntime runtime;
    base::RealFiles files(runtime);
    const base::testing::TempFolder folder;
    const auto db = open(runtime, files, base::Url::parse("sqlite:" + (folder / "shop.db").string()));
    db->script("create table t (id integer primary key, n integer); insert into t values (1, 1), (2, null)");
    std::stop_source stop;
    const auto watch = std::make_shared<testing::Watch>();
    watch->begins = [&, at = stop_at](std::string_view sql) {
      if (sql.find(at) != sql.npos) stop.request_stop();
    };
    db->observe(watch);
    auto stopped = options;
    stopped.stop = stop.get_token();
    const auto result = delete_in_chunks(*db, "t", kSlow, stopped);
    EXPECT_TRUE(result.stopped) << stop_at;
    EXPECT_EQ(result.done.total, std::nullopt);
    EXPECT_EQ(watch->failures, std::vector<Code>{Code::cancelled}) << stop_at;
  }
}

TEST(DeleteInChunks, AStatementThatTookItsTimeIsNotRunAgain) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const base::testing::TempFolder folder;
  const auto url = base::Url::parse("sqlite:" + (folder / "shop.db").string());
  open(runtime, files, url)->script("create table t (id integer primary key); insert into t values (1), (2)");
  const auto db = open(runtime, files, url, {.statement_timeout = 100ms});
  const auto watch = std::make_shared<testing::Watch>();
  db->observe(watch);
  EXPECT_THROW_CODE(delete_in_chunks(*db, "t", kSlow), Code::timeout);
  EXPECT_EQ(watch->failures, std::vector<Code>{Code::timeout});
}

WORLD_TEST(DeleteInChunks, GoesByTheNumberOfTheRowUnderWhicheverNameItHas) {
  const auto db = open(runtime, files, base::Url::parse("sqlite:/shop.db"));
  db->script(
      "create table a (rowid text, oid text); insert into a values ('x', 'y'), ('x', 'z');"
      "create table b (rowid text, oid text, _rowid_ text); insert into b values ('x', 'y', 'z');"
      "create table c (k text, n integer, primary key (n, k)) without rowid; insert into c values ('x', 1), ('y', 1);"
      "create table \"d \"\"e\" (k text primary key); insert into \"d \"\"e\" values (null), (null), ('x')");
  EXPECT_EQ(delete_in_chunks(*db, "a", "true", {.chunk_rows = 1}).done.position, "[2]");
  EXPECT_EQ(delete_in_chunks(*db, "Main.C", "true", {.chunk_rows = 1}).done.position, R"([1,"y"])");
  EXPECT_EQ(delete_in_chunks(*db, "\"d \"\"e\"", "true", {.chunk_rows = 1}).done.deleted, 3);
  EXPECT_THROW_CODE(delete_in_chunks(*db, "b", "true"), Code::unsupported);
  EXPECT_EQ(delete_in_chunks(*db, "b", "true", {.key = {"oid"}}).done.deleted, 1);
}

// No position could say where it stands.
WORLD_TEST(DeleteInChunks, AKeyOfBytesThatAreNoTextIsRefusedBeforeAnythingIsDeleted) {
  const auto db = open(runtime, files, base::Url::parse("sqlite:/shop.db"));
  db->script("create table t (k text not null); insert into t values (cast(x'61ff' as text))");
  EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true", {.key = {"k"}}), Code::invalid_argument);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

#if TIDELOCK_HAVE_DUCKDB
TEST(DeleteInChunks, AConditionMayDrawNumbers) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto db = open(runtime, files, base::Url::parse("duckdb::memory:"));
  db->script("create sequence s; create table t as select range as id from range(100)");
  EXPECT_EQ(
      delete_in_chunks(*db, "t", "id >= 50 and nextval('s') > 0", {.key = {"id"}, .count_first = true}).done.deleted,
      50);
  EXPECT_EQ(delete_in_chunks(*db, "t", "nextval('s') > 0", {.chunk_rows = 20}).done.deleted, 50);
}

TEST(DeleteInChunks, TheKeyOfAnAttachedDatabaseIsNotThatOfTheOwnOne) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto db = open(runtime, files, base::Url::parse("duckdb::memory:"));
  db->script(
      "attach ':memory:' as o; create table o.t (kind integer primary key); insert into o.t values (5);"
      "create table t (id integer, kind integer); insert into t values (1, 1), (2, null), (3, null);"
      "create table \"d \"\"e\" (n integer, kind integer, primary key (kind)); insert into \"d \"\"e\" values (1, 7)");
  EXPECT_EQ(delete_in_chunks(*db, "t", "true").done.deleted, 3);
  EXPECT_EQ(delete_in_chunks(*db, "o.t", "true").done.position, "[5]");
  EXPECT_EQ(delete_in_chunks(*db, "\"d \"\"e\"", "true").done.position, "[7]");
}
#endif

// A killed run is begun again; no row is left, whenever it was killed.
TEST(DeleteInChunks, ARunThatWasKilledIsBegunAgain) {
  world::for_seeds(30, [](world::World& world) {
    auto& server = world.machine("server");
    auto& filler = world.process(server, "filler");
    auto& cleaner = world.process(server, "cleaner");
    auto& reader = world.process(server, "reader");
    const auto open_shop = [](world::Process& self) {
      return open(self, self.files(), base::Url::parse("sqlite:/shop.db?synchronous=full"));
    };
    world.run([&](base::Runtime& runtime) {
      filler.start([&](world::Process& self) {
        open_shop(self)->script(
            "create table t as with recursive n(id) as (select 1 union all select id + 1 from n "
            "where id < 300) select id from n");
      });
      filler.wait_for_end();
      cleaner.start([&](world::Process& self) {
        delete_in_chunks(*open_shop(self), "t", "id % 3 <> 0", {.chunk_rows = 20, .rows_per_second = 20});
      });
      for (int kill = 0; kill < 3; ++kill) {
        runtime.sleep_for(world.random().between({0s, 5s}));
        kill < 2 ? cleaner.crash() : server.power_cut();
        cleaner.wait_for_end();
        cleaner.restart();
      }
      cleaner.wait_for_end();
      reader.start([&](world::Process& self) {
        const auto db = open_shop(self);
        EXPECT_EQ(db->one<std::int64_t>("select count(*) from t"), 100);
        EXPECT_EQ(db->one<std::int64_t>("select count(*) from t where id % 3 = 0"), 100);
      });
      reader.wait_for_end();
    });
  });
}

}  // namespace
}  // namespace tidelock::sql

#endif

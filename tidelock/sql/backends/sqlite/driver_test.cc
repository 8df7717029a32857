// Opening SQLite databases: what can be wrong about a file, and what a session is like.
#include "tidelock/sql/backends/sqlite/driver.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tidelock/base/metrics.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::sqlite {
namespace {

class SqliteDriverTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::unique_ptr<Database> open(const std::string& path_and_parameters) {
    return sql::open(runtime_, files_, base::Url::parse("sqlite:" + path_and_parameters));
  }
  // The error of opening it; nothing may be left in the folder that was not there before.
  Error refused(const std::string& path_and_parameters) {
    const auto before = files_.list(folder_.path());
    try {
      open(path_and_parameters);
    } catch (const Error& error) {
      EXPECT_EQ(files_.list(folder_.path()), before);
      return error;
    }
    ADD_FAILURE() << "nothing was thrown for " << path_and_parameters;
    return Error(Code::internal, "");
  }
  void write(const std::string& name, const std::string& content) { std::ofstream(path(name)) << content; }
  void patch(const std::string& name, std::streamoff offset, const std::string& bytes) {
    std::fstream file(path(name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << bytes;
  }

  base::testing::TempFolder folder_;
  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
};

#define EXPECT_SAYS(error, expected_code, part)                             \
  do {                                                                      \
    const Error& said = (error);                                            \
    EXPECT_EQ(name(said.code()), name(expected_code)) << said.what();       \
    EXPECT_NE(said.message().find(part), std::string::npos) << said.what(); \
  } while (false)

TEST_F(SqliteDriverTest, AFolderIsNoDatabase) {
  EXPECT_SAYS(refused(folder_.path().string()), Code::invalid_argument, "is a folder");
  EXPECT_SAYS(refused(folder_.path().string() + "?mode=ro"), Code::invalid_argument, "is a folder");
}

TEST_F(SqliteDriverTest, AMissingFileIsMadeUnlessItMustExist) {
  EXPECT_SAYS(refused(path("missing.db") + "?mode=ro"), Code::not_found, path("missing.db"));
  EXPECT_SAYS(refused(path("missing.db") + "?mode=rw"), Code::not_found, path("missing.db"));
  EXPECT_SAYS(refused(path("no/such/folder.db")), Code::not_found, "make it first");
  open(path("missing.db"))->execute("create table t (a integer)");
  EXPECT_TRUE(std::filesystem::exists(path("missing.db")));
}

TEST_F(SqliteDriverTest, AForeignFileIsRefusedAndStaysAsItIs) {
  write("foreign.db", std::string(10'000, 'x'));
  EXPECT_SAYS(refused(path("foreign.db")), Code::not_a_database, path("foreign.db"));
  EXPECT_EQ(files_.read(path("foreign.db")), std::string(10'000, 'x'));
  write("short.db", "hello");
  EXPECT_SAYS(refused(path("short.db") + "?mode=ro"), Code::not_a_database, path("short.db"));
}

TEST_F(SqliteDriverTest, ADamagedFileIsCorrupt) {
  {
    const auto db = open(path("shop.db"));
    db->script("create table t (a integer, b text)");
    for (int i = 0; i < 200; ++i) db->execute("insert into t values (?, ?)", i, std::string(500, 'x'));
  }
  patch("shop.db", 4096, std::string(4096 * 4, '\xff'));
  const auto read = [&] { open(path("shop.db"))->one<std::int64_t>("select sum(length(b)) from t"); };
  EXPECT_THROW_CODE(read(), Code::corrupt);
  patch("shop.db", 100, std::string(64, '\xff'));  // The schema.
  EXPECT_SAYS(refused(path("shop.db")), Code::corrupt, "restore it from a backup");
}

TEST_F(SqliteDriverTest, AFileOfANewerFormatSaysSo) {
  open(path("newer.db"))->execute("create table t (a integer)");
  patch("newer.db", 47, "\x09");  // The schema format number.
  EXPECT_SAYS(refused(path("newer.db")), Code::newer_schema, path("newer.db"));
}

TEST_F(SqliteDriverTest, AUrlSaysNothingButAPath) {
  EXPECT_SAYS(refused(""), Code::invalid_argument, "path");
  EXPECT_SAYS(refused("//host/shop.db"), Code::invalid_argument, "path");
  EXPECT_SAYS(refused(path("x.db") + "?synchronous=often"), Code::invalid_argument, "full");
}

TEST_F(SqliteDriverTest, SqliteReadsNoUriInAPath) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  open("file:shop.db")->execute("create table t (a integer)");
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(path("file:shop.db")));
}

TEST_F(SqliteDriverTest, ASessionHasWriteAheadLogForeignKeysAndNoQuotedStrings) {
  const auto db = open(path("shop.db"));
  EXPECT_EQ(db->one<std::string>("pragma journal_mode"), "wal");
  EXPECT_EQ(db->one<int>("pragma synchronous"), 1);
  EXPECT_EQ(db->one<int>("pragma foreign_keys"), 1);
  EXPECT_THROW_CODE(db->one<std::string>("select \"no_such_column\""), Code::statement_invalid);
  EXPECT_EQ(open(path("shop.db") + "?synchronous=full")->one<int>("pragma synchronous"), 2);
}

TEST_F(SqliteDriverTest, ALogIsCopiedBackWhenItIsLong) {
  const auto db = open(path("shop.db"));
  db->script("create table t (a integer, b blob)");
  for (int i = 0; i < 50; ++i) db->execute("insert into t values (?, ?)", i, Blob(200'000));
  EXPECT_GT(std::filesystem::file_size(path("shop.db")), 4'000'000U);
  EXPECT_LT(std::filesystem::file_size(path("shop.db-wal")), 6'000'000U);
}

TEST_F(SqliteDriverTest, ADatabaseInMemoryIsOneForAllItsConnections) {
  const auto db = open(":memory:");
  const auto other = open(":memory:");
  db->script("create table t (a integer)");
  auto a = db->connect();
  auto b = db->connect();
  auto writer = a.begin();
  writer.execute("insert into t values (1)");
  EXPECT_EQ(b.one<int>("select count(*) from t"), 0);
  writer.commit();
  EXPECT_EQ(b.one<int>("select count(*) from t"), 1);
  EXPECT_EQ(b.one<std::string>("pragma journal_mode"), "wal");
  EXPECT_THROW_CODE(other->one<int>("select count(*) from t"), Code::statement_invalid);
}

TEST_F(SqliteDriverTest, NothingIsLeftOpenWhenAllIsClosed) {
  {
    const auto db = open(path("shop.db"));
    auto a = db->connect();
    auto b = db->connect();
    a.execute("create table t (a integer)");
    auto rows = b.query("select * from t");
  }
  EXPECT_FALSE(std::filesystem::exists(path("shop.db-wal")));  // SQLite's last connection removes it.
}

TEST_F(SqliteDriverTest, WhatAUserChangesOfItsConnectionIsNotLeftToTheNext) {
  open(path("other.db"))->execute("create table far (a integer)");
  const auto db = open(path("shop.db") + "?max_connections=1");
  db->script("create table t (a integer)");
  const auto schemas = [&] { return db->one<int>("select count(*) from pragma_database_list where name <> 'temp'"); };
  const auto temporary = [&] { return db->one<int>("select count(*) from temp.sqlite_schema"); };
  for (const auto* const change :
       {"pragma foreign_keys = off", "Pragma Foreign_Keys(0)", "pragma query_only = on", "attach 'other.db' as far",
        "create temp table t (a integer)", "create table temp.u as select 1 as a", "create temp view v as select 1",
        "create temp trigger r after insert on t begin select 1; end"}) {
    std::string sql = change;
    if (const auto at = sql.find("other.db"); at != sql.npos) sql.replace(at, 8, path("other.db"));
    db->execute(sql);
    EXPECT_EQ(db->one<int>("pragma foreign_keys"), 1) << sql;
    EXPECT_NO_THROW(db->execute("insert into t values (1)")) << sql;
    EXPECT_EQ(schemas(), 1) << sql;
    EXPECT_EQ(temporary(), 0) << sql;
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 8);
}

TEST_F(SqliteDriverTest, AConnectionThatNobodyChangedIsKept) {
  const auto db = open(path("shop.db") + "?max_connections=1");
  base::Metrics metrics;
  db->measure(metrics);
  db->script("create table t (a integer primary key); pragma user_version = 7; pragma wal_checkpoint(truncate)");
  EXPECT_EQ(db->one<int>("insert into t values (7) returning a"), 7);
  db->script("create index i on t (a); analyze; drop index i; alter table t rename column a to b");
  EXPECT_EQ(db->connect().query("pragma table_info(t)").next(), true);
  EXPECT_EQ(db->one<std::string>("select name from pragma_table_info('t')"), "b");
  EXPECT_EQ(db->one<std::string>("pragma integrity_check(5)"), "ok");
  EXPECT_EQ(db->one<int>("pragma foreign_keys"), 1);
  EXPECT_NE(metrics.text().find("reason=\"broken\"} 0"), std::string::npos) << metrics.text();
}

TEST_F(SqliteDriverTest, CheckpointsGoOnAfterSomebodySaidHowOften) {
  const auto db = open(path("shop.db") + "?max_connections=1");
  db->script("create table t (b blob)");
  const auto write = [](Executor& on) {
    for (int i = 0; i < 50; ++i) on.execute("insert into t values (?)", Blob(200'000));
  };
  const auto log_bytes = [&] { return std::filesystem::file_size(path("shop.db-wal")); };
  {
    auto connection = db->connect();
    connection.execute("pragma wal_autocheckpoint = 100");
    write(connection);
    EXPECT_LT(log_bytes(), 1'000'000U);
    connection.execute("pragma wal_autocheckpoint = 0");
    write(connection);
    EXPECT_GT(log_bytes(), 10'000'000U);
  }
  auto connection = db->connect();
  write(connection);
  EXPECT_LT(log_bytes(), 6'000'000U);
}

// Through the Runtime: in a World SQLite's own handler would not let others go on.
WORLD_TEST(SqliteDriver, AConnectionWaitsForALockAsLongAsItWasTold) {
  const auto db = sql::open(runtime, files, base::Url::parse("sqlite:/shop.db?busy_timeout=1m"));
  db->execute("create table t (a integer)");
  auto writer = db->connect();
  auto holds = writer.begin();
  const auto waited = [&](const char* pragma) {
    auto connection = db->connect();
    connection.execute(pragma);
    const auto before = runtime.now();
    EXPECT_THROW_CODE(connection.execute("insert into t values (1)"), Code::database_locked);
    return std::chrono::floor<std::chrono::milliseconds>(runtime.now() - before);
  };
  using namespace std::chrono_literals;
  EXPECT_EQ(waited("pragma busy_timeout = 1500"), 1500ms);
  EXPECT_EQ(waited("pragma busy_timeout(0)"), 0ms);
  EXPECT_EQ(waited("select 1"), 1min);
}

TEST_F(SqliteDriverTest, AScriptMayHoldItsOwnTransactionButNotLeaveItOpen) {
  const auto db = open(path("shop.db"));
  db->script("begin; create table t (a integer); insert into t values (1); commit;");
  EXPECT_THROW_CODE(db->script("begin; insert into t values (2);"), Code::misuse);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
  auto connection = db->connect();
  auto tx = connection.begin();
  EXPECT_THROW_CODE(tx.script("insert into t values (3); commit"), Code::misuse);
  tx.rollback();
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

TEST_F(SqliteDriverTest, AnInterruptedWriteDoomsItsTransaction) {
  const auto db = open(path("shop.db"));
  db->script("create table t (a integer)");
  auto connection = db->connect();
  auto tx = connection.begin();
  connection.set_statement_timeout(std::chrono::milliseconds(20));
  tx.execute("insert into t values (1)");
  EXPECT_THROW_CODE(
      tx.execute("insert into t with recursive r(n) as (select 1 union all select n + 1 from r) select n from r"),
      Code::timeout);
  EXPECT_THROW_CODE(tx.execute("insert into t values (2)"), Code::timeout);  // SQLite rolled it back.
  EXPECT_THROW_CODE(tx.commit(), Code::timeout);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

TEST_F(SqliteDriverTest, ADeferredForeignKeyFailsTheCommitAndRollsBack) {
  const auto db = open(path("shop.db"));
  db->script(
      "create table p (id integer primary key);"
      "create table c (p integer references p (id) deferrable initially deferred)");
  auto connection = db->connect();
  auto tx = connection.begin();
  tx.execute("insert into c values (7)");
  EXPECT_THROW_CODE(tx.commit(), Code::constraint_violation);
  EXPECT_FALSE(tx.is_open());
  EXPECT_EQ(connection.one<int>("select count(*) from c"), 0);
}

// In a World there are users who are not root.
WORLD_TEST(SqliteDriver, WhatMayNotBeWrittenIsSaidAtOnce) {
  files.create_folders("/data");
  const auto url = base::Url::parse("sqlite:/data/shop.db");
  sql::open(runtime, files, url)->execute("create table t (a integer)");
  files.set_mode("/data/shop.db", 0444);
  EXPECT_THROW_CODE(sql::open(runtime, files, url), Code::permission_denied);
  files.set_mode("/data/shop.db", 0);
  EXPECT_THROW_CODE(sql::open(runtime, files, url), Code::permission_denied);
  files.set_mode("/data/shop.db", 0644);
  files.set_mode("/data", 0555);
  EXPECT_THROW_CODE(sql::open(runtime, files, base::Url::parse("sqlite:/data/new.db")), Code::permission_denied);
}

// The exception that ends a killed process comes out of the call that met it, past SQLite.
TEST(SqliteDriver, AKilledProcessLeavesSqlite) {
  world::for_seeds(50, [](world::World& world) {
    bool crashed = false;
    auto& victim = world.process("victim");
    world.run([&](base::Runtime& runtime) {
      victim.start([&](world::Process& self) {
        try {
          const auto db = sql::open(self, self.files(), base::Url::parse("sqlite:/shop.db?synchronous=full"));
          db->script("create table if not exists t (a integer)");
          for (;;) {
            auto connection = db->connect();
            auto tx = connection.begin();
            tx.execute("insert into t values (1)");
            tx.commit();
          }
        } catch (const world::Crashed&) {
          crashed = true;
          throw;
        }
      });
      runtime.sleep_for(world.random().between({base::Duration(1), std::chrono::milliseconds(20)}));
      victim.crash();
      victim.wait_for_end();
    });
    EXPECT_TRUE(crashed);
  });
}

#if TIDELOCK_CHECKS
WORLD_TEST(SqliteDriver, AConnectionThatTwoTasksUseAtOnceIsCaught) {
  const auto db = sql::open(runtime, files, base::Url::parse("sqlite:/shop.db?busy_timeout=1s"));
  auto other = db->connect();
  auto shared = db->connect();
  auto writer = other.begin();  // So that the first task waits inside.
  auto first = runtime.spawn("first", [&](const std::stop_token&) {
    EXPECT_THROW_CODE(shared.execute("create table t (a integer)"), Code::database_locked);
  });
  runtime.sleep_for(std::chrono::milliseconds(100));
  EXPECT_THROW_CODE(shared.one<int>("select 1"), Code::misuse);
  first.join();
  EXPECT_EQ(shared.one<int>("select 1"), 1);
}
#endif

}  // namespace
}  // namespace tidelock::sql::sqlite

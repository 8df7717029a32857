// Behind a real PgBouncer: what needs a session of its own is refused by name, all else works as without.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/sql/backends/postgres/testing/live.h"
#include "tidelock/sql/testing/ledger.h"
#include "tidelock/sql/testing/turn.h"
#include "tidelock/sql/text_form.h"
#include "tidelock/world/random.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;

// The server behind it has a time zone and a style of dates of its own.
class PostgresPoolerLive : public PostgresLiveTest {
 protected:
  void SetUp() override {
    for (const auto* const variable :
         {"TIDELOCK_TEST_PGBOUNCER", "TIDELOCK_TEST_PGBOUNCER_SERVER", "TIDELOCK_TEST_PGBOUNCER_FOLDER"}) {
      TIDELOCK_NEEDS_VARIABLE(variable);
    }
    server_ = base::Url::parse(std::getenv("TIDELOCK_TEST_PGBOUNCER_SERVER"));
    url_ = base::Url::parse(std::getenv("TIDELOCK_TEST_PGBOUNCER"));
    turn_.emplace(std::getenv("TIDELOCK_TEST_PGBOUNCER_FOLDER"));
    direct_ = open_url(server_, {{"max_connections", "1"}});
    direct_->script("drop table if exists t; create table t (id bigint not null, s text, at timestamptz, b bytea)");
  }
  void expect_refused(const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported) << error.what();
    EXPECT_NE(error.message().find("pooler=session"), std::string::npos) << error.what();
  }

  std::optional<testing::Turn> turn_;  // All use one database.
  base::Url server_;
  std::unique_ptr<Database> direct_;
};

TEST_F(PostgresPoolerLive, WhatNeedsASessionOfItsOwnIsRefusedAndSaysHowToHaveOne) {
  const auto db = open();
  auto connection = db->connect();
  expect_refused(error_of([&] { connection.session_id(); }));
  expect_refused(error_of([&] { connection.listen("news"); }));
  for (const auto* const sql : {"select pg_advisory_lock(7)", "set search_path = x", "listen news",
                                "create temp table mine (a int)", "create table pg_temp.mine (a int)",
                                "select \"pg_advisory_lock\"(7)", "declare c cursor with hold for select 1"}) {
    expect_refused(error_of([&] { connection.execute(sql); }));
    expect_refused(error_of([&] { connection.script(sql); }));
    auto tx = connection.begin();
    expect_refused(error_of([&] { tx.execute(sql); }));
  }
  auto tx = connection.begin();  // What ends with its transaction is fine.
  tx.execute("set local work_mem = '1MB'");
  tx.execute("create temp table mine (a int) on commit drop");
  tx.one<Value>("select pg_advisory_xact_lock(7)::text");
  tx.execute("insert into mine values (?)", 1);
  EXPECT_EQ(tx.one<int>("select a from mine"), 1);
  EXPECT_TRUE(tx.commit().empty());
  EXPECT_EQ(connection.one<int>("select 1"), 1);
  EXPECT_EQ(direct_->one<int>("select count(*) from pg_locks where locktype = 'advisory'"), 0);
}

TEST_F(PostgresPoolerLive, ManyTasksRunStatementsAndTransactionsOnFewSessions) {
  const auto db = open({{"max_connections", "20"}});
  constexpr int kTasks = 20, kUnits = 20;
  std::vector<base::Task> all;
  for (int task = 0; task < kTasks; ++task) {
    all.push_back(runtime_.spawn("unit", [&, task](const std::stop_token&) {
      for (int n = 0; n < kUnits; ++n) {
        const int id = task * 1000 + n;
        transact(*db, [&](Transaction& tx) {
          tx.execute("insert into t (id) values (?)", id);
          tx.execute("update t set s = ? where id = ?", "it's " + std::to_string(id), id);
        });
        EXPECT_EQ(db->one<std::string>("select s from t where id = ?", id), "it's " + std::to_string(id));
      }
    }));
  }
  for (auto& task : all) task.join();
  EXPECT_EQ(direct_->one<int>("select count(*) from t"), kTasks * kUnits);
}

TEST_F(PostgresPoolerLive, ValuesAreTheSameWhateverTheServersDefaults) {
  const auto db = open();
  const auto at = parse_timestamp("2024-02-29 12:34:56.789").value();
  const Blob bytes{std::byte{0}, std::byte{0xff}, std::byte{0x5c}};
  auto connection = db->connect();
  connection.execute("insert into t values (?, ?, ?, ?)", 1, "x", at, bytes);
  {
    auto bulk = connection.bulk("t", {"id", "s", "at", "b"});
    bulk.append(2, "y", at, bytes);
    bulk.finish();
  }
  for (int id = 1; id <= 2; ++id) {
    EXPECT_EQ(connection.one<Timestamp>("select at from t where id = ?", id), at);
    EXPECT_EQ(connection.one<Blob>("select b from t where id = ?", id), bytes);
    EXPECT_EQ(direct_->one<Timestamp>("select at from t where id = ?", id), at);
  }
  EXPECT_EQ(connection.one<Date>("select ?::date", parse_date("2024-03-01").value()), parse_date("2024-03-01").value());
  EXPECT_EQ(connection.one<std::string>("select current_setting('TimeZone')"), "UTC");
}

TEST_F(PostgresPoolerLive, ADoubleIsExactThoughTheServerWouldRoundIt) {
  const auto db = open();
  EXPECT_EQ(direct_->one<std::string>("select current_setting('extra_float_digits')"), "3");
  auto connection = db->connect();
  world::Random random(7);
  const auto check = [&](Executor& on) {
    for (int i = 0; i < 200; ++i) {
      const double number = std::ldexp(1.0 + static_cast<double>(random.next() >> 12) * 0x1p-52, i * 10 - 1000);
      EXPECT_EQ(on.one<double>("select ?::float8", number), number);
      const auto single = static_cast<float>(std::ldexp(number, 1000 - i * 10));
      EXPECT_EQ(on.one<double>("select ?::float4", static_cast<double>(single)), static_cast<double>(single));
    }
    const auto text = on.one<std::string>("select array[0.1::float8 + 0.2::float8]");
    EXPECT_EQ(text, "{0.30000000000000004}");
  };
  check(connection);
  auto tx = connection.begin();
  check(tx);
  tx.rollback();
  EXPECT_EQ(direct_->one<std::string>("select array[0.1::float8 + 0.2::float8]"), "{0.30000000000000004}");
  EXPECT_EQ(connection.one<std::string>("select ?::text", 0.1 + 0.2), "0.30000000000000004");
  int rows = 0;
  for (const auto row : connection.query("select 0.1::float8 + 0.2::float8 from generate_series(1, 3000)")) {
    ASSERT_EQ(row.get<double>(0), 0.1 + 0.2);
    ++rows;
  }
  EXPECT_EQ(rows, 3000);
}

TEST_F(PostgresPoolerLive, AStatementThatFailsWhenItCommitsIsNotTakenForDone) {
  direct_->script(
      "drop table if exists child; drop table if exists parent; create table parent (id int primary key);"
      "create table child (id int references parent deferrable initially deferred)");
  const auto db = open();
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.execute("insert into child values (?)", 1), Code::constraint_violation);
  EXPECT_THROW_CODE(connection.one<int>("insert into child values (?) returning id", 1), Code::constraint_violation);
  EXPECT_THROW_CODE(connection.script("insert into child values (1)"), Code::constraint_violation);
  EXPECT_EQ(connection.one<int>("select count(*) from child"), 0);
}

// Whatever becomes of a statement, the next one is in step with the server.
TEST_F(PostgresPoolerLive, AStatementThatFailsOrIsLeftEarlyLeavesTheConnectionUsable) {
  const auto db = open();
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.execute("select 1 / ?", 0), Code::statement_invalid);
  EXPECT_THROW_CODE(connection.execute("select nothing from nowhere"), Code::statement_invalid);
  for (const int rows : {1, 10, 5000}) {
    auto left = connection.query("select n, 1 / (n - ?) from generate_series(1, 10000) as n", rows + 1);
    for (int i = 0; i < rows; ++i) ASSERT_TRUE(left.next());
    left.finish();
    EXPECT_EQ(connection.one<int>("select ? + 1", rows), rows + 1);
  }
  auto failing = connection.query("select 1 / (n - 500) from generate_series(1, 1000) as n");
  EXPECT_THROW_CODE(while (failing.next()), Code::statement_invalid);
  failing.finish();
  EXPECT_EQ(connection.execute("insert into t (id) select n from generate_series(1, 7) as n"), 7);
  EXPECT_EQ(connection.one<int>("(select count(*) from t)"), 7);
  connection.execute("vacuum t");  // Takes no company.
}

TEST_F(PostgresPoolerLive, WaitsHaveTheirLimits) {
  {
    const auto db = open({{"busy_timeout", "50ms"}});
    db->execute("insert into t (id) values (1)");
    auto holder = db->connect();
    auto held = holder.begin();
    held.execute("update t set s = 'held'");
    auto waiter = db->connect();
    auto tx = waiter.begin();
    EXPECT_THROW_CODE(tx.execute("update t set s = 'waits'"), Code::database_locked);
    tx.rollback();
    EXPECT_THROW_CODE(waiter.execute("update t set s = 'waits'"), Code::database_locked);
    EXPECT_THROW_CODE(waiter.script("update t set s = 'waits'"), Code::database_locked);
  }
  const auto db = open({{"busy_timeout", "1h"}});
  auto holder = db->connect();
  auto held = holder.begin();
  held.execute("update t set s = 'held'");
  auto waiter = db->connect();
  for (int i = 0; i < 5; ++i) {
    waiter.set_statement_timeout(50ms);
    EXPECT_THROW_CODE(waiter.execute("select pg_sleep(20)"), Code::timeout);
    EXPECT_THROW_CODE(waiter.execute("update t set s = 'waits'"), Code::timeout);
    waiter.set_statement_timeout(kNoTimeout);
    EXPECT_EQ(waiter.one<int>("select 1"), 1);
  }
}

TEST_F(PostgresPoolerLive, NothingIsWrittenThroughOneThatIsReadOnly) {
  const auto db = open({{"mode", "ro"}});
  auto connection = db->connect();
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  EXPECT_THROW_CODE(connection.execute("insert into t (id) values (1)"), Code::read_only);
  EXPECT_THROW_CODE(connection.script("insert into t (id) values (1)"), Code::read_only);
  auto tx = connection.begin();
  EXPECT_THROW_CODE(tx.execute("insert into t (id) values (1)"), Code::read_only);
  tx.rollback();
  EXPECT_EQ(direct_->one<int>("select count(*) from t"), 0);
}

// PgBouncer says so itself, and closes.
TEST_F(PostgresPoolerLive, ALostSessionIsToldAsWithout) {
  direct_->script(
      "create or replace function end_me() returns trigger language plpgsql as $$ begin "
      "perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(10); return null; end $$;"
      "create constraint trigger at_commit after insert on t deferrable initially deferred "
      "for each row execute function end_me()");
  const auto db = open();
  testing::Ledger ledger;
  EXPECT_EQ(ledger.unit(*db, 1), testing::Told::unknown);
  EXPECT_EQ(ledger.note(2, [&] { db->execute("insert into t (id) values (2)"); }), testing::Told::unknown);
  EXPECT_EQ(ledger.note(3,
                        [&] {
                          auto connection = db->connect();
                          auto tx = connection.begin();
                          const auto pid = tx.one<std::int64_t>("select pg_backend_pid()");
                          direct_->one<bool>("select pg_terminate_backend(?::int, 10000)", pid);
                          tx.execute("insert into t (id) values (3)");
                          tx.commit();
                        }),
            testing::Told::not_applied);
  EXPECT_EQ(direct_->one<int>("select count(*) from t"), 0);
  EXPECT_EQ(db->one<int>("select 1"), 1);
}

TEST_F(PostgresPoolerLive, OneThatLendsWholeSessionsIsLikeNone) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_PGBOUNCER_SESSION");
  const auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_PGBOUNCER_SESSION"));
  const auto db = open_url(url, {{"max_connections", "1"}});
  std::int64_t session = 0;
  {
    auto connection = db->connect();
    session = connection.session_id();
    EXPECT_EQ(connection.one<std::int64_t>("select pg_backend_pid()"), session);
    EXPECT_EQ(connection.one<std::string>("select current_setting('lock_timeout')"), "5s");
    EXPECT_GE(connection.one<int>("select count(*) from pg_prepared_statements"), 1);
    connection.listen("news");
    connection.execute("set timezone = 'Asia/Tokyo'");
    connection.one<Value>("select pg_advisory_lock(7)::text");
    direct_->one<Value>("select pg_notify('news', 'hello')::text");
    const auto told = connection.wait_for_notification(runtime_.in(20s));
    ASSERT_TRUE(told.has_value());
    EXPECT_EQ(told->payload, "hello");
  }
  auto connection = db->connect();
  EXPECT_EQ(connection.session_id(), session);
  EXPECT_EQ(connection.one<std::string>("select current_setting('TimeZone')"), "UTC");
  EXPECT_EQ(connection.one<std::string>("select current_setting('lock_timeout')"), "5s");
  EXPECT_EQ(direct_->one<int>("select count(*) from pg_locks where locktype = 'advisory'"), 0);
  auto tx = connection.begin();
  tx.execute("insert into t (id) values (1)");
  EXPECT_FALSE(tx.commit().empty());
}

TEST_F(PostgresPoolerLive, OneThatLendsWholeSessionsTellsWhenOneMayWriteByNow) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_PGBOUNCER_SESSION");
  const auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_PGBOUNCER_SESSION"));
  const auto db = open_url(url, {{"max_connections", "1"}, {"mode", "ro"}});
  {
    auto connection = db->connect();
    connection.execute("select set_config('default_transaction_read_only', 'off', false)");
    EXPECT_THROW_CODE(connection.execute("insert into t (id) values (1)"), Code::misuse);
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

TEST_F(PostgresPoolerLive, OneThatTakesNoOptionsIsNamedTogetherWithTheWayOut) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_PGBOUNCER_STRICT");
  auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_PGBOUNCER_STRICT"));
  const auto refused = error_of([&] { open_url(url); });
  EXPECT_EQ(refused.code(), Code::unsupported) << refused.what();
  for (const auto* const part : {"pooler=transaction", "pooler=session", "ignore_startup_parameters"}) {
    EXPECT_NE(refused.message().find(part), std::string::npos) << refused.what();
  }
  const auto db = open_url(url, {{"pooler", "transaction"}});
  EXPECT_EQ(db->one<int>("select ? + 1", 1), 2);
  EXPECT_EQ(db->one<std::string>("select current_setting('TimeZone')"), "UTC");
  expect_refused(error_of([&] { db->connect().session_id(); }));
  url.path = "/session";
  EXPECT_GT(open_url(url, {{"pooler", "session"}})->connect().session_id(), 0);
}

}  // namespace
}  // namespace tidelock::sql::postgres

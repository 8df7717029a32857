// What a statement has done that fails, is lost, is stopped or is refused: as it is told, and as the tables have it.
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "tidelock/sql/backends/postgres/testing/live.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;

class PostgresStatementLive : public PostgresLiveTest {
 protected:
  // What ends the session that calls it: the function end_me(integer), and a trigger.
  void make_ends(Database& db) {
    db.script(
        "create function end_me(n integer) returns integer language plpgsql as $$ begin "
        "perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(10); return n; end $$;"
        "create function end_me() returns trigger language plpgsql as $$ begin perform end_me(1); return new; end $$");
  }
};

TEST_F(PostgresStatementLive, ALostAnswerIsUnknownWhereverTheFunctionStands) {
  make_ends(*open());
  const auto db = open();
  db->script(
      "create table t (a integer); insert into t values (1); create schema app;"
      "create function app.lower(n integer) returns integer language sql as 'select public.end_me(n)';"
      "create function log(a text, b text) returns integer language sql as 'select end_me(1)'");
  for (const auto* const sql :
       {"select end_me(1)", "select 1, end_me(1)", "select a, end_me(a) from t", "select coalesce(null, end_me(1))",
        "values (1, end_me(2))", "select a from t order by a, end_me(a)", "select app.lower(1)",
        "select log('a', 'b')"}) {
    EXPECT_EQ(error_of([&] { db->execute(sql); }).code(), Code::unknown_outcome) << sql;
  }
  EXPECT_EQ(error_of([&] {
              auto connection = db->connect();
              end_session(connection.one<std::int64_t>("select pg_catalog.pg_backend_pid()"));
              connection.execute("select 1");
            }).code(),
            Code::connection_lost);
}

TEST_F(PostgresStatementLive, ALockBehindACommaIsNotLeftToTheNextUser) {
  const auto db = open({{"max_connections", "1"}});
  db->connect().query("select 1, pg_advisory_lock(7)").next();
  EXPECT_EQ(db->one<int>("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"), 0);
}

TEST_F(PostgresStatementLive, WhatMayHaveCommittedIsNotRunAgainForItsTypes) {
  const auto db = open();
  db->script(
      "create table t (a integer); create sequence calls;"
      "create procedure p() language plpgsql as $$ begin insert into t values (2); commit; perform 'x'::int; end $$;"
      "create function f() returns integer language plpgsql as $$ begin "
      "perform nextval('calls'); return 'x'::int; end $$");
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.execute("do $$ begin insert into t values (1); commit; perform 'x'::int; end $$"),
                    Code::statement_invalid);
  EXPECT_THROW_CODE(connection.execute("call p()"), Code::statement_invalid);
  EXPECT_EQ(connection.one<std::string>("select string_agg(a::text, ' ' order by a) from t"), "1 2");
  EXPECT_THROW_CODE(connection.execute("select f()"), Code::statement_invalid);
  EXPECT_EQ(connection.one<int>("select last_value from calls"), 1);
}

TEST_F(PostgresStatementLive, AProcedureThatIsStoppedBehindACommitOfItsOwnIsNotSaidToBeUndone) {
  const auto db = open();
  db->script(
      "create table t (a integer);"
      "create procedure p() language plpgsql as $$ begin insert into t values (1); commit; perform pg_sleep(10); end "
      "$$");
  auto connection = db->connect();
  connection.set_statement_timeout(2s);
  EXPECT_THROW_CODE(connection.execute("call p()"), Code::unknown_outcome);
  EXPECT_THROW_CODE(connection.execute("do $$ begin insert into t values (2); commit; perform pg_sleep(10); end $$"),
                    Code::unknown_outcome);
  EXPECT_THROW_CODE(connection.script("call p()"), Code::unknown_outcome);
  EXPECT_THROW_CODE(connection.execute("select pg_sleep(10)"), Code::timeout);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 3);
}

TEST_F(PostgresStatementLive, WhatIsRunAgainForANewSchemaIsAppliedOnce) {
  const auto db = open();
  db->script("create table t (a integer)");
  auto connection = db->connect();
  auto insert = connection.prepare("insert into t values (?)");
  EXPECT_EQ(insert.execute(1), 1);
  db->script("alter table t alter a type date using null");
  EXPECT_EQ(insert.execute("2024-02-29"), 1);
  EXPECT_EQ(connection.one<int>("select count(a) from t"), 1);
}

TEST_F(PostgresStatementLive, ALossWhileItIsRunAgainForANewSchemaIsUnknown) {
  make_ends(*open());
  const auto db = open();
  db->script("create table t (a integer)");
  auto connection = db->connect();
  auto insert = connection.prepare("insert into t values (?)");
  insert.execute(1);
  db->script(
      "alter table t alter a type date using null;"
      "create trigger ends after insert on t for each row execute function end_me()");
  EXPECT_EQ(error_of([&] { insert.execute("2024-02-29"); }).code(), Code::unknown_outcome);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

TEST_F(PostgresStatementLive, InATransactionANewSchemaIsAReasonToRunTheUnitAgain) {
  const auto db = open();
  db->script("create table t (a integer)");
  auto connection = db->connect();
  auto select = connection.prepare("select * from t");
  select.query().finish();
  db->script("alter table t add column b integer");
  auto tx = connection.begin();
  EXPECT_EQ(error_of([&] { tx.query("select * from t").next(); }).code(), Code::serialization_failure);
  tx.rollback();
  auto again = connection.begin();
  EXPECT_EQ(again.query("select * from t").column_count(), 2U);
}

TEST_F(PostgresStatementLive, TheFirstRunOfATextHasTheTimeOfAStatement) {
  const auto db = open({{"busy_timeout", "20s"}});
  db->script("create table t (a integer)");
  auto holder = db->connect();
  auto held = holder.begin();
  held.execute("lock table t in access exclusive mode");
  auto waiter = db->connect();
  waiter.set_statement_timeout(100ms);
  EXPECT_THROW_CODE(waiter.one<int>("select count(*) from t"), Code::timeout);
  held.rollback();
  EXPECT_EQ(waiter.one<int>("select count(*) from t"), 0);
}

TEST_F(PostgresStatementLive, AWriteThatReturnsRowsIsThroughBeforeTheFirstIsGiven) {
  const auto db = open();
  db->script(
      "create table parent (id int primary key); insert into parent values (1);"
      "create table child (id int references parent deferrable initially deferred, s text)");
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.query("insert into child values (?) returning id", 2), Code::constraint_violation);
  EXPECT_THROW_CODE(connection.query("with x as (insert into child values (2) returning id) select id from x"),
                    Code::constraint_violation);
  {
    auto rows =
        connection.query("insert into child select 1, 'n' || n from generate_series(1, 3) as n returning s, id");
    for (int n = 1; n <= 3; ++n) {
      ASSERT_TRUE(rows.next());
      EXPECT_EQ(rows.row().get<std::string>(0), "n" + std::to_string(n));
      EXPECT_EQ(rows.row().get<int>("id"), 1);
    }
    EXPECT_FALSE(rows.next());
  }
  EXPECT_FALSE(connection.query("delete from child where id = 7 returning id").next());
  EXPECT_TRUE(connection.query("update child set s = 'x' returning id").next());  // The rest is not read.
  EXPECT_EQ(connection.execute("delete from child returning id"), 3);
  auto tx = connection.begin();  // Here it is the commit that fails.
  EXPECT_TRUE(tx.query("insert into child values (2) returning id").next());
  EXPECT_THROW_CODE(tx.commit(), Code::constraint_violation);
}

TEST_F(PostgresStatementLive, WhatIsOverTheLimitsOfTheServerIsRefusedAndTheConnectionStays) {
  const auto db = open();
  db->script("create table t (a bytea, b bytea)");
  auto connection = db->connect();
  const auto session = connection.session_id();
  constexpr std::size_t kMoreThanAnInt = std::size_t{9} << 30;
  // Never touched, so that there need not be so much memory.
  void* const memory = ::mmap(nullptr, kMoreThanAnInt, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "9 GiB of addresses are not to be had here";
  const auto* const bytes = static_cast<const std::byte*>(memory);
  for (const std::size_t size : {std::size_t{1} << 30, std::size_t{5} << 30, kMoreThanAnInt}) {
    EXPECT_EQ(error_of([&] { connection.execute("insert into t (a) values (?)", BlobView(bytes, size)); }).code(),
              Code::too_large);
    auto bulk = connection.bulk("t", {"a", "b"});
    EXPECT_EQ(error_of([&] { bulk.append(Null{}, BlobView(bytes, size)); }).code(), Code::too_large);
  }
  std::string many = "select 1 where 1 in (?";
  for (int i = 1; i < 65'536; ++i) many += ", ?";
  const auto too_many = error_of([&] { connection.prepare(many + ")"); });
  EXPECT_EQ(too_many.code(), Code::too_large) << too_many.what();
  EXPECT_EQ(connection.one<std::int64_t>("select pg_backend_pid()"), session);
  ::munmap(memory, kMoreThanAnInt);
}

TEST_F(PostgresStatementLive, ABulkLoadThatIsCancelledEndsWithTheNextRowsThatAreSent) {
  const auto db = open();
  db->script("create table t (s text)");
  auto connection = db->connect();
  {
    auto bulk = connection.bulk("t", {"s"});
    const std::string row(1000, 'x');
    bulk.append(row);
    connection.canceller().cancel();
    int appended = 1;
    EXPECT_THROW_CODE(for (; appended < 100'000; ++appended) bulk.append(row), Code::cancelled);
    EXPECT_LT(appended, 100);
  }
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
}

TEST_F(PostgresStatementLive, ARowThatIsLongIsSentInPieces) {
  const auto db = open();
  db->script("create table t (n integer, s text)");
  auto connection = db->connect();
  auto bulk = connection.bulk("t", {"n", "s"});
  for (int n = 0; n < 3; ++n) bulk.append(n, std::string((std::size_t{5} << 20) + 1, static_cast<char>('a' + n)));
  EXPECT_EQ(bulk.finish(), 3);
  EXPECT_EQ(connection.one<std::string>("select string_agg(left(s, 1) || length(s) || right(s, 1), ' ' order by n) "
                                        "from t"),
            "a5242881a b5242881b c5242881c");
}

TEST_F(PostgresStatementLive, WhoMayOnlyInsertLoadsInBulk) {
  const auto role = "loader_" + std::to_string(runtime_.random());
  const auto owner = open();
  owner->script(
      "create domain small as integer check (value < 100); create table t (a small, b text);"
      "create role " +
      role + " login; grant insert on t to " + role);
  {
    auto url = url_;
    url.user = role;
    const auto db = open_url(url, {{"mode", "rw"}});
    EXPECT_THROW_CODE(db->one<int>("select count(*) from t"), Code::permission_denied);
    auto connection = db->connect();
    auto bulk = connection.bulk("t", {"a", "b"});
    bulk.append(7, "seven");
    EXPECT_EQ(bulk.finish(), 1);
  }
  EXPECT_EQ(owner->one<std::string>("select b from t where a = 7"), "seven");
  owner->script("drop owned by " + role + "; drop role " + role);
}

TEST_F(PostgresStatementLive, WhatIsBegunToReadOnlyStaysSo) {
  const auto writer = open();
  writer->script("create table t (a integer)");
  auto connection = writer->connect();
  connection.begin().execute("set transaction read write");  // Kept prepared, where it says nothing new.
  const auto refuses = [](Transaction& tx) {
    for (const auto* const sql : {"set transaction read write", "set local transaction_read_only = off"}) {
      EXPECT_THROW_CODE(tx.execute(sql), Code::misuse);
      EXPECT_THROW_CODE(tx.script(sql), Code::misuse);
    }
  };
  {
    auto tx = connection.begin({.read_only = true});
    refuses(tx);
  }
  for (const auto* const sql : {"select set_config('transaction_read_only', 'off', true)",
                                "do $$ begin set local transaction_read_only = off; end $$"}) {
    auto tx = connection.begin({.read_only = true});
    EXPECT_FALSE(error_of([&] { tx.execute(sql); }).message().empty()) << sql;  // The server refuses these itself.
  }
  const auto reader = open({{"mode", "ro"}});
  EXPECT_THROW_CODE(reader->execute("set default_transaction_read_only = off"), Code::misuse);
}

// By a setting that only the server knows of: in a function, by a name that is put together, in a block of code.
TEST_F(PostgresStatementLive, WhatWasOpenedToReadOnlyStaysSoByWhateverWayItIsSetFree) {
  open()->script(
      "create table t (a integer);"
      "create function set_free() returns text language sql as "
      "$$ select set_config('default_transaction_read_only', 'off', false) $$;"
      "create procedure set_free_and_write() language plpgsql as $$ begin perform set_free(); commit; "
      "insert into t values (1); end $$");
  const auto reader = open({{"mode", "ro"}, {"max_connections", "1"}});
  for (const auto* const sql : {"select set_config('default_transaction_read_only', 'off', false)",
                                "select set_config('default_' || 'transaction_read_only', 'off', false)",
                                "select set_free()", "with x as materialized (select set_free()) table x"}) {
    auto connection = reader->connect();  // The same session each time: it has been reset meanwhile.
    connection.execute(sql);
    EXPECT_THROW_CODE(connection.execute("insert into t values (1)"), Code::misuse) << sql;
    EXPECT_THROW_CODE(connection.script("insert into t values (1)"), Code::misuse) << sql;
    EXPECT_THROW_CODE(connection.script("select 1"), Code::misuse) << sql << ": a view may call a function";
    auto tx = connection.begin();
    EXPECT_THROW_CODE(tx.execute("insert into t values (1)"), Code::read_only) << sql;
  }
  EXPECT_EQ(reader->one<int>("select count(*) from t"), 0);
  const auto script = std::string("select set_free(); insert into t values (1)");
  EXPECT_THROW_CODE(reader->script(script), Code::misuse);
  for (const auto* const sql :
       {"call set_free_and_write()", "do $$ begin perform set_free(); commit; insert into t values (1); end $$"}) {
    EXPECT_THROW_CODE(reader->execute(sql), Code::read_only) << sql;
    EXPECT_THROW_CODE(reader->script(sql), Code::read_only) << sql;
    auto connection = reader->connect();
    auto tx = connection.begin();
    EXPECT_THROW_CODE(tx.execute(sql), Code::statement_invalid) << sql << ": it cannot commit there";
  }
  EXPECT_EQ(reader->one<int>("select count(*) from t"), 0);
}

TEST_F(PostgresStatementLive, WhatTheGuardRefusesTakesNoLock) {
  const auto db = open({{"guarded", "true"}});
  db->script("create table t (a integer)");
  auto connection = db->connect();
  auto tx = connection.begin();
  EXPECT_THROW_CODE(tx.execute("delete from t"), Code::permission_denied);
  EXPECT_THROW_CODE(tx.query("update t set a = ? returning a", 1), Code::permission_denied);
  EXPECT_EQ(tx.one<int>("select count(*) from pg_locks where relation = 't'::regclass"), 0);
}

TEST_F(PostgresStatementLive, StatementsThatOthersPreparedByNameAreRefused) {
  const auto db = open();
  auto connection = db->connect();
  for (const auto* const sql : {"prepare p as select 1", "execute t1", "deallocate t1"}) {
    EXPECT_THROW_CODE(connection.execute(sql), Code::misuse);
    EXPECT_THROW_CODE(connection.script(sql), Code::misuse);
  }
  EXPECT_EQ(connection.one<int>("select 1"), 1);
}

}  // namespace
}  // namespace tidelock::sql::postgres

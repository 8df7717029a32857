// What a session on a real server keeps, loses and forgets.
#include <gmock/gmock.h>

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using testing::error_of;
using testing::Global;
using ::testing::HasSubstr;
using testing::MariadbSessions;

using MariadbDefaults = testing::MariadbPlain;

TEST_F(MariadbSessions, AreMadeTheSameWhateverTheServersDefaults) {
  const auto db = open();
  auto connection = db->connect();
  EXPECT_EQ(connection.one<std::string>("select @@time_zone"), "+00:00");
  EXPECT_EQ(connection.one<std::string>("select @@character_set_client"), "utf8mb4");
  EXPECT_EQ(connection.one<std::string>("select @@character_set_results"), "utf8mb4");
  EXPECT_THAT(connection.one<std::string>("select @@sql_mode"), HasSubstr("STRICT_ALL_TABLES"));
  EXPECT_EQ(connection.one<std::string>(R"(select 'a\' || 'b' as "joined")"), R"(a\b)");
  EXPECT_EQ(connection.one<std::string>("select @@lc_messages"), "en_US");
  EXPECT_EQ(connection.one<std::string>("select @@completion_type"), "NO_CHAIN");
  const auto native = open("ansi=false");
  EXPECT_EQ(native->one<std::string>(R"(select concat('a\'', "?", ?))", "b"), "a'?b");
}

TEST_F(MariadbDefaults, OfTheServerDoNotReachASession) {
  const Global chain(*admin_, "completion_type", "'CHAIN'");
  const Global isolation(*admin_, "tx_isolation", "'READ-UNCOMMITTED'");
  const Global reads_only(*admin_, "tx_read_only", "1");
  const Global language(*admin_, "lc_messages", "'de_DE'");
  const auto db = open("max_connections=1");
  db->script("create table t (id integer primary key)");
  auto connection = db->connect();
  EXPECT_EQ(connection.one<std::string>("select @@tx_isolation"), "REPEATABLE-READ");
  {
    auto tx = connection.begin();
    tx.execute("insert into t values (1)");
    tx.commit();
  }
  connection.execute("insert into t values (2)");  // Not in a transaction that a commit has begun.
  EXPECT_EQ(connection.one<int>("select @@in_transaction"), 0);
  const auto twice = error_of([&] { connection.execute("insert into t values (1)"); });
  EXPECT_EQ(twice.object(), "PRIMARY") << twice.what();
}

TEST_F(MariadbSessions, LeaveNothingToTheirNextUser) {
  const auto db = with_table("max_connections=1");
  std::int64_t session = 0;
  {
    auto connection = db->connect();
    session = connection.session_id();
    EXPECT_EQ(connection.one<int>("select a from t where a = ? union select 0 limit 1", 1), 0);
    connection.execute("set sql_mode = ''");
    connection.execute("set @mine = 7");
    connection.execute("create temporary table mine (a integer)");
    EXPECT_EQ(connection.one<int>("select get_lock('tidelock-test', 0)"), 1);
    auto tx = connection.begin({.isolation = Isolation::serializable, .lock_timeout = 7s});
    tx.execute("insert into t values (1, 'x')");
  }
  auto connection = db->connect();
  EXPECT_EQ(connection.session_id(), session);  // It is the same one.
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  EXPECT_THAT(connection.one<std::string>("select @@sql_mode"), HasSubstr("STRICT_ALL_TABLES"));
  EXPECT_EQ(connection.one<std::optional<std::int64_t>>("select @mine"), std::nullopt);
  EXPECT_EQ(connection.one<std::optional<std::int64_t>>("select is_used_lock('tidelock-test')"), std::nullopt);
  EXPECT_EQ(connection.one<int>("select @@innodb_lock_wait_timeout"), 5);
  EXPECT_THROW_CODE(connection.execute("insert into mine values (1)"), Code::statement_invalid);
  // A statement that was prepared before the session was reset.
  EXPECT_EQ(connection.one<int>("select a from t where a = ? union select 0 limit 1", 1), 0);
}

TEST_F(MariadbSessions, LeaveNoOtherDatabaseToTheirNextUser) {
  const auto chosen = [](Database& db) { return db.one<std::optional<std::string>>("select database()"); };
  auto url = url_;
  url.params["max_connections"] = "1";
  const auto with_one = open_url(url);
  url.path.clear();
  const auto without = open_url(url);
  for (auto* const db : {with_one.get(), without.get()}) {
    const auto own = chosen(*db);
    for (const auto* const sql : {"use mysql", "/*!use*/ mysql"}) {
      db->execute(sql);
      EXPECT_EQ(chosen(*db), own);
      db->script(sql);
      EXPECT_EQ(chosen(*db), own);
    }
  }
  EXPECT_EQ(chosen(*with_one), url_.path.substr(1));
  EXPECT_EQ(chosen(*without), std::nullopt);
}

// What a stored function sets is told by the server.
TEST_F(MariadbSessions, LeaveNothingThatAProcedureSet) {
  const auto db = with_table("max_connections=1");
  db->script("create procedure p() begin set @from_a_procedure = 1; insert into t values (1, 'x'); end");
  db->connect().execute("call p()");
  EXPECT_EQ(db->one<std::optional<std::int64_t>>("select @from_a_procedure"), std::nullopt);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

TEST_F(MariadbSessions, AutocommitStaysOn) {
  const auto db = with_table("max_connections=1");
  for (const auto* const sql : {"set autocommit = 0", "set @@session.autocommit = off", "set @a = 1, autocommit = 0"}) {
    auto connection = db->connect();
    EXPECT_THROW_CODE(connection.execute(sql), Code::misuse);
    EXPECT_THROW_CODE(connection.script(std::string(sql) + "; insert into t values (1, 'x')"), Code::misuse);
    auto tx = connection.begin();
    EXPECT_THROW_CODE(tx.execute(sql), Code::misuse);
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
  db->script("set autocommit = 0; insert into t values (0, 'of a dump'); commit");
  db->execute("delete from t");
  db->script("create procedure off() begin set autocommit = 0; end");
  {
    auto connection = db->connect();
    connection.execute("call off()");
    connection.execute("insert into t values (1, 'kept')");
    auto tx = connection.begin();
    tx.execute("call off()");
    tx.execute("insert into t values (2, 'kept')");
    tx.commit();
    connection.execute("insert into t values (3, 'kept')");
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 3);
}

// Outside of a transaction, where the caller takes what succeeds for committed.
TEST_F(MariadbSessions, ATransactionThatAProcedureLeavesOpenIsRolledBackAndTold) {
  const auto db = with_table("max_connections=1");
  db->script("create procedure begins() begin start transaction; insert into t values (1, 'x'); end");
  db->script("create procedure turns_off() begin set autocommit = 0; insert into t values (1, 'x'); end");
  db->script("create procedure shows() begin start transaction; insert into t values (1, 'x'); select a from t; end");
  db->script(
      "create procedure fails() begin start transaction; insert into t values (1, 'x'); signal sqlstate '45000'; "
      "end");
  for (const auto* const sql : {"call begins()", "call turns_off()", "call shows()", "call fails()"}) {
    SCOPED_TRACE(sql);
    auto connection = db->connect();
    const auto code = std::string_view(sql) == "call fails()" ? Code::statement_invalid : Code::misuse;
    EXPECT_THROW_CODE(connection.execute(sql), code);
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
    EXPECT_THROW_CODE(connection.script(sql), code);
    EXPECT_THROW_CODE(connection.script(std::string("insert into t values (7, 'kept'); ") + sql), code);
    connection.execute("insert into t values (8, 'kept')");
    EXPECT_EQ(connection.execute("delete from t where b = 'kept'"), 2);
  }
  EXPECT_THROW_CODE(db->script("execute immediate 'start transaction'; insert into t values (1, 'x')"), Code::misuse);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

// mode=ro is a setting of the session.
TEST_F(MariadbSessions, WhatAProcedureOrAFunctionLiftsOfReadingOnlyIsPutBack) {
  const auto db = with_table();
  db->script("create procedure lift_all() begin set session transaction read write; end");
  db->script("create procedure lift_next() begin set transaction read write; end");
  db->script(
      "create function lift_within() returns int deterministic begin set session tx_read_only = 0; return 1; end");
  db->script("create view lifting as select lift_within() as n");
  const auto reader = open("mode=ro");
  for (const auto* const sql :
       {"call lift_all()", "call lift_next()", "select lift_within()", "select n from lifting"}) {
    SCOPED_TRACE(sql);
    auto connection = reader->connect();
    connection.execute(sql);
    EXPECT_THROW_CODE(connection.execute("insert into t values (1, 'x')"), Code::read_only);
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

// What the text of a statement does not show, as its function takes it inside.
TEST_F(MariadbSessions, LeaveNoLockThatAFunctionTook) {
  const auto db = with_table("max_connections=1");
  db->script(
      "create function take_it() returns int deterministic return get_lock('tidelock-test-taken', 0);"
      "create function set_it() returns int deterministic begin set @set_by_a_function = 1; signal sqlstate '45000'; "
      "return 1; "
      "end");
  const auto holder = [&] {
    return db->one<std::optional<std::int64_t>>("select is_used_lock('tidelock-test-taken')");
  };
  for (const auto* const sql : {"select `get_lock`('tidelock-test-taken', 0)", "select take_it()",
                                R"(select "get_lock"('tidelock-test-taken', 0))", "do take_it()"}) {
    SCOPED_TRACE(sql);
    db->connect().execute(sql);
    EXPECT_EQ(holder(), std::nullopt);
  }
  EXPECT_THROW(db->connect().execute("select set_it()"), Error);
  EXPECT_EQ(db->one<std::optional<std::int64_t>>("select @set_by_a_function"), std::nullopt);
}

TEST_F(MariadbSessions, LeaveNoRoleToTheirNextUser) {
  const auto number = std::to_string(runtime_.random() % 1'000'000'000);
  const auto user = "u" + number + "@'127.0.0.1'";
  const auto role = "r" + number;
  admin_->execute("create user " + user);
  admin_->execute("create role " + role);
  admin_->execute("grant " + role + " to " + user);
  open();
  admin_->execute("grant all on `" + url_.path.substr(1) + "`.* to " + user);
  auto url = url_;
  url.user = "u" + number;
  url.password = {};
  url.params["max_connections"] = "1";
  {
    const auto db = open_url(url);
    for (const bool by_script : {false, true}) {
      {
        auto connection = db->connect();
        by_script ? connection.script("set role " + role) : static_cast<void>(connection.execute("set role " + role));
        EXPECT_EQ(connection.one<std::optional<std::string>>("select current_role()"), role);
      }
      EXPECT_EQ(db->one<std::optional<std::string>>("select current_role()"), std::nullopt);
    }
  }
  admin_->execute("drop user " + user);
  admin_->execute("drop role " + role);
}

// What the guard takes for one string, `'\''; drop table t; -- '`, is two statements where a backslash escapes.
TEST_F(MariadbSessions, AnSqlModeThatReadsTextInAnotherWayHidesNothingFromTheGuard) {
  const auto db = with_table("guarded=true");
  const std::string hidden = R"(select '\''; drop table t; -- ')";
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.script("set sql_mode = ''; " + hidden), Code::unsupported);
  EXPECT_THROW_CODE(connection.script("/*! set session sql_mode */ = ''; " + hidden), Code::unsupported);
  connection.script(hidden);  // One string.
  connection.execute("set sql_mode = ''");
  EXPECT_EQ(connection.one<int>("select 1"), 1);
  EXPECT_THROW_CODE(connection.script(hidden), Code::unsupported);
  EXPECT_THROW_CODE(connection.execute(R"(select '\n')"), Code::unsupported);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
}

// In GBK the last byte of a euro sign and a backslash, or a backtick, are one letter.
TEST_F(MariadbSessions, ACharacterSetThatReadsTextInAnotherWayHidesNothingFromTheGuard) {
  for (const auto& [parameters, hidden] :
       {std::pair("ansi=false&guarded=true&max_connections=1", "select '\xe2\x82\xac\\'; drop table t; -- '"),
        std::pair("guarded=true&max_connections=1", "select 1 as `\xe2\x82\xac`, 2 as `; drop table t; -- `")}) {
    SCOPED_TRACE(parameters);
    open()->script("create or replace table t (a integer)");
    const auto db = open(parameters);
    {
      auto connection = db->connect();
      EXPECT_THROW_CODE(connection.script(std::string("set names gbk; ") + hidden), Code::unsupported);
      connection.script(hidden);  // One string, or one name.
      connection.execute("set names gbk");
      EXPECT_EQ(connection.one<int>("select 1"), 1);
      EXPECT_THROW_CODE(connection.script(hidden), Code::unsupported);
      EXPECT_THROW_CODE(connection.execute(hidden), Code::unsupported);
      EXPECT_THROW_CODE(connection.bulk("t", {"\xe2\x82\xac"}), Code::unsupported);
    }
    EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
    db->script(hidden);
    EXPECT_EQ(db->one<std::string>("select @@character_set_client"), "utf8mb4");
  }
}

TEST_F(MariadbSessions, PositionsAreGtidsOfTheServer) {
  const auto db = with_table();
  auto connection = db->connect();
  auto tx = connection.begin();
  tx.execute("insert into t values (1, 'x')");
  const auto position = tx.commit();
  EXPECT_EQ(position.text, connection.one<std::string>("select @@last_gtid"));
  const auto& compare = db->dialect().compare_positions;
  EXPECT_TRUE(compare({"0-1-9"}, {"0-1-10"}) < 0);
  EXPECT_TRUE(compare({"0-2-10"}, {"0-1-9"}) > 0);
  EXPECT_EQ(compare({"0-1-9"}, {"1-1-10"}), std::partial_ordering::unordered);
  EXPECT_EQ(compare({"0-1-9"}, {"0-2-9"}), std::partial_ordering::unordered);
  EXPECT_EQ(compare({"0-1-9x"}, {"0-1-9"}), std::partial_ordering::unordered);
}

}  // namespace
}  // namespace tidelock::sql::mariadb

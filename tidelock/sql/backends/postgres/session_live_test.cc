// What a session of a real server leaves behind, waits for, and says when it fails.
#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/testing/table_resolver.h"
#include "tidelock/sql/backends/postgres/testing/live.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;

using testing::Proxy;
using PostgresErrorsLive = PostgresLiveTest;
using PostgresSessionLive = PostgresLiveTest;
using PostgresOpenLive = PostgresLiveTest;

TEST_F(PostgresErrorsLive, EachHasItsCode) {
  const auto db = open();
  db->script(
      "create table t (a integer primary key, s varchar(3), n numeric(4, 1), small smallint check (small > 0),"
      " u integer unique, p integer references t (a));"
      "insert into t values (1, 'a', 1, 1, 1, null);"
      "create function refuse() returns int language plpgsql as $$ begin raise exception 'no; not so'; end $$");
  const std::vector<std::pair<std::string, Code>> cases = {
      {"insert into t (a) values (1)", Code::constraint_violation},
      {"insert into t (a, u) values (2, 1)", Code::constraint_violation},
      {"insert into t (a, p) values (2, 99)", Code::constraint_violation},
      {"insert into t (a, small) values (2, 0)", Code::constraint_violation},
      {"insert into t (a) values (null)", Code::constraint_violation},
      {"insert into t (a, s) values (2, 'long')", Code::too_large},
      {"insert into t (a, n) values (2, 12345)", Code::too_large},
      {"select 2147483647 + 1", Code::too_large},
      {"select 'x'::int", Code::statement_invalid},
      {"select 1 / 0", Code::statement_invalid},
      {"select nothing", Code::statement_invalid},
      {"select * from nowhere", Code::statement_invalid},
      {"selec", Code::statement_invalid},
      {"select nofunction(1)", Code::statement_invalid},
      {"create table t (a int)", Code::statement_invalid},
      {"select refuse()", Code::constraint_violation},
      {"vacuum", Code::internal},  // Not an error: see below.
      {"set role nobody_has_this_role", Code::statement_invalid},
      {"copy t to stdout", Code::unsupported},
      {"prepare transaction 'x'", Code::misuse},
      {"deallocate all", Code::misuse},
      {"discard all", Code::misuse},
  };
  for (const auto& [sql, code] : cases) {
    if (code == Code::internal) {
      db->execute(sql);
      continue;
    }
    EXPECT_EQ(error_of([&, text = sql] { db->execute(text); }).code(), code) << sql;
  }
  const auto unique = error_of([&] { db->execute("insert into t (a) values (?)", 1); });
  EXPECT_EQ(unique.object(), "t_pkey");
  EXPECT_EQ(unique.native()->state, "23505");
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

TEST_F(PostgresErrorsLive, ConflictsAreRunAgain) {
  const auto db = open();
  db->script("create table t (id integer primary key, v integer); insert into t values (1, 0), (2, 0)");
  auto first = db->connect();
  auto second = db->connect();
  auto a = first.begin({.isolation = Isolation::serializable});
  auto b = second.begin({.isolation = Isolation::serializable});
  a.one<int>("select sum(v) from t");
  b.one<int>("select sum(v) from t");
  a.execute("update t set v = 1 where id = 1");
  b.execute("update t set v = 1 where id = 2");
  a.commit();
  EXPECT_EQ(error_of([&] { b.commit(); }).code(), Code::serialization_failure);

  auto c = first.begin();
  auto d = second.begin({.lock_timeout = kNoTimeout});
  c.execute("update t set v = 2 where id = 1");
  d.execute("update t set v = 2 where id = 2");
  auto other = runtime_.spawn("other", [&](const std::stop_token&) {
    try {
      d.execute("update t set v = 3 where id = 1");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::deadlock) << error.what();
    }
    d.rollback();
  });
  try {
    c.execute("update t set v = 3 where id = 2");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::deadlock) << error.what();
  }
  c.rollback();
  other.join();
}

TEST_F(PostgresSessionLive, NothingIsLeftToTheNextUser) {
  const auto db = open({{"max_connections", "1"}});
  const auto role = "somebody_" + std::to_string(runtime_.random());
  db->script("create table t (a integer); create role " + role);
  std::int64_t session = 0;
  {
    auto connection = db->connect();
    session = connection.session_id();
    connection.execute("set search_path = pg_catalog");
    connection.execute("set statement_timeout = '1h'");
    connection.one<Value>("select set_config('tidelock.who', 'me', false)");
    connection.one<Value>("select pg_advisory_lock(7)");
    connection.execute("create temp table leaked (a integer)");
    connection.listen("news");
    connection.execute("declare held cursor with hold for select 1");
    connection.execute("set role " + role);
    connection.begin().execute("select 1");
  }
  auto connection = db->connect();
  EXPECT_EQ(connection.session_id(), session);  // The same one, and as good as new.
  EXPECT_EQ(connection.one<std::string>("select current_setting('search_path')"), "\"$user\", public");
  EXPECT_EQ(connection.one<std::string>("select current_setting('statement_timeout')"), "0");
  EXPECT_EQ(connection.one<std::string>("select current_setting('lock_timeout')"), "5s");
  EXPECT_EQ(connection.one<std::string>("select current_setting('TimeZone')"), "UTC");
  EXPECT_EQ(connection.one<std::string>("select coalesce(current_setting('tidelock.who', true), '')"), "");
  EXPECT_EQ(connection.one<int>("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"),
            0);
  EXPECT_THROW_CODE(connection.one<int>("select count(*) from leaked"), Code::statement_invalid);
  EXPECT_EQ(connection.one<int>("select count(*) from pg_cursors where name = 'held'"), 0);
  EXPECT_EQ(connection.one<std::string>("select current_user::text"), url_.user);
  EXPECT_EQ(connection.one<int>("select count(*) from pg_listening_channels()"), 0);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
}

TEST_F(PostgresSessionLive, AWaitForALockIsCancelledAndTimedOut) {
  const auto db = open({{"busy_timeout", "1h"}});
  db->script("create table t (id integer primary key, v integer); insert into t values (1, 0)");
  auto holder = db->connect();
  auto held = holder.begin();
  held.execute("update t set v = 1");
  auto waiter = db->connect();
  waiter.set_statement_timeout(50ms);
  EXPECT_THROW_CODE(waiter.execute("update t set v = 2"), Code::timeout);
  waiter.set_statement_timeout(kNoTimeout);
  std::atomic<bool> over = false;
  auto canceller = runtime_.spawn("canceller", [&, handle = waiter.canceller()](const std::stop_token&) {
    while (!over) {
      handle.cancel();
      runtime_.yield();
    }
  });
  EXPECT_THROW_CODE(waiter.execute("update t set v = 3"), Code::cancelled);
  over = true;
  canceller.join();
  held.commit();
  EXPECT_EQ(waiter.execute("update t set v = v + 10"), 1);
  EXPECT_EQ(waiter.one<int>("select v from t"), 11);
}

TEST_F(PostgresSessionLive, ACancelledStatementIsNeverTheNextOne) {
  const auto db = open();
  auto connection = db->connect();
  for (int i = 0; i < 50; ++i) {
    connection.set_statement_timeout(1ms);
    EXPECT_THROW_CODE(connection.execute("select pg_sleep(20)"), Code::timeout);
    connection.set_statement_timeout(kNoTimeout);
    EXPECT_EQ(connection.one<int>("select 1"), 1);
  }
}

TEST_F(PostgresSessionLive, RowsThatNobodyReadsEndNoTransaction) {
  const auto db = open();
  db->script("create table t (a integer)");
  auto connection = db->connect();
  auto tx = connection.begin();
  tx.execute("insert into t values (1)");
  {
    auto rows = tx.query("select generate_series(1, 20000)");
    ASSERT_TRUE(rows.next());
  }
  tx.commit();
  {
    auto rows = connection.query("select generate_series(1::bigint, 1000000000000)");
    ASSERT_TRUE(rows.next());
  }  // The server is told that no more is wanted.
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 1);
}

TEST_F(PostgresSessionLive, AFailureAmongRowsThatNobodyReadEndsTheTransactionForWhatItWas) {
  const auto db = open();
  db->script(
      "create table t (a integer); create sequence attempts;"
      "create function late(n integer) returns integer language plpgsql as $$ begin "
      "if n = 5000 and nextval('attempts') = 1 then raise exception 'again' using errcode = '40001'; end if; "
      "return n; end $$");
  int runs = 0;
  transact(*db, [&](Transaction& tx) {
    ++runs;
    EXPECT_TRUE(tx.query("select late(n) from generate_series(1, 10000) as n").next());
    tx.execute("insert into t values (1)");
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);

  auto connection = db->connect();
  auto tx = connection.begin();
  {
    auto inner = tx.savepoint();
    tx.query("select 1 / (5000 - n) from generate_series(1, 10000) as n").next();
    EXPECT_THROW_CODE(tx.execute("insert into t values (2)"), Code::statement_invalid);
    inner.rollback();
  }
  tx.execute("insert into t values (3)");
  tx.query("select 1 / (5000 - n) from generate_series(1, 10000) as n").next();
  EXPECT_THROW_CODE(tx.commit(), Code::statement_invalid);
  connection.query("select 1 / (5000 - n) from generate_series(1, 10000) as n").next();  // That is all it was.
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 1);
}

TEST_F(PostgresSessionLive, ParametersTakeTheTypesThatFit) {
  const auto db = open();
  db->script("create table t (a integer, s text, j jsonb, d date, i interval, e text[])");
  const auto check = [&](Executor& on) {
    EXPECT_EQ(on.one<int>("select ?", 7), 7);
    EXPECT_EQ(on.one<int>("select ? + ?", 3, 4), 7);
    EXPECT_EQ(on.one<std::string>("select ? || ?", "a", "b"), "ab");
    EXPECT_EQ(on.one<std::string>("select left(?, ?)", "abc", 2), "ab");
    EXPECT_EQ(on.one<std::string>("select 'x' || ?", 7), "x7");
    EXPECT_EQ(on.one<Date>("select ?::date + ?", parse_date("2024-02-28").value(), 1),
              parse_date("2024-02-29").value());
    EXPECT_TRUE(on.one<bool>("select ?", true));
    EXPECT_EQ(on.one<double>("select ?", 0.5), 0.5);
    EXPECT_EQ(on.one<std::optional<std::string>>("select ?", Null{}), std::nullopt);
    EXPECT_EQ(on.one<int>("select ?", 8), 8);  // After a null of another type.
    EXPECT_EQ(on.execute("insert into t values (?, ?, ?, ?, ?, ?)", 1, 42, Json{"{\"k\": 1}"}, "2024-02-29", "1 day",
                         "{a,b}"),
              1);
    EXPECT_EQ(on.one<int>("select count(*) from t where s = ?", 42), 1);
    EXPECT_EQ(on.one<Json>("select j from t where j->>'k' = ?", "1").text, "{\"k\": 1}");
    EXPECT_EQ(on.one<int>("select count(*) from t where j ?? 'k'"), 1);
    EXPECT_EQ(on.one<std::string>("select e from t"), "{a,b}");
    EXPECT_EQ(on.one<int>("select count(*) from t where a = any (?)", "{1,2}"), 1);
    on.execute("delete from t");
  };
  auto connection = db->connect();
  check(connection);
  auto other = db->connect();
  auto tx = other.begin();
  check(tx);  // Nothing of it ends the transaction.
  tx.commit();
}

TEST_F(PostgresSessionLive, AScriptHasFunctionsAndCommitsEachStatement) {
  const auto db = open();
  db->script(
      "create table t (a integer); -- ; \n"
      "create function f() returns integer language sql begin atomic select 1; select 2; end;"
      "create function g() returns integer language plpgsql as $$ begin return 3; end; $$; insert into t values (1)");
  EXPECT_EQ(db->one<int>("select f() + g()"), 5);
  EXPECT_THROW_CODE(db->script("insert into t values (2); commit; insert into t values (3)"), Code::misuse);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 2);
  auto connection = db->connect();
  auto tx = connection.begin();
  tx.script("insert into t values (3); insert into t values (4)");
  tx.rollback();
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 2);
}

TEST_F(PostgresSessionLive, ABulkLoadGoesIntoASchemaAndSaysWhatItCannot) {
  const auto db = open();
  db->script("create schema s; create table s.t (a integer, b text, c text[])");
  auto connection = db->connect();
  auto bulk = connection.bulk("s.t", {"a", "b"});
  for (int i = 0; i < 10'000; ++i) bulk.append(i, i % 2 == 0 ? std::optional<std::string>("x") : std::nullopt);
  EXPECT_EQ(bulk.finish(), 10'000);
  EXPECT_EQ(connection.one<int>("select count(b) from s.t"), 5'000);
  EXPECT_THROW_CODE(connection.bulk("s.t", {"c"}), Code::unsupported);
  auto wrong = connection.bulk("s.t", {"a"});
  EXPECT_THROW_CODE(wrong.append("seven"), Code::statement_invalid);
}

TEST_F(PostgresSessionLive, ThePositionOfACommitIsReachedByTheStandby) {
  const char* const standby = std::getenv("TIDELOCK_TEST_POSTGRES_STANDBY");
  ASSERT_NE(standby, nullptr);
  const auto db = open();
  db->script("create table t (a integer)");
  auto connection = db->connect();
  auto tx = connection.begin();
  tx.execute("insert into t values (1)");
  const auto position = tx.commit();
  auto url = base::Url::parse(standby);
  url.path = url_.path;
  std::unique_ptr<Database> replica;
  wait_until([&] {
    try {
      replica = open_url(url, {{"mode", "rw"}});
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::not_found) << error.what();  // It is not there yet.
      return false;
    }
  });
  wait_until([&] { return replica->one<bool>("select pg_last_wal_replay_lsn() >= ?::pg_lsn", position.text); });
  EXPECT_EQ(replica->one<int>("select count(*) from t"), 1);
  EXPECT_THROW_CODE(replica->execute("insert into t values (2)"), Code::read_only_server);
  auto reader = replica->connect();
  auto write = reader.begin();
  EXPECT_THROW_CODE(write.execute("insert into t values (2)"), Code::read_only_server);
  write.rollback();
  auto read = reader.begin({.read_only = true});
  EXPECT_EQ(read.one<int>("select count(*) from t"), 1);
  EXPECT_TRUE(read.commit().empty());
  EXPECT_TRUE(reader.begin().commit().empty());
}

TEST_F(PostgresSessionLive, ACommitRightBehindAQueryHasItsPosition) {
  const auto db = open();
  db->script("create table t (a integer)");
  auto connection = db->connect();
  for (int i = 1; i <= 3; ++i) {
    auto tx = connection.begin();
    tx.execute("insert into t values (?)", i);
    EXPECT_EQ(tx.one<int>("select count(*) from t"), i);
    EXPECT_FALSE(tx.commit().empty()) << i;
  }
}

TEST_F(PostgresSessionLive, ThePositionOfACommitThatDoesNotWaitForTheDiskIsNotBeforeIt) {
  const auto db = open();
  db->script("create table t (a integer)");
  auto connection = db->connect();
  for (int i = 0; i < 20; ++i) {
    auto tx = connection.begin();
    tx.execute("set local synchronous_commit = off");
    tx.execute("insert into t values (?)", i);
    const Position written{tx.one<std::string>("select pg_current_wal_insert_lsn()::text")};
    const auto position = tx.commit();
    EXPECT_TRUE(db->dialect().compare_positions(position, written) >= 0) << position.text << " " << written.text;
  }
}

// The server has sent the count of rows and the rows by then.
TEST_F(PostgresSessionLive, AStatementThatFailsWhenItCommitsIsNotTakenForDone) {
  const auto db = open();
  db->script(
      "create table parent (id int primary key);"
      "create table child (id int references parent deferrable initially deferred)");
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.execute("insert into child values (?)", 1), Code::constraint_violation);
  EXPECT_THROW_CODE(connection.one<int>("insert into child values (?) returning id", 1), Code::constraint_violation);
  EXPECT_THROW_CODE(connection.script("insert into child values (1)"), Code::constraint_violation);
  EXPECT_EQ(connection.one<int>("select count(*) from child"), 0);
}

// What the guard takes for one string, `'\''; drop table t; --'`, is two statements where a backslash escapes.
TEST_F(PostgresSessionLive, StringsThatAreReadInAnotherWayHideNothingFromTheGuard) {
  const std::string hidden = R"(select '\''; drop table t; --')";
  open()->script("create table t (a integer)");
  admin_->execute("alter database " + url_.path.substr(1) + " set standard_conforming_strings = off");
  const auto db = open({{"guarded", "true"}});
  auto connection = db->connect();
  EXPECT_EQ(connection.one<std::string>("select current_setting('standard_conforming_strings')"), "on");
  connection.script(hidden);  // One string.
  EXPECT_THROW_CODE(connection.script("set standard_conforming_strings = off; " + hidden), Code::unsupported);
  EXPECT_THROW_CODE(connection.execute(R"(select 'a\n')"), Code::unsupported);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  auto other = db->connect();  // In GBK the euro ends in the backslash, and the string behind it.
  EXPECT_THROW_CODE(other.script("set client_encoding = 'GBK'; select E'\xe2\x82\xac\\'; drop table t; --'"),
                    Code::unsupported);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
}

TEST_F(PostgresSessionLive, BehindAPoolerSessionsAreNobodysOwn) {
  Proxy proxy(runtime_, "127.0.0.1", port());
  proxy.edit([](std::span<char> bytes) {  // The number of the server's process: 'K', a length of 12, it, the key.
    constexpr std::array<char, 5> kKeyData{'K', 0, 0, 0, 12};
    const auto at = std::ranges::search(bytes, kKeyData).begin();
    if (bytes.end() - at >= 13) at[8] = static_cast<char>(at[8] ^ 1);
  });
  open()->script("create table t (a integer)");
  const auto db = open_url(by_port(proxy.port()), {{"sslmode", "disable"}});
  auto connection = db->connect();
  const auto refused = error_of([&] { connection.session_id(); });
  EXPECT_EQ(refused.code(), Code::unsupported);
  EXPECT_NE(refused.message().find("pooler"), std::string::npos) << refused.what();
  EXPECT_THROW_CODE(connection.listen("news"), Code::unsupported);
  EXPECT_EQ(connection.execute("insert into t values (?)", 7), 1);
  EXPECT_EQ(connection.one<int>("select a from t where a = ?", 7), 7);
  auto tx = connection.begin();
  tx.execute("insert into t values (?)", 8);
  EXPECT_TRUE(tx.commit().empty());
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 2);
}

TEST_F(PostgresOpenLive, WhoIsNotLetInIsToldWhy) {
  const auto name = "u_" + std::to_string(runtime_.random());
  const std::string password = "p@ss:w/rd?&#%é'\"";
  admin_->execute("create role " + name + " login in role with_password password 'p@ss:w/rd?&#%é''\"'");
  auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_POSTGRES"));
  url.user = name;
  url.password = base::Secret(password);
  EXPECT_EQ(open_url(url)->one<std::string>("select current_user::text"), name);

  const auto never_shows = [&](const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("w/rd"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("wrong-one"), std::string::npos) << error.what();
    return error.code();
  };
  auto wrong = url;
  wrong.password = base::Secret("wrong-one");
  EXPECT_EQ(never_shows(error_of([&] { open_url(wrong); })), Code::permission_denied);
  wrong.password = {};
  EXPECT_EQ(never_shows(error_of([&] { open_url(wrong); })), Code::permission_denied);
  auto absent = url;
  absent.path = "/no_such_database";
  EXPECT_EQ(never_shows(error_of([&] { open_url(absent, {{"mode", "rw"}}); })), Code::not_found);
  EXPECT_EQ(never_shows(error_of([&] { open_url(absent); })), Code::not_found);  // It may not make one.
  auto unknown = url;
  unknown.hosts = {{.name = "no-such-host.invalid", .port = {}}};
  EXPECT_EQ(never_shows(error_of([&] { open_url(unknown); })), Code::unavailable);
  auto refused = url;
  refused.hosts.front().port = 1;
  EXPECT_EQ(never_shows(error_of([&] { open_url(refused); })), Code::unavailable);

  admin_->execute("alter role " + name + " connection limit 1");
  const auto only = open_url(url, {{"max_connections", "2"}});
  const auto held = only->connect();
  const auto too_many = error_of([&] { only->connect(); });
  EXPECT_EQ(never_shows(too_many), Code::unavailable);
  EXPECT_NE(too_many.message().find("connections"), std::string::npos) << too_many.what();
}

// The name of the first is never looked up, at the second nobody listens. One that lets us not in is an answer.
TEST_F(PostgresOpenLive, HostsAreTriedInTheirOrderUntilOneAnswers) {
  const auto resolver = std::make_shared<base::testing::TableResolver>(
      runtime_, std::map<std::string, std::vector<std::string>>{{"refuses.example", {"127.0.0.77"}},
                                                                {"db.example", {"127.0.0.1"}}});
  const auto connect_to = [&](const std::vector<std::string>& hosts) {
    auto url = url_;
    url.hosts.clear();
    for (const auto& host : hosts) url.hosts.push_back({.name = host, .port = port()});
    url.params["connect_timeout"] = "4s";
    return sql::open(runtime_, files_, url, {.resolver = resolver});
  };
  EXPECT_EQ(connect_to({"silent.example", "refuses.example", "db.example", "refuses.example"})->one<int>("select 1"),
            1);
  const auto error = error_of([&] { connect_to({"refuses.example", "refuses.example"}); });
  EXPECT_EQ(error.code(), Code::unavailable);
  EXPECT_NE(error.message().find("tried before: refuses.example: unavailable"), std::string::npos) << error.what();
  url_.user = "nobody_of_this_name";
  EXPECT_EQ(error_of([&] { connect_to({"db.example", "silent.example"}); }).code(), Code::permission_denied);
  url_.user = "postgres";
}

// As when the primary, the first host, was restarted, and the standby answered meanwhile.
TEST_F(PostgresOpenLive, OfSeveralHostsOnlyThePrimaryWillDoUnlessItIsToReadOnly) {
  const char* const variable = std::getenv("TIDELOCK_TEST_POSTGRES_STANDBY");
  ASSERT_NE(variable, nullptr);
  const auto standby = base::Url::parse(variable).hosts.front();
  open()->script("create table t (a integer)");
  const auto primary = url_.hosts.front();
  const base::UrlHost nobody{.name = "127.0.0.1", .port = 1};
  const auto connect_to = [&](const std::vector<base::UrlHost>& hosts, const std::string& mode = "rw") {
    auto url = url_;
    url.hosts = hosts;
    return open_url(url, {{"mode", mode}, {"max_connections", "1"}});
  };
  const auto is_standby = [](Database& db) { return db.one<bool>("select pg_is_in_recovery()"); };
  wait_until([&] {  // The new database and its table are there, too.
    try {
      return connect_to({standby})->one<int>("select count(*) from pg_class where relname = 't'") == 1;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::not_found) << error.what();
      return false;
    }
  });
  EXPECT_FALSE(is_standby(*connect_to({standby, primary})));
  EXPECT_FALSE(is_standby(*connect_to({nobody, standby, primary})));
  EXPECT_TRUE(is_standby(*connect_to({standby, primary}, "ro")));
  EXPECT_TRUE(is_standby(*connect_to({nobody, standby}, "ro")));
  EXPECT_TRUE(is_standby(*connect_to({standby})));
  EXPECT_THROW_CODE(connect_to({standby, nobody}), Code::unavailable);
  EXPECT_THROW_CODE(connect_to({nobody, standby, standby}), Code::unavailable);

  Proxy proxy(runtime_, primary.name, *primary.port);
  proxy.cut_after_to_client(0);
  const std::vector<base::UrlHost> both{{.name = "127.0.0.1", .port = proxy.port()}, standby};
  EXPECT_THROW_CODE(connect_to(both), Code::unavailable);
  proxy.heal();
  EXPECT_EQ(connect_to(both)->execute("insert into t values (1)"), 1);
}

// It lets us in, and says no more.
TEST_F(PostgresOpenLive, AServerThatFallsSilentWhenItHasLetUsInIsGivenUp) {
  open();
  std::atomic<bool> falls_silent = true;
  std::atomic<bool> is_silent = false;
  Proxy proxy(runtime_, "127.0.0.1", port());
  proxy.edit([&](std::span<char> bytes) {
    constexpr std::array<char, 6> kReady{'Z', 0, 0, 0, 5, 'I'};
    if (!falls_silent || std::ranges::search(bytes, kReady).empty()) return;
    proxy.freeze(true);
    is_silent = true;
  });
  const auto url = by_port(proxy.port());
  EXPECT_THROW_CODE(open_url(url, {{"sslmode", "disable"}, {"connect_timeout", "200ms"}}), Code::timeout);

  proxy.heal();
  falls_silent = is_silent = false;
  const auto db = open_url(url, {{"sslmode", "disable"}, {"connect_timeout", "1h"}});
  const auto held = db->connect();
  falls_silent = true;
  std::stop_source stop;
  auto waiter = runtime_.spawn("waiter", [&](const std::stop_token&) {
    EXPECT_THROW_CODE(db->connect(base::Deadline::never(), stop.get_token()), Code::cancelled);
  });
  wait_until([&] { return is_silent.load(); });
  stop.request_stop();
  waiter.join();
}

TEST_F(PostgresOpenLive, TlsIsAsTheUrlSays) {
  const auto suffix = std::to_string(runtime_.random());
  admin_->execute("create role tls_" + suffix + " login in role tls_only");
  admin_->execute("create role plain_" + suffix + " login in role plain_only");
  auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_POSTGRES"));
  const auto encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
  EXPECT_TRUE(open_url(url, {{"sslmode", "require"}})->one<bool>(encrypted));
  EXPECT_FALSE(open_url(url, {{"sslmode", "disable"}})->one<bool>(encrypted));
  EXPECT_TRUE(
      open_url(url, {{"sslmode", "verify-full"}, {"sslrootcert", std::getenv("TIDELOCK_TEST_POSTGRES_CERTIFICATE")}})
          ->one<bool>(encrypted));
  EXPECT_EQ(error_of([&] {
              open_url(url, {{"sslmode", "verify-full"}, {"sslrootcert", "/no/such/certificate"}});
            }).code(),
            Code::invalid_argument);
  auto tls = url;
  tls.user = "tls_" + suffix;
  EXPECT_TRUE(open_url(tls)->one<bool>(encrypted));
  EXPECT_EQ(error_of([&] { open_url(tls, {{"sslmode", "disable"}}); }).code(), Code::permission_denied);
  auto plain = url;
  plain.user = "plain_" + suffix;
  EXPECT_EQ(error_of([&] { open_url(plain, {{"sslmode", "require"}}); }).code(), Code::permission_denied);
}

TEST_F(PostgresOpenLive, AnEncodingThatSaysNothingIsRefusedAndANarrowOneNamed) {
  const auto name = url_.path.substr(1);
  admin_->execute("create database " + name + " encoding 'SQL_ASCII' locale 'C' template template0");
  EXPECT_EQ(error_of([&] { open(); }).code(), Code::unsupported);
  admin_->execute("drop database " + name);
  admin_->execute("create database " + name + " encoding 'LATIN1' locale 'C' template template0");
  const auto db = open();
  EXPECT_EQ(db->one<std::string>("select ?", "caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(error_of([&] { db->one<std::string>("select ?", "\xe4\xb8\xad"); }).code(), Code::invalid_argument);
}

TEST_F(PostgresOpenLive, AUrlThatMeansNothingIsRefused) {
  EXPECT_THROW_CODE(sql::open(runtime_, files_, base::Url::parse("postgres:shop")), Code::invalid_argument);
  EXPECT_THROW_CODE(sql::open(runtime_, files_, base::Url::parse("postgres://h/shop?sslmode=perhaps")),
                    Code::invalid_argument);
  EXPECT_THROW_CODE(sql::open(runtime_, files_, base::Url::parse("postgres://h/shop?ssl_mode=require")),
                    Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::sql::postgres

// delete_in_chunks() where the server chooses rows by their place, and beside what a server lets happen meanwhile.
#include <cstdlib>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/postgres/testing/live.h"
#include "tidelock/sql/delete_in_chunks.h"
#include "tidelock/sql/observer.h"
#include "tidelock/sql/testing/watch.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;
using sql::testing::Watch;
using PostgresDeletingLive = PostgresLiveTest;

// The first row of each partition has the same ctid.
TEST_F(PostgresDeletingLive, OfAPartitionedTableWithoutAKeyOnlyWhatMeetsTheConditionGoes) {
  const auto db = open();
  db->script(
      "create table t (part integer, kind integer) partition by list (part);"
      "create table t1 partition of t for values in (1); create table t2 partition of t for values in (2);"
      "insert into t select 1 + n % 2, n % 2 from generate_series(1, 200) as n");
  EXPECT_EQ(delete_in_chunks(*db, "t", "kind = 1", {.chunk_rows = 30}).done.deleted, 100);
  EXPECT_EQ(db->one<int>("select count(*) from t where kind = 0"), 100);
  db->script(
      "create table parent (kind integer); create table child () inherits (parent);"
      "insert into parent values (0); insert into child values (1)");
  EXPECT_EQ(delete_in_chunks(*db, "parent", "kind = 1").done.deleted, 1);
  EXPECT_EQ(db->one<int>("select count(*) from parent where kind = 0"), 1);
}

// A name without a schema is looked for in all of the search path, in turn.
TEST_F(PostgresDeletingLive, TheKeyIsThatOfTheTableThatTheStatementFinds) {
  open()->script("alter database " + url_.path.substr(1) + " set search_path = first, second");
  const auto db = open();
  db->script(
      "create schema first; create schema second; create table second.t (id integer, kind integer not null,"
      "constraint k primary key (kind) include (id)); insert into second.t values (null, 1), (null, 2);"
      "create table public.t (id integer primary key, kind integer)");
  EXPECT_EQ(delete_in_chunks(*db, "t", "kind = 1").done.position, "[1]");
  EXPECT_EQ(delete_in_chunks(*db, "Second.T", "true").done.position, "[2]");
}

// The server drops what is gone from the chunk that it has chosen.
TEST_F(PostgresDeletingLive, AChunkIsNotTheLastSinceAnotherTookSomeOfItsRows) {
  const auto db = open();
  db->script("create table t (id integer); insert into t select generate_series(1, 100)");
  auto connection = db->connect();
  auto other = connection.begin();
  other.execute("delete from t where id <= 10 and id <> 5");
  DeleteResult result;
  auto deletion = runtime_.spawn(
      "deletion", [&](const std::stop_token&) { result = delete_in_chunks(*db, "t", "true", {.chunk_rows = 10}); });
  wait_until([&] {
    return admin_->one<int>("select count(*) from pg_stat_activity where datname = ? and wait_event_type = 'Lock'",
                            url_.path.substr(1)) == 1;
  });
  other.commit();
  deletion.join();
  EXPECT_EQ(result.done.deleted, 91);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

TEST_F(PostgresDeletingLive, RowsThatATriggerKeepsAreNotTakenForGone) {
  const auto db = open();
  db->script(
      "create table t (id integer); insert into t select generate_series(1, 100);"
      "create function keep() returns trigger language plpgsql as $$ begin "
      "if old.id % 10 = 0 then return null; end if; return old; end $$;"
      "create trigger keeps before delete on t for each row execute function keep()");
  const auto error = error_of(
      [&] { delete_in_chunks(*db, "t", "id > 0", {.chunk_rows = 10, .retry = {.max_attempts = 2, .backoff = {}}}); });
  EXPECT_EQ(error.code(), Code::serialization_failure) << error.what();
  EXPECT_NE(error.message().find("trigger"), std::string::npos) << error.what();
  EXPECT_EQ(db->one<int>("select count(*) from t"), 10);
  db->script("insert into t values (101)");
  EXPECT_EQ(delete_in_chunks(*db, "t", "id > 0", {.chunk_rows = 3, .key = {"id"}}).done.deleted, 1);
}

TEST_F(PostgresDeletingLive, WhatAnAttemptTookBackIsNotCounted) {
  const auto db = open();
  db->script(
      "create table t (id integer primary key); insert into t select generate_series(1, 10); create sequence attempts;"
      "create function fail_once() returns trigger language plpgsql as $$ begin "
      "if nextval('attempts') = 1 then raise exception 'again' using errcode = '40001'; end if; return null; end $$;"
      "create constraint trigger at_commit after delete on t deferrable initially deferred "
      "for each row execute function fail_once()");
  struct Rival : Observer {
    explicit Rival(std::unique_ptr<Database> opened) : db(std::move(opened)) {}
    void on_statement(const StatementEvent& event) noexcept override {
      if (event.error != nullptr) db->script("truncate t");
    }
    std::unique_ptr<Database> db;
  };
  db->observe(std::make_shared<Rival>(open()));
  const auto result = delete_in_chunks(*db, "t", "id > 0");
  EXPECT_EQ(result.done.deleted, 0);
  EXPECT_EQ(result.done.chunks, 0);
}

TEST_F(PostgresDeletingLive, ARowThatIsLockedLongerThanAStatementMayTakeIsWaitedFor) {
  const auto rival = open();
  rival->script("create table t (id integer primary key); insert into t select generate_series(1, 100)");
  const auto db = open({{"statement_timeout", "1s"}});
  for (const auto* const lock : {"select 1 from t where id = 55 for update", "lock table t in access exclusive mode"}) {
    auto connection = rival->connect();
    auto other = connection.begin();
    other.query(lock).next();
    const auto watch = std::make_shared<Watch>();
    watch->failed = [&](const StatementEvent&) {
      if (watch->failures.size() == 3) other.rollback();
    };
    db->observe(watch);
    EXPECT_EQ(delete_in_chunks(*db, "t", "id <= 80", {.chunk_rows = 30}).done.deleted, 80) << lock;
    EXPECT_EQ(watch->failures, std::vector<Code>(3, Code::database_locked)) << lock;
    EXPECT_EQ(rival->one<int>("select count(*) from t"), 20);
    rival->script("insert into t select generate_series(1, 80)");
  }
}

TEST_F(PostgresDeletingLive, ADeletionThatIsTooSlowByItselfIsNotRunAgain) {
  open()->script(
      "create table t (id integer primary key); insert into t select generate_series(1, 15);"
      "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.1); return old; end $$;"
      "create trigger slow before delete on t for each row execute function slow()");
  const auto db = open({{"statement_timeout", "1s"}});
  const auto watch = std::make_shared<Watch>();
  db->observe(watch);
  EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "id > 0"), Code::timeout);
  EXPECT_EQ(watch->failures, std::vector<Code>{Code::timeout});
  EXPECT_EQ(delete_in_chunks(*db, "t", "id > 0", {.chunk_rows = 1}).done.deleted, 15);
}

TEST_F(PostgresDeletingLive, AConditionMayWrite) {
  const auto db = open();
  db->script(
      "create sequence s; create table said (id integer); create table t (id integer primary key);"
      "insert into t select generate_series(1, 100);"
      "create function say(id integer) returns boolean language plpgsql as $$ begin "
      "insert into said values (id); return true; end $$");
  EXPECT_EQ(
      delete_in_chunks(*db, "t", "nextval('s') > 0 and id <= 50", {.chunk_rows = 20, .count_first = true}).done.deleted,
      50);
  EXPECT_EQ(delete_in_chunks(*db, "t", "id > 0 and say(id)", {.chunk_rows = 20, .key = {"id"}}).done.deleted, 50);
  EXPECT_EQ(db->one<int>("select count(*) from said"), 50) << "what it wrote while rows were searched is taken back";
}

TEST_F(PostgresDeletingLive, ACommitOfUnknownOutcomeIsCountedWhetherOrNotItsChunkIsDoneAgain) {
  open()->script(
      "create table t (id integer primary key); insert into t select generate_series(1, 10); create sequence attempts;"
      "create function break_twice() returns trigger language plpgsql as $$ begin "
      "if nextval('attempts') < 6 then perform pg_terminate_backend(pg_backend_pid()); end if; return null; end "
      "$$;"
      "create constraint trigger at_commit after delete on t deferrable initially deferred "
      "for each row execute function break_twice()");
  for (const bool stops : {true, false}) {
    const auto db = open();
    std::stop_source stop;
    const auto watch = std::make_shared<Watch>();
    watch->failed = [&](const StatementEvent& event) {
      EXPECT_EQ(event.error->code(), Code::unknown_outcome);
      if (stops) stop.request_stop();
    };
    db->observe(watch);
    const auto result = delete_in_chunks(*db, "t", "id > 0", {.chunk_rows = 5, .stop = stop.get_token()});
    EXPECT_EQ(result.stopped, stops);
    EXPECT_EQ(result.uncertain_chunks, 1);
    EXPECT_EQ(watch->failures.size(), stops ? 1 : 4);
    EXPECT_EQ(result.done.deleted, stops ? 0 : 10);
    EXPECT_EQ(result.done.position, stops ? "" : "[10]");
  }
}

// It may be behind the primary, and have no row that meets the condition yet, or no more.
TEST_F(PostgresDeletingLive, ThatNoRowIsLeftIsNotTakenFromAStandby) {
  const char* const standby = "TIDELOCK_TEST_POSTGRES_STANDBY";
  TIDELOCK_NEEDS_VARIABLE(standby);
  const auto position = [&] {
    const auto db = open();
    db->script("create table t (id integer primary key); create table u (id integer)");
    return db->one<std::string>("select pg_current_wal_insert_lsn()::text");
  }();
  auto url = base::Url::parse(std::getenv(standby));
  const auto server = open_url(url, {{"mode", "rw"}});
  wait_until([&] { return server->one<bool>("select pg_last_wal_replay_lsn() >= ?::pg_lsn", position); });
  url.path = url_.path;
  const auto db = open_url(url, {{"mode", "rw"}});
  const auto watch = std::make_shared<Watch>();
  db->observe(watch);
  EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "id > 0"), Code::read_only_server);
  EXPECT_THROW_CODE(delete_in_chunks(*db, "u", "id > 0"), Code::read_only_server);
  EXPECT_EQ(watch->failures, std::vector<Code>(2, Code::read_only_server)) << "it was named by mistake";
}

}  // namespace
}  // namespace tidelock::sql::postgres

// delete_in_chunks() where the server chooses rows by their place, and beside what a server lets happen meanwhile.
#include <memory>
#include <string>

#include "tidelock/sql/backends/postgres/testing/live.h"
#include "tidelock/sql/delete_in_chunks.h"
#include "tidelock/sql/observer.h"

namespace tidelock::sql::postgres {
namespace {

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

}  // namespace
}  // namespace tidelock::sql::postgres

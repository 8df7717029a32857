#include "tidelock/sql/backends/postgres/lex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidelock/sql/testing/lexes.h"

namespace tidelock::sql::postgres {
namespace {

std::vector<std::string> split(std::string_view script) {
  std::vector<std::string> found;
  for (const auto statement : statements(script)) found.emplace_back(statement);
  return found;
}

TEST(PostgresLex, AScriptIsSplitWhereAStatementEnds) {
  EXPECT_EQ(split("a; b ;; c"), (std::vector<std::string>{"a", "b ", "c"}));
  EXPECT_EQ(split("select ';' ; select \";\"; -- ;\n select $$;$$ /* ; /* ; */ ; */"),
            (std::vector<std::string>{"select ';' ", "select \";\"", "select $$;$$ /* ; /* ; */ ; */"}));
  EXPECT_EQ(split("select E'\\';' ; select $a$ $$ ; $a$"),
            (std::vector<std::string>{"select E'\\';' ", "select $a$ $$ ; $a$"}));
  EXPECT_TRUE(split("-- nothing").empty());
  EXPECT_TRUE(split(" ; /* nothing */ ; ").empty());
  EXPECT_EQ(split("select 'open; 1"), (std::vector<std::string>{"select 'open; 1"}));
}

TEST(PostgresLex, SemicolonsInTheBodyOfAFunctionEndNothing) {
  const std::string function =
      "create function f() returns int language sql begin atomic select case when true then 1 end; select 2; end";
  EXPECT_EQ(split(function + "; select 3"), (std::vector<std::string>{function, "select 3"}));
  EXPECT_EQ(split("create function g() returns int as $$ begin; return 1; end $$ language plpgsql; select 4").size(),
            2U);
}

TEST(PostgresLex, PlainStatementsLeaveNothingBehind) {
  for (const auto* const sql :
       {"select 1", "select count(*), max(a) from t where b in (1, 2) and c = $1", "values (1), (2)",
        "insert into t (a, b) values ($1, $2) returning a", "insert into \"T\" (a) select b from u",
        "update t set a = coalesce(a, $1) where id = $2", "delete from t where a < $1",
        "with x as (select 1 as v) select v from x", "with x (v) as (select 1) select v from x",
        "with x (v) as (select 1), y (w) as materialized (select 2), z (u) as (select 3) select v, w, u from x, y, z",
        "with recursive x (v) as (select 1), y (w) as (select 2) insert into s.t (a) select v from x",
        "select v from (values (1)) as x (v)", "insert into s.t (a) values (1)",
        "insert into \"S\".\"T\" (a) values (1)",
        "select rank() over (order by a), count(*) filter (where a > 1) from t group by cube (a)",
        "select pg_catalog.log(a), PG_CATALOG.replace(b, 'x', 'y'), \"pg_catalog\".lower(b) from t",
        "insert into t (a) values (1) on conflict (a) do nothing", "select a from t group by grouping sets ((a), ())",
        "select a from t for update skip locked"}) {
    EXPECT_FALSE(effects(sql).may_leave_state) << sql;
  }
}

TEST(PostgresLex, WhatMayLeaveSomethingIsNoticed) {
  for (const auto* const sql :
       {"set search_path = x", "select set_config('a.b', '1', false)", "select pg_advisory_lock(1)",
        "select my.function(1)", "select \"f\"(1)", "create temp table t (a int)", "select 1 into temp t", "listen x",
        "declare c cursor with hold for select 1", "select nextval('s')", "do $$ begin end $$", "call p()",
        "insert into t (a) values (f(1))", "with x as (select pg_try_advisory_lock(1)) select 1 from x",
        "with x as (select 1 as a) select a into temp t from x", ""}) {
    EXPECT_TRUE(effects(sql).may_leave_state) << sql;
  }
}

// Where a comma stands before it, that is: a list of WITH has names behind commas which are no calls.
TEST(PostgresLex, AFunctionIsOneInWhateverPlaceItIsCalled) {
  for (const auto* const sql :
       {"select 1, pg_advisory_lock(7)", "select id, charge(id) from orders", "select coalesce(a, f(1)) from t",
        "select 1 from t order by a, f(a)", "values (1, f(2))", "insert into t values (1, f(2))",
        "insert into t (a, b) values (1, f(2))", "insert into t values (1) returning a, f(a)",
        "update t set a = 1, b = f(2)", "delete from t where a in (1, f(2))",
        "with x as (select 1, f(2) as y) select y from x", "with x (a) as (select 1) select a, f(a) as b from x",
        "with x (a) as (select 1), y (b) as (select f(2)) select 1", "with x (a) as (select 1) (select 1, f(2) as b)",
        "with x as (select 1) (select 1) order by 1, f(2)", "with x (a) as (values (1)) values (1, f(2))"}) {
    EXPECT_TRUE(effects(sql).may_leave_state) << sql;
    EXPECT_TRUE(effects(sql).may_write) << sql;
  }
}

TEST(PostgresLex, AFunctionOfTheDatabasesOwnIsNotTakenForOneOfTheServers) {
  for (const auto* const sql :
       {"select app.log('x')", "select kv.set($1)", "select app.lower('x')", "select \"app\".count(1)",
        "select app.coalesce(1)", "select a.pg_catalog('x')", "select log('x', 'y')", "select set('a', 'b')",
        "select replace('a', 'b', 'c')", "select lead('somebody')", "select filter(1)", "select rollup('daily')",
        "select a, over(1) from t", "select by(1)", "select conflict(1)", "select 1 from pg_catalog . charge(1)"}) {
    EXPECT_TRUE(effects(sql).may_leave_state) << sql;
    EXPECT_TRUE(effects(sql).may_write) << sql;
  }
}

TEST(PostgresLex, WhatSaysWhetherATransactionMayWriteIsNoticed) {
  for (const auto* const sql :
       {"set transaction read write", "SET LOCAL TRANSACTION READ WRITE", "set transaction_read_only = off",
        "set local \"transaction_read_only\" to default", "reset transaction_read_only",
        "set session characteristics as transaction read write", "set default_transaction_read_only = off"}) {
    EXPECT_TRUE(effects(sql).sets_access) << sql;
  }
  for (const auto* const sql :
       {"set local work_mem = '1MB'", "update t set transaction = 1", "select 1", "reset all",
        "set transaction snapshot '00000003-1'", "set transaction isolation level repeatable read, read only",
        "set transaction read only, deferrable"}) {
    EXPECT_FALSE(effects(sql).sets_access) << sql;
  }
}

TEST(PostgresLex, WhatChangesRowsByItsOwnWordsIsToldFromWhatLocksThem) {
  for (const auto* const sql :
       {"insert into t values (1) returning a", "update t set a = 1", "delete from t", "merge into t using u on true",
        "with x as (delete from t returning a) select a from x", "(delete from t)", "insert into t values (f(1))"}) {
    EXPECT_TRUE(effects(sql).changes_rows) << sql;
  }
  for (const auto* const sql : {"select a from t for update", "select a from t for no key update", "select f(1)",
                                "values (1)", "table t", "select \"delete\" from t"}) {
    EXPECT_FALSE(effects(sql).changes_rows) << sql;
  }
}

TEST(PostgresLex, WhatTheSessionKeepsForCertainIsNamed) {
  for (const auto* const sql : {"set search_path = x",
                                "SET session characteristics as transaction read only",
                                "reset all",
                                "listen x",
                                "unlisten *",
                                "load 'x'",
                                "discard temp",
                                "declare c cursor with hold for select 1",
                                "create temp table t (a int)",
                                "create or replace temporary view v as select 1",
                                "create temporary table t (a int) on commit delete rows",
                                "select 1 into temp t",
                                "select pg_advisory_lock(1)",
                                "select pg_try_advisory_lock_shared(1, 2)",
                                "with x as (select pg_advisory_unlock_all()) select 1 from x",
                                "select set_config('a.b', '1', false)",
                                "select set_config('a.b', 'true', $1)",
                                "create table pg_temp.t (a int)",
                                "create table \"pg_temp\".t (a int)",
                                "create view pg_temp_3.v as select 1",
                                "create function pg_temp.f() returns int language sql as 'select 1'",
                                "select 1 as a into pg_temp.t",
                                "select 1 as a into table pg_temp.t",
                                "select a into temp \"t\" from u",
                                "(select 1 as a into temp t)",
                                "explain analyze create temp table t as select 1",
                                "explain (analyze, costs off) create temp table t as select 1",
                                "create local temp table t (a int)",
                                "select \"pg_advisory_lock\"(1)",
                                "select pg_catalog.\"pg_try_advisory_lock\"(1)",
                                "select \"set_config\"('a.b', '1', false)",
                                "select pg_advisory_lock /* ; */ (1)",
                                "select 1 -- no more\r, pg_advisory_lock(1)"}) {
    EXPECT_FALSE(kept_in_session(sql).empty()) << sql;
  }
  for (const auto* const sql : {"set local search_path = x",
                                "set transaction read only",
                                "set constraints all deferred",
                                "select 1",
                                "create temp table t (a int) on commit drop",
                                "declare c cursor for select 1",
                                "create table temp (a int)",
                                "select pg_advisory_xact_lock(1)",
                                "select pg_try_advisory_xact_lock_shared(1)",
                                "select set_config('a.b', f('x', 'y'), true)",
                                "select 'pg_advisory_lock(1)'",
                                "select pg_notify('a', 'b')",
                                "update t set temp = 1",
                                "insert into t values (1)",
                                "create view v as select temp from t",
                                "create or replace view v as select temp, \"temporary\" from t",
                                "create table temp.t (temp int)",
                                "select a into temp from t",
                                "with x as (insert into temp values (1) returning a) select a from x",
                                "create table pg_temp.t (a int) on commit drop",
                                "select a from pg_temp.t",
                                "select \"PG_ADVISORY_LOCK\"(1)",
                                "select pg_advisory_lock from t",
                                "explain select 1",
                                "create table t as select temp from u",
                                ""}) {
    EXPECT_EQ(kept_in_session(sql), "") << sql;
  }
}

TEST(PostgresLex, ReadsAreToldFromWrites) {
  for (const auto* const sql : {"select 1", "values (1)", "with x as (select 1) select * from x"}) {
    EXPECT_FALSE(effects(sql).may_write) << sql;
  }
  for (const auto* const sql :
       {"insert into t values (1)", "with x as (delete from t returning a) select a from x", "select f(1)",
        "create table t (a int)", "truncate t", "select 1 into t", "select pg_notify('a', 'b')"}) {
    EXPECT_TRUE(effects(sql).may_write) << sql;
  }
}

TEST(PostgresLex, StatementsAboutRowsMayBeOneOfSeveral) {
  for (const auto* const sql : {"select 1", "(select 1) union (select 2)", "insert into t values (1)", "select f(1)",
                                "with x as (select 1) select 1", "/* x */ delete from t", "table t", "values (1)"}) {
    EXPECT_TRUE(effects(sql).is_about_rows) << sql;
  }
  for (const auto* const sql : {"vacuum", "create database d", "call p()", "show all", "; select 1", "do 'x'", ""}) {
    EXPECT_FALSE(effects(sql).is_about_rows) << sql;
  }
}

TEST(PostgresLex, ParametersAreNoneInStringsAndNames) {
  EXPECT_EQ(count_parameters("select $1, '$4', \"$5\", a$6, $$ $7 $$, $3, '$8"), 3U);
  EXPECT_EQ(count_parameters("select 1 -- $1"), 0U);
}

TEST(PostgresLex, IsTheOneThatIsTested) { EXPECT_EQ(kLexis, sql::testing::kPostgres); }

}  // namespace
}  // namespace tidelock::sql::postgres

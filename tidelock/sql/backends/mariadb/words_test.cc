#include "tidelock/sql/backends/mariadb/words.h"

#include <gmock/gmock.h>

#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/sql/backends/mariadb/session.h"
#include "tidelock/sql/testing/lexes.h"

namespace tidelock::sql::mariadb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Lexis kLexis{.backtick_identifiers = true,
                       .hash_comments = true,
                       .dash_comments_need_space = true,
                       .executable_comments = true,
                       .at_variables = true};
StatementKind kind(std::string_view sql) { return kind_of(sql, kLexis); }

TEST(MariadbWords, WhatOnlyReadsIsKnownByItsFirstWord) {
  for (const auto* const sql :
       {"select 1", "  -- so\n SELECT 1", "/* x */ with a as (select 1) select * from a", "(select 1) union (select 2)",
        "# x\nshow tables", "do 1", "explain select 1", "explain update t set a = 1", "analyze select 1",
        "analyze format=json select 1", "ANALYZE FORMAT = JSON with a as (select 1) select * from a"}) {
    EXPECT_TRUE(kind(sql).reads) << sql;
    EXPECT_FALSE(kind(sql).commits) << sql;
  }
  for (const auto* const sql : {"insert into t values (1)", "update t set a = 1", "delete from t", "call p()",
                                "analyze update t set a = 1", "analyze format=json delete from t", "analyze table t"}) {
    EXPECT_FALSE(kind(sql).reads) << sql;
  }
}

TEST(MariadbWords, AQueryThatCallsAnUnknownFunctionMayWrite) {
  for (const auto* const sql : {"select 1", "select count(*), max(a) from t where b in (1, 2)", "show tables",
                                "select cast(a as char(10)) from (select 1 as a) as x", "values (1), (2)",
                                "select 'f(1)' from t -- f(2)", "select coalesce(a, 0) from t for update"}) {
    EXPECT_FALSE(kind(sql).may_write) << sql;
  }
  for (const auto* const sql :
       {"select f(1)", "select a from t where b = shop.f (a)", "select `f`(1)", "do f()",
        "with a as (select f() as n) select n from a", "/*! select f(1) */", "select get_lock('x', 1)",
        "insert into t values (1)", "call p()", "select shop.log('x')", "select kv.replace('a', 'b', 'c')",
        "select kv . left (a) from t", "select $log(1)", "select 1log(1)", "select count (1)", R"(select "f"(1))"}) {
    EXPECT_TRUE(kind(sql).may_write) << sql;
  }
}

TEST(MariadbWords, WhatCommitsByItselfIsKnown) {
  for (const auto* const sql :
       {"create table t (a int)", "ALTER TABLE t add b int", "drop table t", "truncate t", "rename table a to b",
        "grant all on *.* to x", "lock tables t write", "set password = 'x'", "create or replace table t (a int)",
        "/*! create table t (a int) */", "/*M!100100 drop table t */", "start replica", "load index into cache t",
        "analyze table t", "analyze local table t", "analyze no_write_to_binlog table t"}) {
    EXPECT_TRUE(kind(sql).commits) << sql;
  }
  for (const auto* const sql : {"create temporary table t (a int)", "drop temporary table t",
                                "create or replace temporary table t (a int)", "insert into t values ('create table')",
                                "set @a = 1", "load data infile 'x' into table t", "analyze update t set a = 1"}) {
    EXPECT_FALSE(kind(sql).commits) << sql;
  }
}

TEST(MariadbWords, WhatBeginsAndEndsTransactionsIsKnownAlsoInExecutedComments) {
  for (const auto* const sql : {"commit", "/*!commit*/", "xa start 'x'", "start transaction", " ; rollback"}) {
    EXPECT_TRUE(kind(sql).controls) << sql;
  }
  EXPECT_FALSE(kind("start slave").controls);
  EXPECT_FALSE(kind("select 'commit'").controls);
}

TEST(MariadbWords, WhatSaysWhetherATransactionMayWriteIsNoticed) {
  for (const auto* const sql :
       {"set transaction read write", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
        "set tx_read_only = 0", "set @x = 1, @@session.TX_Read_Only = off", "set session `tx_read_only` = default",
        "set transaction_read_only = 0", "set statement tx_read_only = 0 for insert into t values (1)",
        "start transaction read write", "begin not atomic set session transaction read write",
        "execute immediate 'select 1'", "if 1 then execute p", "/*!50000 set transaction read write */",
        "set transaction read /*!999999 only */ /*!50000 write */",
        "/*!999999 select */ /*!50000 set tx_read_only = 0*/", "/*!999999 select */ set transaction read write"}) {
    EXPECT_TRUE(kind(sql).sets_access) << sql;
  }
  for (const auto* const sql :
       {"select @@tx_read_only", "set transaction read only", "set session transaction isolation level serializable",
        "start transaction", "select 'read write', `write`, execute from t -- execute", "update t set a = 'write'",
        "set sql_mode = ''", "prepare p from 'set transaction read write'"}) {
    EXPECT_FALSE(kind(sql).sets_access) << sql;
  }
}

TEST(MariadbWords, WhatTurnsAutocommitOffIsNoticed) {
  for (const auto* const sql : {"set autocommit = 0", "SET @@session.AutoCommit=off", "set a = 1, `autocommit` := 0",
                                "/*!40101 set */ autocommit = 0", "set session autocommit = default"}) {
    EXPECT_TRUE(kind(sql).ends_autocommit) << sql;
  }
  for (const auto* const sql :
       {"set @a = @@autocommit", "set autocommit = 1", "set @@global.autocommit = 0", "set global autocommit := off",
        "select @@autocommit = 1", "update t set autocommit = 1", "set @x = 'autocommit = 0'",
        "insert into t (autocommit) values (1)"}) {
    EXPECT_FALSE(kind(sql).ends_autocommit) << sql;
  }
}

TEST(MariadbWords, WhatMayStayInTheSessionIsKnown) {
  for (const auto* const sql :
       {"set sql_mode = ''", "select get_lock('x', 1)", "select @a := 1", "use shop", "call p()", "do get_lock('a', 0)",
        "create temporary table t (a int)", "select 1 into @x", "prepare s from 'select 1'",
        "if 1 then set autocommit = 0; end if", "while f() do do 0; end while", "select `get_lock`('x', 0)",
        R"(select "get_lock"('x', 0))", "select shop.f()", "insert into t (a) select f()", "insert into t set a = f(1)",
        "replace t values (f(1))", "update t set a = f(a)", "delete from t where a = f(1)"}) {
    EXPECT_TRUE(kind(sql).leaves_traces) << sql;
  }
  for (const auto* const sql : {"select 1", "select a from t where @@global.read_only = 0", "insert into t values (1)",
                                "select '@', `get_lock` from t", "update t set a = 'temporary' -- @x",
                                "insert into t (a, b) values (1, 2) on duplicate key update a = values(a)",
                                "insert into shop.`t` (a) select (a) from u", "replace t (a) value (1)",
                                "insert into t partition (p0) (a) values (now(6))",
                                "update t set a = timestampdiff(microsecond, '1970-01-01', utc_timestamp(6))",
                                "select a from t force index (i) where instr(a, 'x') in (1, 2)"}) {
    EXPECT_FALSE(kind(sql).leaves_traces) << sql;
  }
}

TEST(MariadbWords, WhatItsTextShowsToStayInTheSessionHasAName) {
  for (const auto& [sql, keeps] : std::vector<std::pair<const char*, const char*>>{
           {"set sql_mode = ''", "setting"},
           {"set global a = 1, session b = 2", "setting"},
           {"use shop", "database"},
           {"prepare p from 'select 1'", "prepared"},
           {"handler t open", "handler"},
           {"lock tables t read", "lock"},
           {"flush tables with read lock", "lock"},
           {"create or replace temporary table t (a int)", "temporary"},
           {"select get_lock('x', 1)", "GET_LOCK"},
           {"select `Get_Lock` ('x', 1)", "GET_LOCK"},
           {"select shop.\"get_lock\"('x', 1)", "GET_LOCK"},
           {"select @x := 1", "variable"},
           {"select 1 into @x", "variable"},
           {"/*!50000 set */ sql_mode = ''", "setting"},
       }) {
    EXPECT_THAT(kind(sql).keeps, HasSubstr(keeps)) << sql;
  }
  for (const auto* const sql : {"select 1", "select @@max_allowed_packet", "grant select on t to app@'127.0.0.1'",
                                "create user 'app'@localhost", "set statement max_statement_time = 1 for select 1",
                                "set global max_connections = 7", "set password = 'x'", "call p()", "select f()",
                                "insert into t values ('@x')", "flush tables"}) {
    EXPECT_EQ(kind(sql).keeps, "") << sql;
  }
}

TEST(MariadbWords, BlanksAndCommentsAreNoStatement) {
  for (const auto* const sql : {"", " ", "-- x", "/* x */ # y", ";;", "--"}) EXPECT_TRUE(kind(sql).empty) << sql;
  EXPECT_FALSE(kind("select 1").empty);
}

TEST(MariadbWords, AScriptFallsIntoItsStatements) {
  const auto statements = [](std::string_view script) { return statements_of(script, kLexis); };
  EXPECT_THAT(statements("a; b"), ElementsAre("a", "b"));
  EXPECT_THAT(statements(" insert into t values (';');; -- the end;\n"), ElementsAre("insert into t values (';')"));
  EXPECT_THAT(statements("x /* ; */ y; `;` z"), ElementsAre("x /* ; */ y", "`;` z"));
  EXPECT_THAT(statements("-- nothing"), IsEmpty());
  // A backslash is a character like any other, unless the session says otherwise.
  EXPECT_THAT(statements(R"(select '\'; select 2)"), ElementsAre(R"(select '\')", "select 2"));
  const Lexis escapes{.backslash_escapes = true};
  EXPECT_THAT(statements_of(R"(select '\'; select 2')", escapes), ElementsAre(R"(select '\'; select 2')"));
}

// The server and the guard take it for one comment.
TEST(MariadbWords, AScriptFallsWhereTheServerLetsItFall) {
  EXPECT_THAT(statements_of("select 1 --\x7f; x; drop table t\n", sql::testing::kMariadb), ElementsAre("select 1"));
  EXPECT_THAT(statements_of("select 1 --\x01; x\n; y", sql::testing::kMariadb), ElementsAre("select 1", "y"));
  EXPECT_THAT(statements_of("select 1 --1; x", sql::testing::kMariadb), ElementsAre("select 1 --1", "x"));
}

TEST(MariadbWords, WhatSomeVersionsExecuteIsReadBothWays) {
  constexpr auto kServer = sql::testing::kMariadb;
  EXPECT_TRUE(kind_of("/*!999999 select 1, */ drop table t", kServer).commits);
  EXPECT_TRUE(kind_of("/*!50000 drop table t -- */ select 1", kServer).commits);
  EXPECT_TRUE(kind_of("select /*!999999 1 -- */ get_lock('x', 1)", kServer).leaves_traces);
  EXPECT_FALSE(kind_of("/*!999999 select 1, */ drop table t", kServer).reads);
  EXPECT_TRUE(kind_of("select /*!50000 sql_no_cache */ 1", kServer).reads);
  EXPECT_FALSE(kind_of("select /*!50000 sql_no_cache */ 1", kServer).may_write);
  EXPECT_THAT(statements_of("a /*!999999 b; */ c; d", kServer), ElementsAre("a /*!999999 b", "c", "d"));
  EXPECT_THAT(statements_of("a /*!999999 b; */ c; d", kServer, false), ElementsAre("a /*!999999 b; */ c", "d"));
}

TEST(MariadbLexis, IsTheOneThatIsTested) {
  Settings settings;
  settings.ansi = false;
  EXPECT_EQ(lexis_of(settings), sql::testing::kMariadb);
  settings.ansi = true;  // ANSI_QUOTES and NO_BACKSLASH_ESCAPES.
  auto ansi = sql::testing::kMariadb;
  ansi.backslash_escapes = ansi.double_quoted_strings = false;
  EXPECT_EQ(lexis_of(settings), ansi);
}

TEST(MariadbWords, TextThatDoesNotEndIsReadToItsEnd) {
  for (const auto* const sql : {"select 'open", "select `open", "/* open", "/*! select 1", "select \\"}) {
    kind(sql);
    statements_of(sql, kLexis);
  }
}

}  // namespace
}  // namespace tidelock::sql::mariadb

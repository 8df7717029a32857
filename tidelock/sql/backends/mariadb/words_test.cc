#include "tidelock/sql/backends/mariadb/words.h"

#include <gmock/gmock.h>

#include "tidelock/sql/backends/mariadb/session.h"
#include "tidelock/sql/testing/lexes.h"

namespace tidelock::sql::mariadb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Lexis kLexis{.backtick_identifiers = true, .hash_comments = true};
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
  for (const auto* const sql : {"select f(1)", "select a from t where b = shop.f (a)", "select `f`(1)", "do f()",
                                "with a as (select f() as n) select n from a", "/*! select f(1) */",
                                "select get_lock('x', 1)", "insert into t values (1)", "call p()"}) {
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

TEST(MariadbWords, WhatMayStayInTheSessionIsKnown) {
  for (const auto* const sql :
       {"set sql_mode = ''", "select get_lock('x', 1)", "select @a := 1", "use shop", "call p()", "do get_lock('a', 0)",
        "create temporary table t (a int)", "select 1 into @x", "prepare s from 'select 1'",
        "if 1 then set autocommit = 0; end if", "while f() do do 0; end while"}) {
    EXPECT_TRUE(kind(sql).leaves_traces) << sql;
  }
  for (const auto* const sql : {"select 1", "insert into t values (1)", "select '@', `get_lock` from t",
                                "update t set a = 'temporary' -- @x"}) {
    EXPECT_FALSE(kind(sql).leaves_traces) << sql;
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

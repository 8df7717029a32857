#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/sql/guard.h"
#include "tidelock/sql/testing/hard_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using testing::kDuckdb;
using testing::kMariadb;
using testing::kPostgres;
using testing::kSqlite;

// The rules that are broken: "drop truncate".
std::string dangers(std::string_view sql, const Lexis& lexis = kPostgres, Extent extent = Extent::script) {
  std::string result;
  for (const auto& danger : find_dangers(sql, lexis, extent)) {
    result += (result.empty() ? "" : " ") + std::string(name(danger.rule));
  }
  return result;
}

TEST(Dangers, OrdinaryStatementsAreNone) {
  for (const auto* const sql : {"select * from t",
                                "insert into t values (1)",
                                "delete from t where id = 1",
                                "update t set a = 1 where id = ?",
                                "create table t (id int references u on delete cascade on update set null)",
                                "create index i on t (id)",
                                "select * from t for update",
                                "select * from t for no key update skip locked",
                                "grant delete, update on t to u",
                                "insert into t values (1) on conflict (id) do update set a = 2",
                                "insert into t values (1) on duplicate key update a = 2",
                                "replace into t values (1)",
                                "insert or replace into t values (1)",
                                "alter table t add column drops int",
                                "alter table t rename to u",
                                "alter table t alter column c drop default",
                                "alter table t alter c drop not null",
                                "create or replace view v as select 1",
                                "create or replace temp table t (id int)",
                                "drop temporary table t",
                                "with x as (select 1) update t set a = x.a from x where t.id = x.id",
                                "with delete as (select 1) select * from delete",
                                "call cleanup()",
                                "vacuum",
                                "create table delete_log (deleted int)",
                                "select 'delete from t', \"drop\" from t",
                                "delete from t where current of c",
                                "do release_lock('a')",
                                "prepare p as select 1",
                                "",
                                ";;",
                                "-- drop table t"}) {
    EXPECT_EQ(dangers(sql), "") << sql;
  }
}

TEST(Dangers, DropIsOneWhereverItStands) {
  for (const auto* const sql :
       {"drop table t", "DROP/**/TABLE t", "select 1; drop index i", " \n;drop view v", "alter table t drop column c",
        "alter table t add a int, drop c", "alter table t drop constraint x",
        "alter table t alter c drop default, drop c", "alter table t add c alter, drop identity",
        "alter table alter drop c", "create or replace table t (id int)", "create or replace table t as select 1",
        "create or replace database d", "create or replace sequence s", "drop database d",
        "alter table t drop default"}) {
    EXPECT_EQ(dangers(sql), "drop") << sql;
  }
}

TEST(Dangers, TruncateIsOne) {
  EXPECT_EQ(dangers("truncate t"), "truncate");
  EXPECT_EQ(dangers("Truncate Table t, u cascade"), "truncate");
  EXPECT_EQ(dangers("alter table t truncate partition p", kMariadb), "truncate");
  EXPECT_EQ(dangers("select truncate(1.5, 0)", kMariadb), "");
  EXPECT_EQ(dangers("alter table t discard tablespace", kMariadb), "drop");
}

TEST(Dangers, DeleteAndUpdateNeedAConditionThatNamesSomething) {
  for (const auto* const sql :
       {"delete from t", "delete from t -- where id = 1", "delete from t /* where id = 1 */",
        "delete from t 'where id = 1'", "delete from t where true", "delete from t where 1 = 1",
        "delete from t where (1) = (1) or not false", "delete from t where 'a' like 'a'", "delete from t where ?",
        "delete from t where 1 returning id", "delete from t using (select * from u where u.id = 1) as u",
        "delete from t limit 10", "delete from t where", "delete from only t",
        "delete a, b from a join b on a.id = b.id", "delete from t order by id limit 5"}) {
    EXPECT_EQ(dangers(sql), "delete_without_where") << sql;
  }
  for (const auto* const sql :
       {"update t set a = 1", "update t set a = (select b from u where u.id = t.id)", "update t set a = 1 from u",
        "update t join u on t.id = u.id set t.a = 1", "update t set a = 'x where y'", "update t set a = $$ where b $$",
        "update t set a = 1 where 2 > 1", "update t set a = case when b then 1 end"}) {
    EXPECT_EQ(dangers(sql), "update_without_where") << sql;
  }
  for (const auto* const sql : {"delete from t where 1::int = 1",
                                "delete from t where true::pg_catalog.bool",
                                "delete from t where now() > '2000-01-01'",
                                "delete from t where date '2024-02-29' < current_date",
                                "delete from t where x'00' = b'0'",
                                "delete from t where U&'a' = N'a'",
                                "delete from t where cast(1 as double precision) = 1.5e0",
                                "delete from t where (select 1) = 1",
                                "delete from t where exists (select 1 where true)",
                                "delete from t where 'a' similar to 'a'",
                                "delete from t where 1 is distinct from 2",
                                "delete from t where case when true then 1 else 0 end = 1",
                                "delete from t where coalesce(null, true)",
                                "delete from t where 1 = any (values (1))",
                                "delete from t where 'a' collate \"C\" = 'a'",
                                "delete from t where 1::numeric(10, 2) = 1",
                                "delete from t where '1 day'::interval > interval '1 hour'",
                                "delete from t where pg_catalog.now() at time zone 'UTC' > timestamp '2000-01-01'",
                                "delete from t where 1 isnull",
                                "delete from t where now() > ? - interval 1 day",
                                "delete from t where interval ? day > 1"}) {
    EXPECT_EQ(dangers(sql), "delete_without_where") << sql;
  }
  EXPECT_EQ(dangers("delete from t where @x = @@y", kMariadb), "delete_without_where");
  EXPECT_EQ(dangers("delete from t where @`x` or @@global.y", kMariadb), "delete_without_where");
  EXPECT_EQ(dangers("delete from t where _utf8mb4'a' = N'a'", kMariadb), "delete_without_where");
  for (const auto* const sql :
       {"delete from t where id::int = 1", "delete from t where lower(name) = 'a'", "delete from t where now() > at",
        "delete from t where at < date '2024-02-29'", "delete from t where cast(id as int) = 1",
        "delete from t where @ id = 1", "delete from t where exists (select 1 from u)",
        "delete from t where case id when 1 then true end", "delete from t where t.id = 1",
        "delete from t where name collate \"C\" = 'a'", "delete from t where active", "delete from t where end < now()",
        "delete from t where at > now() - interval 1 day", "delete from t where flags & '1'",
        "delete from t where u & '1'", "delete from t where interval > 1", "delete from t where name in ('a')",
        "delete from t where 1 = id"}) {
    EXPECT_EQ(dangers(sql), "") << sql;
  }
  EXPECT_EQ(dangers("delete from t where \"id\" = 1"), "");
  EXPECT_EQ(dangers("update t set a = 1 where id in (1, 2) or 1 = 1"), "") << "what a condition comes to is not known";
}

// Each is the same for all rows, though words stand in it that might be names elsewhere.
TEST(Dangers, KeywordsAmongValuesAreNoNames) {
  for (const auto* const condition :
       {"extract(year from now()) > 2000",
        "extract(epoch from timestamp '2000-01-01') > 1",
        "timestamp with time zone '2000-01-01' < now()",
        "timestamp(3) without time zone '2000-01-01' < now()",
        "array[1] = array[1]",
        "('a') similar to ('a')",
        "('a') not similar to ('b')",
        "current_schema is not null",
        "current_catalog = current_role",
        "user = session_user",
        "trim(both from ' a') = 'a'",
        "trim(leading 'x' from ' a') = 'a'",
        "position(('a') in ('b')) = 0",
        "overlay(('abc') placing ('x') from (1)) = 'xbc'",
        "interval '1' day to second > interval '1' hour",
        "cast('1' as interval day to second) is not null",
        "'1'::interval year to month is not null",
        "now() - interval '1 day' < now()",
        "now() > timestamp '2000-01-01' + make_interval(days => 3)",
        "normalize('a', nfc) = 'a'",
        "'a' is nfc normalized",
        "('a') is not normalized",
        "xmlelement(name a) is document",
        "1 operator(pg_catalog.=) 1",
        "\"now\"() is not null",
        "d.pg_catalog.\"now\"() is not null",
        "(row(1)).f1 = 1",
        "1 in (select 1 union all select 2)",
        "exists (select distinct 1 order by 1 limit 1)",
        "(select row_number() over (partition by 1 order by 1 rows between unbounded "
        "preceding and current row)) = 1",
        "(select sum(1) over (rows between unbounded preceding and current row exclude ties)) = 1",
        "(select 1 for update) = 1",
        "(with recursive x(a) as (select 1) select 1) = 1",
        "(select 1 from (values (1)) x(a)) = 1",
        "exists (select from rows from (generate_series(1, 1)))",
        "cast(null as struct(a int, b int)) is null",
        "1 between symmetric 0 and 2"}) {
    EXPECT_EQ(dangers(std::string("delete from t where ") + condition), "delete_without_where") << condition;
  }
  for (const auto* const condition :
       {"{'a': 1}.a = 1", "{a: 1}.a = 1", "map {'a': 1}['a'] = 1", "cast(null as map(int, int)) is null",
        "struct_pack(a := 1).a = 1", "'a'.upper() = 'A'", "(select a: 1) = 1"}) {
    EXPECT_EQ(dangers(std::string("delete from t where ") + condition, kDuckdb), "delete_without_where") << condition;
  }
  for (const auto* const condition :
       {"timestampdiff(day, '2000-01-01', now()) > 3", "timestampadd(minute, 1, now()) > '2000-01-01'",
        "now() > '2000-01-01' + interval -1 day", "now() > '2000-01-01' + interval @x day_hour",
        "date_add(now(), interval (1) day) > '2000-01-01'", "convert(1, signed) = 1",
        "convert('a' using utf8mb4) = 'a'", "convert('2000-01-01', date) < utc_date",
        "cast('a' as char character set utf8mb4) = 'a'", "_binary x'00' = _latin1 0x00", "binary -1",
        "(select 1 from dual) = 1", "get_format(date, 'USA') <> ''", "current_role is null", "\\N is null"}) {
    EXPECT_EQ(dangers(std::string("delete from t where ") + condition, kMariadb), "delete_without_where") << condition;
  }
  for (const auto* const condition : {":x is null", "$x = $x", "@x or #x", "$a(id) is null", ":a::b(id) = 1", "?1"}) {
    EXPECT_EQ(dangers(std::string("delete from t where ") + condition, kSqlite), "delete_without_where") << condition;
  }
}

TEST(Dangers, ColumnsMayBeCalledAsKeywordsAre) {
  for (const auto* const condition : {"year < 2020",
                                      "day = 1 and true",
                                      "extract(year from day) = 1",
                                      "extract(year from at) > 2000",
                                      "not both",
                                      "year = extract(year from now())",
                                      "interval - 1 > 0",
                                      "t.year = 1",
                                      "t.limit > 5",
                                      "t.order = 1 or t.where",
                                      "timestamp < now()",
                                      "current > 1",
                                      "time is null",
                                      "a is distinct from 1",
                                      "1 is distinct from a",
                                      "tags[1] = 'a'",
                                      "(doc).field = 1",
                                      "doc->>'a' = 'b'",
                                      "doc @> '{}'",
                                      "substring(a from 1 for 2) = 'ab'",
                                      "trim(both from a) = 'a'",
                                      "trim(a) = 'b'",
                                      "(a, b) in ((1, 2))",
                                      "a::int = 1",
                                      "a similar to 'b'",
                                      "a at time zone 'UTC' < now()",
                                      "a operator(pg_catalog.=) 1",
                                      "a like any (array['b'])",
                                      "'b' = any (a)",
                                      "exists (select from u)",
                                      "1 in (table u)",
                                      "exists (select 1 from only u)",
                                      "exists (select 1 from u as x)",
                                      "(a, b) overlaps (now(), now())",
                                      "case a when 1 then true end",
                                      "case when true then a else false end",
                                      "now() > now() + interval a day",
                                      "a between symmetric 1 and 2",
                                      "convert(a, signed)",
                                      "normalize(a, nfc) = 'a'",
                                      "unknown",
                                      "position(a in 'abc') = 1"}) {
    EXPECT_EQ(dangers(std::string("delete from t where ") + condition), "") << condition;
  }
  for (const auto* const condition :
       {"user = 'root'", "timestampdiff(day, at, now()) > 3", "date_add(at, interval 1 day) < now()",
        "at < now() - interval 1 day", "convert(a using utf8mb4) = 'a'", "binary a = 'a'", "a sounds like 'b'",
        "a regexp 'b'", "match (a) against ('b' in boolean mode)"}) {
    EXPECT_EQ(dangers(std::string("delete from t where ") + condition, kMariadb), "") << condition;
  }
  for (const auto* const condition : {"user = ?", "[order] = ?", "offset > ?", "a glob '*'", "a match 'b'", "a is b"}) {
    EXPECT_EQ(dangers(std::string("delete from t where ") + condition, kSqlite), "") << condition;
  }
}

TEST(Dangers, BehindADotAWordIsAName) {
  EXPECT_EQ(dangers("update w set b = w.where + b"), "update_without_where");
  EXPECT_EQ(dangers("update w set b = w . where + b"), "update_without_where");
  EXPECT_EQ(dangers("update w set b = (w).where + b"), "update_without_where");
  EXPECT_EQ(dangers("update w set b = w.where + b where id = 1"), "");
  EXPECT_EQ(dangers("update w set b = 1.where id = 1", kMariadb), "");
  EXPECT_EQ(dangers("delete from w where 1.order by id", kMariadb), "delete_without_where");
  EXPECT_EQ(dangers("select * from (select t.delete, u.update, u.set from t) as x"), "");
}

TEST(Dangers, WhereAsALabelOrAVariableIsNoCondition) {
  for (const auto* const sql :
       {"delete from t returning a as where, b", "delete from t using u returning a as where, b as order, c",
        "with x as (select 1) delete from t returning a as where, b"}) {
    EXPECT_EQ(dangers(sql), "delete_without_where") << sql;
    EXPECT_EQ(dangers(sql, kDuckdb), "delete_without_where") << sql;
  }
  EXPECT_EQ(dangers("update t set a = 5 returning a as where, b"), "update_without_where");
  EXPECT_EQ(dangers("with x as (update t set a = 5 returning a as where, b) table x"), "update_without_where");
  EXPECT_EQ(dangers("delete from t where id = 1 returning a as where, b"), "");
  for (const auto* const value :
       {"@where", "@where + b", "@where, b = 2", "@Where and b", "@1.where + b", "@1.2.where + b", "@$where + b",
        "@a$.where + b", "@@global.where + b", "@@where + b"}) {
    EXPECT_EQ(dangers(std::string("update t set a = ") + value, kMariadb), "update_without_where") << value;
    EXPECT_EQ(dangers(std::string("update t set a = ") + value + " where id = 1", kMariadb), "") << value;
  }
  EXPECT_EQ(dangers("delete from t where @returning = 1 and id = 2", kMariadb), "") << "nor does it end one";
  EXPECT_EQ(dangers("update t set a = @'x'where id = 1", kMariadb), "") << "the variable is @'x'";
  EXPECT_EQ(dangers("set statement lock_wait_timeout = @for for delete from t", kMariadb), "delete_without_where");
}

TEST(Dangers, CommonTableExpressionsHideNothing) {
  EXPECT_EQ(dangers("with x as (delete from t returning *) select * from x where id = 1"), "delete_without_where");
  EXPECT_EQ(dangers("with x as (select 1 where true) delete from t"), "delete_without_where");
  EXPECT_EQ(dangers("with recursive x(a, b) as materialized (select 1), y as (update t set a = 1 returning *) "
                    "search depth first by a, b set o select 1 from y where id = 1"),
            "update_without_where");
  EXPECT_EQ(dangers("with x as (select 1) search depth first by insert, b set o delete from t"),
            "delete_without_where");
  EXPECT_EQ(dangers("insert into u with x as (delete from t returning *) select * from x"), "delete_without_where");
  EXPECT_EQ(dangers("select * from (with y as (delete from t where id = 1 returning *) select * from y) as z"), "");
  EXPECT_EQ(dangers("copy (delete from t returning *) to stdout"), "delete_without_where");
  EXPECT_EQ(dangers("create table u as with x as (delete from t returning *) select * from x"), "delete_without_where");
}

TEST(Dangers, AStatementBehindAWithIsFoundWhateverTheNamesBeforeIt) {
  const std::string with = "with recursive x(a) as (select 1 union all select a from x) ";
  for (const auto* const name : {"key", "of", "before", "after", "no"}) {
    EXPECT_EQ(dangers(with + "search depth first by a set " + name + " delete from t"), "delete_without_where") << name;
    EXPECT_EQ(dangers(with + "cycle a set c using " + name + " update t set a = 1"), "update_without_where") << name;
  }
  EXPECT_EQ(dangers("with x as (select 1 from t for no key update) select 1 from u"), "");
}

TEST(Dangers, MergeIsJudgedByItsConditions) {
  const std::string merge = "merge into t using u on t.id = u.id ";
  EXPECT_EQ(dangers(merge + "when matched then delete"), "");
  EXPECT_EQ(dangers(merge + "when matched then update set a = 1 when not matched then insert values (1)"), "");
  EXPECT_EQ(dangers("merge into t using u using (id) when matched then delete"), "");
  EXPECT_EQ(dangers("merge into t using u on true when matched then delete"), "delete_without_where");
  EXPECT_EQ(dangers("merge into t using u on 1 = 1 when matched and u.gone then delete"), "");
  EXPECT_EQ(dangers("merge into t using u on true when matched then update set a = 1"), "update_without_where");
  EXPECT_EQ(dangers(merge + "when not matched by source then delete"), "delete_without_where");
  EXPECT_EQ(dangers("merge into t using u on true when matched and case when 1 then 1 end = 1 then delete"),
            "delete_without_where");
  EXPECT_EQ(dangers("merge into t using u on case when t.id = u.id then true end when matched then delete"), "");
  EXPECT_EQ(dangers(merge + "when matched and case when t.a then true end then update set a = 1"), "");
  EXPECT_EQ(dangers(merge + "when not matched by source and t.old then delete"), "");
}

TEST(Dangers, ExplainExecutesOnlyWithAnalyze) {
  EXPECT_EQ(dangers("explain delete from t"), "");
  EXPECT_EQ(dangers("explain query plan delete from t", kSqlite), "");
  EXPECT_EQ(dangers("explain with x as (delete from t returning 1) select 1"), "");
  EXPECT_EQ(dangers("explain analyze delete from t"), "delete_without_where");
  EXPECT_EQ(dangers("explain (verbose, analyze) delete from t"), "delete_without_where");
  EXPECT_EQ(dangers("explain analyze with x as (delete from t returning 1) select 1"), "delete_without_where");
  EXPECT_EQ(dangers("analyze format=json delete from t", kMariadb), "delete_without_where");
  EXPECT_EQ(dangers("analyze table t", kMariadb), "");
}

TEST(Dangers, CodeThatHidesStatementsIsRefusedAsAWhole) {
  for (const auto* const sql :
       {"do $$ begin delete from t; end $$", "do language plpgsql 'begin end'", "import database 'dump'"}) {
    EXPECT_EQ(dangers(sql), "dynamic_sql") << sql;
  }
  for (const auto* const sql :
       {"execute immediate 'drop table t'", "prepare s from 'drop table t'", "begin not atomic select 1; end",
        "if 1 then select 1; end if", "l: loop select 1; end loop", "begin select 1; end"}) {
    EXPECT_EQ(dangers(sql, kMariadb), "dynamic_sql") << sql;
  }
  for (const auto* const sql : {"do U&'begin delete from t; end'", "do E'begin end'",
                                "do U&'begin end' language plpgsql", "copy t from program 'psql -c \"drop table t\"'",
                                "copy (select 1) to program 'rm -r x' with csv", "pragma import_database('dump')"}) {
    EXPECT_EQ(dangers(sql), "dynamic_sql") << sql;
  }
  for (const auto* const sql : {"begin if 1 then delete from t; end if; end", "<<l>> begin delete from t; end",
                                "binlog 'SOgWTg8BAAAAbgAAAHIAAAAAAAQANS41LjI='"}) {
    EXPECT_EQ(dangers(sql, kMariadb), "dynamic_sql") << sql;
  }
  EXPECT_EQ(dangers("copy t from 'program'"), "");
  EXPECT_EQ(dangers("prepare p (int) as delete from t"), "delete_without_where");
  EXPECT_EQ(dangers("set statement max_statement_time = replace('1', '1', '2') for drop table t", kMariadb), "drop");
  EXPECT_EQ(dangers("set statement max_statement_time = 1 for delete from t", kMariadb), "delete_without_where");
  EXPECT_EQ(dangers("begin; commit; begin immediate; begin transaction; begin isolation level serializable"), "");
  EXPECT_EQ(dangers("select a::int; select x[1:2]; declare c cursor for select 1"), "");
}

// By the server itself, which may be at once.
TEST(Dangers, AnEventIsExecutedWhenItIsMade) {
  for (const auto extent : {Extent::statement, Extent::script}) {
    EXPECT_EQ(dangers("create event e on schedule at current_timestamp do drop table t", kMariadb, extent), "drop");
    EXPECT_EQ(dangers("create or replace event e on schedule every 1 day on completion preserve comment 'x' do "
                      "delete from t",
                      kMariadb, extent),
              "delete_without_where");
    EXPECT_EQ(dangers("alter event e on schedule every 1 day do truncate t", kMariadb, extent), "truncate");
    EXPECT_EQ(dangers("alter event e do truncate t", kMariadb, extent), "truncate");
    EXPECT_EQ(dangers("create event e on schedule every 1 day do delete from t where id = 1", kMariadb, extent), "");
  }
  EXPECT_EQ(dangers("create event e on schedule every 1 day do begin delete from t; end", kMariadb, Extent::statement),
            "dynamic_sql");
  for (const auto extent : {Extent::statement, Extent::script}) {
    const std::string event = "create event e on schedule at current_timestamp do ";
    EXPECT_EQ(dangers(event + "drop view v", kMariadb, extent), "drop");
    EXPECT_EQ(dangers(event + "drop procedure p", kMariadb, extent), "drop");
    EXPECT_EQ(dangers(event + "delete from rule", kMariadb, extent), "delete_without_where");
    EXPECT_EQ(dangers(event + "delete from package", kMariadb, extent), "delete_without_where");
    for (const auto* const name : {"do", "if not exists do", "d.do", "if not exists trigger", "view", "event"}) {
      EXPECT_EQ(dangers("create event " + std::string(name) + " on schedule at now() do drop view v", kMariadb, extent),
                "drop")
          << name;
    }
    for (const auto* const user : {"function", "view@localhost", "root@db.package", "'procedure'@'%'", "current_user()",
                                   "event@rule", "current_role"}) {
      EXPECT_EQ(dangers("create definer = " + std::string(user) + " event e on schedule at now() do truncate t",
                        kMariadb, extent),
                "truncate")
          << user;
      EXPECT_EQ(dangers("alter definer = " + std::string(user) + " event e do drop view v", kMariadb, extent), "drop")
          << user;
      EXPECT_EQ(dangers("create definer = " + std::string(user) + " procedure p() delete from t", kMariadb, extent), "")
          << user;
    }
    EXPECT_EQ(dangers("alter event e rename to do do drop view v", kMariadb, extent), "drop");
    EXPECT_EQ(dangers("alter table event add column do int, drop column a", kMariadb, extent), "drop");
    EXPECT_EQ(dangers("create event e on schedule at now() do create event f on schedule at now() do drop view v",
                      kMariadb, extent),
              "drop");
  }
  EXPECT_EQ(dangers("create event trigger e on ddl_command_start execute function do()"), "");
}

TEST(Dangers, ARoutineIsNotExecutedWhenItIsDefined) {
  const std::string trigger = "create trigger r after delete on t begin delete from u; update u set a = 1; end";
  EXPECT_EQ(dangers(trigger, kSqlite), "");
  EXPECT_EQ(dangers(trigger + "; drop table t", kSqlite), "drop");
  EXPECT_EQ(dangers("create temp trigger r after delete on t begin select case when 1 then 2 end; end; delete from t",
                    kSqlite),
            "delete_without_where");
  EXPECT_EQ(dangers(trigger, kMariadb, Extent::statement), "");
  EXPECT_EQ(dangers(trigger, kMariadb), "update_without_where") << "where it ends is not known";
  EXPECT_EQ(dangers("create procedure p() delete from t; drop table t", kMariadb), "drop");
  EXPECT_EQ(dangers("create function f() returns void language sql as $$ delete from t $$"), "");
  EXPECT_EQ(dangers("create table event (id int); drop table t", kMariadb), "drop");
}

TEST(Dangers, NoTrickOfTheTextHidesThem) {
  for (const auto* const sql :
       {"/* /* */ */ drop table t", "-- x\rdrop table t", "select E'\\''; drop table t; --'",
        "select E'a'\n'\\''; drop table t --'", "select 1$$'$$; drop table t; --'", "select U&'\\0027'; drop table t",
        "select $a$;$b$ '$a$; drop table t; --'", "select a$b$; drop table t; select a$b$"}) {
    EXPECT_EQ(dangers(sql), "drop") << sql;
  }
  for (const auto* const sql : {"/*!50000 drop table t */", "/*! drop */ table t", "/*M!100100 drop*/ table t",
                                "select '\\''; drop table t; -- '", "select \"\\\"\"; drop table t; -- \"",
                                "select 1-- '\n; drop table t; -- '", "# '\ndrop table t # '",
                                "/*!99999 select '*/; drop table t; -- '*/", "/* /* */ drop table t -- */"}) {
    EXPECT_EQ(dangers(sql, kMariadb), "drop") << sql;
  }
  EXPECT_EQ(dangers("delete from t /*!99999 where id = 1 */", kMariadb), "delete_without_where");
  EXPECT_EQ(dangers("/*!40000 delete from t*/ /*!99999 where id = 1*/", kMariadb), "delete_without_where");
  EXPECT_EQ(dangers("delete from t where id = 1 /*! and a = 2 */", kMariadb), "");
  EXPECT_EQ(dangers("/*!1*/ /*!2*/ /*!3*/ /*!4*/ /*!5*/ /*!6*/ /*!7*/", kMariadb), "dynamic_sql");
  EXPECT_EQ(dangers("select 1--'\n; drop table t; -- '", kMariadb), "") << "minus minus a string";
  EXPECT_EQ(dangers("drop\xc2\xa0table t", kDuckdb), "drop");
  EXPECT_EQ(dangers("\xef\xbb\xbf"
                    "drop table t",
                    kSqlite),
            "drop");
  EXPECT_EQ(dangers("select [a;drop table t], `;drop table t`", kSqlite), "");
  for (const auto* const sql :
       {"select :a('); drop table t; --')", "select $a('); drop table t; --')", "select @a(\"); drop table t; --\")",
        "select :a::b(`); drop table t; --`)", "select #a([); drop table t; --])", "select $a(--); drop table t"}) {
    EXPECT_EQ(dangers(sql, kSqlite), "drop") << sql;
  }
}

TEST(Dangers, SayWhereTheyAre) {
  const auto found = find_dangers("select 1; delete from t; drop table t; delete from u", kPostgres);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].what, "DELETE without WHERE");
  EXPECT_EQ(found[0].at, 10U);
  EXPECT_EQ(found[1].at, 25U);
}

TEST(Dangers, BracketsWithoutEndAreReadInBoundedTime) {
  EXPECT_EQ(dangers("select " + std::string(100'000, '(')), "dynamic_sql");
  std::string with = "select 1";
  for (int i = 0; i < 40; ++i) with = "with a as (" + with + ") select (select a)";
  EXPECT_EQ(dangers("with x as (delete from t returning 1) " + with), "delete_without_where");
}

TEST(Dangers, StatementsInStatementsAreReadInBoundedSpace) {
  std::string prepare;
  for (int i = 0; i < 60; ++i) prepare += "prepare a as ";
  EXPECT_EQ(dangers(prepare + "drop table t"), "drop");
  for (int i = 0; i < 100'000; ++i) prepare += "prepare a as ";
  EXPECT_EQ(dangers(prepare + "drop table t"), "dynamic_sql");
  EXPECT_EQ(dangers("select 1; " + prepare.substr(0, 13 * 40) + "drop table t"), "drop");
}

TEST(Dangers, WhateverTheTextAStatementBehindItIsSeen) {
  std::uint64_t seen = 0;
  world::for_seeds(5'000, [&](std::uint64_t seed) {
    world::Random random(seed);
    const auto text = testing::hard_text(random);
    for (const auto& lexis : {kSqlite, kDuckdb, kPostgres, kMariadb}) {
      try {
        if (!find_dangers(text, lexis).empty()) continue;
        // A line break ends a comment, and the semicolon a statement.
        EXPECT_EQ(dangers(text + "\n; truncate t", lexis), "truncate") << text;
        ++seen;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::statement_invalid);
      }
    }
  });
  EXPECT_GT(seen, 2'000U);
}

TEST(Rules, HaveNames) {
  EXPECT_EQ(rule_named("drop"), Rule::drop);
  EXPECT_EQ(rule_named(name(Rule::update_without_where)), Rule::update_without_where);
  EXPECT_EQ(base::testing::error_text([] { rule_named("dorp"); }),
            "there is no rule \"dorp\" of the guard; there are drop, truncate, delete_without_where, "
            "update_without_where and dynamic_sql");
  const Rules some{Rule::drop, Rule::truncate};
  EXPECT_TRUE(some.has(Rule::truncate));
  EXPECT_FALSE(some.has(Rule::dynamic_sql));
  EXPECT_TRUE((some | Rule::dynamic_sql).has(Rule::dynamic_sql));
  EXPECT_TRUE(Rules::all().has(Rule::update_without_where));
}

}  // namespace
}  // namespace tidelock::sql

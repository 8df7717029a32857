#include "tidelock/sql/spy/layout.h"

#include <gtest/gtest.h>

#include "tidelock/sql/spy/tokens.h"

namespace tidelock::sql::spy {
namespace {

std::string one_line(std::string_view sql) {
  std::string out;
  append_one_line(out, sql);
  return out;
}
std::string same(std::string_view sql) { return normalised(sql, any_lexis()); }
std::string broken(std::string_view sql) { return in_clauses(sql, any_lexis()); }

TEST(SpyLayout, MakesOneLineAsP6SpyDoes) {
  EXPECT_EQ(one_line("select 1\n  from t\r\n\n\r\nwhere a"), "select 1   from t where a");
  EXPECT_EQ(one_line("\nselect\r1\n"), " select\r1 ");
  EXPECT_EQ(one_line(""), "");
}

TEST(SpyLayout, BreaksBeforeClauses) {
  EXPECT_EQ(broken("select a, count(*) from t left join u on t.id = u.id where a between 1 and 2 and b in "
                   "(select c from v) or d = 'where' group by a order by 2 limit 3"),
            "select a, count(*)\n"
            "from t\n"
            "left join u\n"
            "  on t.id = u.id\n"
            "where a between 1 and 2\n"
            "  and b in (select c from v)\n"
            "  or d = 'where'\n"
            "group by a\n"
            "order by 2\n"
            "limit 3");
  EXPECT_EQ(broken("update t set a = 1,b=2 where c=3"), "update t\nset a = 1, b=2\nwhere c=3");
  EXPECT_EQ(broken("insert into t (a, b) values (1, 2) returning a"),
            "insert into t (a, b)\nvalues (1, 2)\nreturning a");
}

TEST(SpyLayout, GivesTheColumnsOfATableALineEach) {
  EXPECT_EQ(broken("create table t (id integer primary key, price decimal(10, 2) not null, "
                   "foreign key (id) references u (id) on delete cascade)"),
            "create table t (\n"
            "  id integer primary key,\n"
            "  price decimal(10, 2) not null,\n"
            "  foreign key (id) references u (id) on delete cascade\n"
            ")");
}

TEST(SpyLayout, KeepsStringsAndComments) {
  EXPECT_EQ(broken("select 'a  from b' -- x\n, 2 /* from  */ from t"),
            "select 'a  from b' -- x\n, 2 /* from  */\nfrom t");
}

TEST(SpyLayout, TellsStatementsApartThatDifferInMoreThanValues) {
  EXPECT_EQ(same("select * from t where a = 5 and b = 'x'"), "select * from t where a = ? and b = ?");
  EXPECT_EQ(same("select  *\n from t /* hint */ where a = ?   and b = ?;"), "select * from t where a = ? and b = ?");
  EXPECT_EQ(same("where a = -5"), same("where a = ?"));
  EXPECT_EQ(same("select a -5"), "select a -?");
  EXPECT_EQ(same("where a in (1, 2, 3)"), same("where a in (?)"));
  EXPECT_EQ(same("insert into t values (1, 'a'), (2, 'b')"), same("insert into t values (?,?)"));
  EXPECT_EQ(same("insert into t values (1, null, true), (2, 'b', Default)"), same("insert into t values (?, ?, ?)"));
  EXPECT_EQ(same("insert into t values (1, date '2024-02-29'), (2, 'x'::uuid)"), same("insert into t values (?, ?)"));
  EXPECT_EQ(same("where a in (1, null)"), same("where a in (?)"));
  EXPECT_EQ(same("where a is null and b = (null)"), "where a is null and b = (null)");
  EXPECT_NE(same("select f(1)"), same("select f(1, 2)"));
  EXPECT_NE(same("select a from t"), same("select b from t"));
  EXPECT_EQ(same("select $$text$$, x'0f', 1.5e3"), "select ?, ?, ?");
}

TEST(SpyLayout, NormalisesToSomethingThatStays) {
  for (const auto* sql : {"select * from t where a in (1, 2) and b = -3", "insert into t (a, b) values (1, 2), (3, 4)",
                          "select 'unended", "a ?? b", "", ";", "((((", "select 1;;"}) {
    EXPECT_EQ(same(same(sql)), same(sql)) << sql;
  }
}

}  // namespace
}  // namespace tidelock::sql::spy

#include "tidelock/sql/split.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/testing/lexes.h"

namespace tidelock::sql {
namespace {

using Statements = std::vector<std::string_view>;

TEST(Split, SemicolonsEndStatementsAndEmptyOnesAreLeftOut) {
  EXPECT_EQ(split_statements("select 1;;select ';' /* ; */ -- ;\n; ", testing::kPostgres),
            (Statements{"select 1", "select ';'"}));
  EXPECT_EQ(split_statements(" -- nothing\n", testing::kPostgres), Statements{});
  EXPECT_EQ(split_statements("select $$;$$; select 2", testing::kPostgres), (Statements{"select $$;$$", "select 2"}));
}

TEST(Split, CommentsThatAServerExecutesStayWhole) {
  EXPECT_EQ(split_statements(" /*!40101 set names utf8 */;\ncreate table t (a int) /*!50100 partition by key (a) */ ;",
                             testing::kMariadb),
            (Statements{"/*!40101 set names utf8 */", "create table t (a int) /*!50100 partition by key (a) */"}));
  EXPECT_EQ(split_statements("-- nothing\n; # nothing", testing::kMariadb), Statements{});
  EXPECT_EQ(split_statements("select 5--1; select 2", testing::kMariadb), (Statements{"select 5--1", "select 2"}));
}

TEST(Split, TheBodyOfATriggerStaysWithIt) {
  const std::string_view trigger = "create temp trigger t after insert on a begin select 1; select 2; end";
  EXPECT_EQ(split_statements("create temp trigger t after insert on a begin select 1; select 2; end; select 3",
                             testing::kSqlite),
            (Statements{trigger, "select 3"}));
  EXPECT_EQ(split_statements("create trigger t after insert on a execute function f(); select 2", testing::kPostgres),
            (Statements{"create trigger t after insert on a execute function f()", "select 2"}));
}

TEST(Split, ABodyThatIsNotEndedMakesAStatementOpenEnded) {
  const std::string trigger = "create trigger r before insert on t for each row ";
  for (const auto* const body :
       {"begin set new.a = 1", "if new.a > 1 then set new.a = 1", "if (new.a > 1) then set new.a = 1",
        "if case when 1 then 2 end then set new.a = 1", "case new.a when 1 then set new.a = 2",
        "case when new.a then set new.a = 2", "l: loop set new.a = 2", "while (new.a < 1) do set new.a = 2",
        "repeat set new.a = 2", "for i in 1..3 do set new.a = i", "for i in (select 1) do set new.a = 1",
        "begin if 1 then begin end", "begin not atomic begin end"}) {
    EXPECT_TRUE(is_open_ended(trigger + body, testing::kMariadb)) << body;
    EXPECT_FALSE(is_open_ended(body, testing::kMariadb)) << body;
    EXPECT_FALSE(is_open_ended(trigger + body, testing::kSqlite)) << body;
  }
  for (const auto* const body :
       {"set new.a = if(new.b > 1, 1, 2)", "set new.a = case when new.b then 1 else 2 end", "begin end",
        "set new.a = repeat('a', 3)", "if 1 then begin end; end if", "insert into u select * from v for update",
        "while 0 do begin end; end while", "case 1 when 1 then begin end; end case"}) {
    EXPECT_FALSE(is_open_ended(trigger + body, testing::kMariadb)) << body;
  }
  EXPECT_TRUE(is_open_ended("create event e on schedule every 1 day do begin delete from t", testing::kMariadb));
  EXPECT_TRUE(
      is_open_ended("create definer = a@b event e on schedule every 1 day do if 1 then do 1", testing::kMariadb));
  EXPECT_FALSE(is_open_ended("create event e on schedule every 1 day do delete from t", testing::kMariadb));
  EXPECT_TRUE(is_open_ended("create function f() returns int begin atomic select 1", testing::kPostgres));
  EXPECT_FALSE(
      is_open_ended("create trigger r after insert on t for each row execute function f()", testing::kPostgres));
  EXPECT_FALSE(is_open_ended("create table t (begin int)", testing::kPostgres));
}

}  // namespace
}  // namespace tidelock::sql

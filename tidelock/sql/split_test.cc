#include "tidelock/sql/split.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace tidelock::sql

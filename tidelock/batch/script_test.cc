#include "tidelock/batch/script.h"

#include <gmock/gmock.h>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/sql/value.h"

namespace tidelock::batch {
namespace {

using base::testing::error_text;
using sql::testing::kDuckdb;
using sql::testing::kMariadb;
using sql::testing::kSqlite;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr sql::Date kDay{std::chrono::year{2018} / 1 / 3};
const Moment kScriptMoment{kDay, kDay, kDay - std::chrono::days(1)};

std::vector<BoundStatement> split(std::string_view text, const sql::Lexis& lexis = kDuckdb) {
  return split_script("a.sql", text, lexis, kScriptMoment);
}

std::vector<std::string> texts(std::string_view text, const sql::Lexis& lexis = kDuckdb) {
  std::vector<std::string> result;
  for (const auto& statement : split(text, lexis)) result.push_back(statement.sql);
  return result;
}

TEST(Script, SplitsAtSemicolonsThatEndStatements) {
  EXPECT_THAT(texts("select 1; select ';' ;; select \"a;b\" -- ;\n; select $$;$$;/* ; */"),
              ElementsAre("select 1", "select ';'", "select \"a;b\" -- ;", "select $$;$$"));
  EXPECT_THAT(texts("  -- nothing\n ; ;"), ElementsAre());
}

TEST(Script, KnowsTheLineOfEachStatement) {
  const auto statements = split("-- first\nselect 1;\n\n-- second\nselect\n2;");
  ASSERT_EQ(statements.size(), 2);
  EXPECT_EQ(statements[0].line, 2);
  EXPECT_EQ(statements[1].line, 5);
}

TEST(Script, BindsTheMomentOfTheRun) {
  const auto statements = split("select $now::timestamp, '$now', $x$ $today $x$ where d between $yesterday and $today");
  ASSERT_EQ(statements.size(), 1);
  EXPECT_EQ(statements[0].sql, "select ?::timestamp, '$now', $x$ $today $x$ where d between ? and ?");
  ASSERT_EQ(statements[0].values.size(), 3);
  EXPECT_EQ(sql::to_text(statements[0].values[0]), "2018-01-03T00:00:00.000000Z");
  EXPECT_EQ(sql::to_text(statements[0].values[1]), "2018-01-02");
  EXPECT_EQ(sql::to_text(statements[0].values[2]), "2018-01-03");
}

TEST(Script, ATriggerEndsWithItsEnd) {
  EXPECT_THAT(texts("create trigger t after insert on a begin delete from b; delete from c; end; select 1", kSqlite),
              ElementsAre("create trigger t after insert on a begin delete from b; delete from c; end", "select 1"));
}

TEST(Script, IsReadAsTheEngineReadsIt) {
  EXPECT_THAT(texts("select 1--1; select 2; -- a;\n/*!50000 select $today */; /* b; */", kMariadb),
              ElementsAre("select 1--1", "select 2", "-- a;\n/*!50000 select ? */"));
  EXPECT_THAT(texts("select a ?? 'b' from t"), ElementsAre("select a ?? 'b' from t"));
  EXPECT_THAT(texts("insert into t values ($now, $today)", kSqlite), ElementsAre("insert into t values (?, ?)"));
}

TEST(Script, RefusesWhatItCannotBind) {
  const auto text_of = [](std::string_view text) { return error_text([&] { split(text); }); };
  EXPECT_THAT(text_of("select 1;\nselect $tomorrow"), HasSubstr("a.sql:2: \"$tomorrow\" is none of $now"));
  EXPECT_THAT(text_of("select ?"), HasSubstr("a.sql:1: a ? has no value here"));
  EXPECT_THAT(error_text([&] { split("select :a", kSqlite); }), HasSubstr("a.sql:1: a :a has no value here"));
  EXPECT_THAT(error_text([&] { split("select $now::a", kSqlite); }), HasSubstr("\"$now::a\" is none of $now"));
  EXPECT_THAT(text_of("select\n'x"), HasSubstr("a.sql:2: a string that does not end"));
  EXPECT_THAT(text_of("/* x"), HasSubstr("a.sql:1: a comment that does not end"));
}

TEST(Moment, IsOfTheTimeZone) {
  const base::WallTime midnight{sql::Date{std::chrono::year{2018} / 1 / 3} + std::chrono::hours(5)};
  const auto moment = Moment::at(midnight, "America/New_York");
  EXPECT_EQ(sql::to_text(moment.now), "2018-01-03T00:00:00.000000Z");
  EXPECT_EQ(sql::to_text(moment.today), "2018-01-03");
  EXPECT_EQ(sql::to_text(moment.yesterday), "2018-01-02");
}

}  // namespace
}  // namespace tidelock::batch

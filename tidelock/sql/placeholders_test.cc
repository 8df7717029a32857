#include "tidelock/sql/placeholders.h"

#include <gtest/gtest.h>

#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

const Lexis kPlainLexis{};

Lexis everything() {
  Lexis lexis;
  lexis.backtick_identifiers = lexis.bracket_identifiers = lexis.dollar_quotes = true;
  lexis.escape_strings = lexis.nested_comments = lexis.hash_comments = true;
  return lexis;
}

Lexis numbered() {
  Lexis lexis;
  lexis.numbered_placeholders = true;
  return lexis;
}

TEST(Placeholders, AQuestionMarkStandsForAValue) {
  const auto result = rewrite_placeholders("insert into t values (?, ?)", kPlainLexis);
  EXPECT_EQ(result.count, 2U);
  EXPECT_EQ(result.sql, "insert into t values (?, ?)");
  EXPECT_EQ(result.first_word, "INSERT");
}

TEST(Placeholders, TheyAreNumberedWhereTheEngineWantsThat) {
  EXPECT_EQ(rewrite_placeholders("select ?, '?', ? -- ?", numbered()).sql, "select $1, '?', $2 -- ?");
}

TEST(Placeholders, NamedOnesAreRefusedWhereTheEngineHasThem) {
  Lexis named;
  named.named_parameters = true;
  for (const auto* const sql : {"select :a", "select ?, $a", "select @a", "select #a(')"}) {
    EXPECT_THROW_CODE(rewrite_placeholders(sql, named), Code::statement_invalid) << sql;
  }
  EXPECT_EQ(rewrite_placeholders("select ?, ':a', \":b\" -- :c", named).count, 1U);
  EXPECT_EQ(rewrite_placeholders("select a::text", kPlainLexis).count, 0U);
}

TEST(Placeholders, TwoQuestionMarksAreAnOperator) {
  const auto result = rewrite_placeholders("select a ?? ?, a ??| b, ???", numbered());
  EXPECT_EQ(result.sql, "select a ? $1, a ?| b, ?$2");
  EXPECT_EQ(result.count, 2U);
}

TEST(Placeholders, NothingInsideAStringIdentifierOrCommentCounts) {
  for (const auto* const sql :
       {"'?'", "'it''s ?'", "\"?\"", "\"a\"\"?\"", "`?`", "[?]", "-- ?\n", "/* ? */", "/* /* ? */ ? */", "# ?",
        "$$ ? $$", "$tag$ ? $other$ ? $tag$", "E'\\'?'", "e'?\\\\'", "'\\'", "''", "a$1$?b$1$"}) {
    const auto result = rewrite_placeholders(std::string("select ") + sql, everything());
    const auto expected = std::string_view(sql) == "a$1$?b$1$" ? 1U : 0U;  // An identifier with a dollar in it.
    EXPECT_EQ(result.count, expected) << sql;
    EXPECT_EQ(result.sql, std::string("select ") + sql);
  }
}

TEST(Placeholders, WhatAnEngineDoesNotKnowHidesNothing) {
  for (const auto* const sql : {"`?`", "[?]", "$$ ? $$", "# ?", "'\\' ? ''"}) {
    EXPECT_EQ(rewrite_placeholders(sql, kPlainLexis).count, 1U) << sql;
  }
  Lexis backslash;
  backslash.backslash_escapes = true;
  EXPECT_EQ(rewrite_placeholders("'\\' ? '", backslash).count, 0U);
  EXPECT_EQ(rewrite_placeholders("name'?'", everything()).count, 0U);
}

TEST(Placeholders, WhatDoesNotEndIsRefusedWithItsPlace) {
  for (const auto* const sql :
       {"x 'a", "x \"a", "x `a", "x [a", "x /* a", "x /* /* a */", "x $$ a", "x $t$ a $u$", "x 'a''"}) {
    try {
      rewrite_placeholders(sql, everything());
      ADD_FAILURE() << sql;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::statement_invalid);
      EXPECT_NE(error.message().find("byte 3"), std::string::npos) << error.what();
    }
  }
}

TEST(Placeholders, WhatIsNoTextIsRefused) {
  EXPECT_THROW_CODE(rewrite_placeholders(std::string_view("select\0 1", 9), kPlainLexis), Code::statement_invalid);
  EXPECT_THROW_CODE(rewrite_placeholders("select '\xff'", kPlainLexis), Code::statement_invalid);
  EXPECT_THROW_CODE(rewrite_placeholders("select ?1", kPlainLexis), Code::statement_invalid);
}

TEST(Placeholders, TheFirstWordIsFoundBehindBlanksAndComments) {
  EXPECT_EQ(rewrite_placeholders(" \n-- hello\n /* x */ Begin;", kPlainLexis).first_word, "BEGIN");
  EXPECT_EQ(rewrite_placeholders("(select 1)", kPlainLexis).first_word, "");
  EXPECT_EQ(rewrite_placeholders("", kPlainLexis).first_word, "");
  EXPECT_TRUE(controls_transactions("ROLLBACK"));
  EXPECT_FALSE(controls_transactions("SELECT"));
}

}  // namespace
}  // namespace tidelock::sql

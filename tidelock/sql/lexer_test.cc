#include "tidelock/sql/lexer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using testing::kMariadb;
using testing::kPostgres;

const Lexis kPlain{};

// The tokens, each in angle brackets with a letter for its kind.
std::string tokens(std::string_view sql, const Lexis& lexis, std::uint64_t executed = ~std::uint64_t{0}) {
  std::string result;
  Lexer lexer(sql, lexis, executed);
  while (const auto token = lexer.next()) {
    EXPECT_EQ(sql.substr(token->begin, token->text.size()), token->text);
    result += "wnqs?y"[static_cast<std::size_t>(token->kind)];
    result += '<' + std::string(token->text) + '>';
  }
  return result;
}

TEST(Lexer, DividesTextIntoTokens) {
  EXPECT_EQ(tokens("select a1, 'it''s' from \"T\" where x>=1.5 and ?;", kPlain),
            "w<select>w<a1>y<,>s<'it''s'>w<from>q<\"T\">w<where>w<x>y<>>y<=>n<1>y<.>n<5>w<and>?<?>y<;>");
  EXPECT_EQ(tokens("", kPlain), "");
  EXPECT_EQ(tokens("a ?? b", kPlain),
            "w<a>y<?"
            "?>w<b>");
}

TEST(Lexer, AWordIsComparedWithoutRegardToCase) {
  const auto token = Lexer("DeLeTe", kPlain).next();
  ASSERT_TRUE(token);
  EXPECT_TRUE(token->is("DELETE"));
  EXPECT_FALSE(token->is("DELET"));
  const auto quoted = Lexer("\"DELETE\"", kPlain).next();
  ASSERT_TRUE(quoted);
  EXPECT_FALSE(quoted->is("DELETE"));
}

TEST(Lexer, CommentsAreNoTokens) {
  EXPECT_EQ(tokens("a -- b\nc /* d */ e /* * / **/ f", kPlain), "w<a>w<c>w<e>w<f>");
  EXPECT_EQ(tokens("a /* /* b */ c */ d", kPostgres), "w<a>w<d>");
  EXPECT_EQ(tokens("a /*/* b */ */ c", kMariadb), "w<a>y<*>y</>w<c>");
  EXPECT_EQ(tokens("a # b\nc", kMariadb), "w<a>w<c>");
  EXPECT_EQ(tokens("a # b", kPlain), "w<a>y<#>w<b>");
}

TEST(Lexer, ALineOfCommentEndsWhereTheEngineEndsIt) {
  EXPECT_EQ(tokens("-- a\rdrop", kPostgres), "w<drop>");
  EXPECT_EQ(tokens("-- a\rdrop", kPlain), "");
  EXPECT_EQ(tokens("1--1", kMariadb), "n<1>y<->y<->n<1>");
  EXPECT_EQ(tokens("1-- 1", kMariadb), "n<1>");
  EXPECT_EQ(tokens("1--\n2--", kMariadb), "n<1>n<2>");
  EXPECT_EQ(tokens("1--1", kPlain), "n<1>");
}

TEST(Lexer, BackslashesEscapeWhereTheyDo) {
  EXPECT_EQ(tokens(R"('a\' b)", kPlain), R"(s<'a\'>w<b>)");
  EXPECT_EQ(tokens(R"('a\' b' c)", kMariadb), R"(s<'a\' b'>w<c>)");
  EXPECT_EQ(tokens(R"('a\\' b)", kMariadb), R"(s<'a\\'>w<b>)");
  EXPECT_EQ(tokens(R"(e'a\' b' c)", kPostgres), R"(s<e'a\' b'>w<c>)");
  EXPECT_EQ(tokens(R"(fe'a\' b)", kPostgres), R"(w<fe>s<'a\'>w<b>)");
}

TEST(Lexer, AnEscapeStringGoesOnBehindALineBreak) {
  EXPECT_EQ(tokens("E'a'\n'\\'' ; drop", kPostgres), "s<E'a'\n'\\''>y<;>w<drop>");
  EXPECT_EQ(tokens("E'a' -- x\n  '\\'' ; drop", kPostgres), "s<E'a' -- x\n  '\\''>y<;>w<drop>");
  EXPECT_EQ(tokens("E'a' '\\' ; drop", kPostgres), "s<E'a'>s<'\\'>y<;>w<drop>");
  EXPECT_EQ(tokens("'a'\n'\\' ; drop", kPostgres), "s<'a'>s<'\\'>y<;>w<drop>");
}

TEST(Lexer, NothingHidesBehindANumber) {
  EXPECT_EQ(tokens("1$$'$$; drop --'", kPostgres), "n<1>s<$$'$$>y<;>w<drop>");
  EXPECT_EQ(tokens("1E'\\''; drop --'", kPostgres), "n<1>s<E'\\''>y<;>w<drop>");
  EXPECT_EQ(tokens("1e5 1$", kMariadb), "n<1e5>n<1$>");
}

TEST(Lexer, DollarsQuoteOnlyWhereTheyDoAndNotInNames) {
  EXPECT_EQ(tokens("a$b$ $b$ ' $c$ $b$ $1 $x", kPostgres), "w<a$b$>s<$b$ ' $c$ $b$>y<$>n<1>y<$>w<x>");
  EXPECT_EQ(tokens("$$'$$'", kPlain), "y<$>y<$>s<'$$'>");
}

TEST(Lexer, ANamedParameterIsOneTokenWhateverIsInItsBrackets) {
  using testing::kSqlite;
  EXPECT_EQ(tokens(":a @b1 $c$ #d ?", kSqlite), "?<:a>?<@b1>?<$c$>?<#d>?<?>");
  EXPECT_EQ(tokens("$a('), b --')", kSqlite), "?<$a(')>y<,>w<b>");
  EXPECT_EQ(tokens("$a::b::c(\")+1", kSqlite), "?<$a::b::c(\")>y<+>n<1>");
  EXPECT_EQ(tokens(":a()", kSqlite), "?<:a()>");
  EXPECT_EQ(tokens(": a(')'", kSqlite), "y<:>w<a>y<(>s<')'>");
  EXPECT_THROW_CODE(tokens("$a(' ')", kSqlite), Code::statement_invalid);
  EXPECT_THROW_CODE(tokens("$a(", kSqlite), Code::statement_invalid);
  EXPECT_EQ(tokens(":a('b')", kPostgres), "y<:>w<a>y<(>s<'b'>y<)>");
}

TEST(Lexer, StringsOfMariadbMayStandInDoubleQuotes) {
  EXPECT_EQ(tokens(R"("a\"" 'b\'' `c\`)", kMariadb), R"(s<"a\"">s<'b\''>q<`c\`>)");
}

TEST(Lexer, AnExecutableCommentIsTextOrCommentAsOneAsks) {
  EXPECT_EQ(tokens("/*!50000drop*/ /*M! table*/ t", kMariadb), "w<drop>w<table>w<t>");
  EXPECT_EQ(tokens("/*!50000drop*/ /*M! table*/ t", kMariadb, 0), "w<t>");
  EXPECT_EQ(tokens("/*!50000drop*/ /*M! table*/ t", kMariadb, 2), "w<table>w<t>");
  EXPECT_EQ(tokens("/*!1000 a*/", kMariadb), "n<1000>w<a>");  // Too short for a version.
  EXPECT_EQ(tokens("/*!1000001*/", kMariadb), "n<1>");        // Six digits are one.
  EXPECT_EQ(tokens("/*! a '*/' b */ c", kMariadb), "w<a>s<'*/'>w<b>w<c>");
  EXPECT_EQ(tokens("/*! a /* b */ c */ d", kMariadb), "w<a>w<c>w<d>");
  EXPECT_EQ(tokens("/*! a /* b */ c */ d", kMariadb, 0), "w<d>");
  EXPECT_EQ(tokens("/*! a */ b", kPostgres), "w<b>");
  EXPECT_EQ(tokens("/*+ hint */ b", kMariadb), "w<b>");
  EXPECT_THROW_CODE(tokens("/*! a", kMariadb), Code::statement_invalid);
  EXPECT_THROW_CODE(tokens("/*! a", kMariadb, 0), Code::statement_invalid);
  Lexer lexer("/*!a*/ /*!b*/", kMariadb);
  while (lexer.next()) {
  }
  EXPECT_EQ(lexer.executable_comments(), 2U);
}

TEST(Lexer, SpacesBeyondAsciiSeparateWordsWhereTheyDo) {
  EXPECT_EQ(tokens("drop\xc2\xa0table\xe3\x80\x80t", testing::kDuckdb), "w<drop>w<table>w<t>");
  EXPECT_EQ(tokens("\xef\xbb\xbf"
                   "drop",
                   testing::kSqlite),
            "w<drop>");
  EXPECT_EQ(tokens("a\xc2\xa0"
                   "b",
                   kPostgres),
            "w<a\xc2\xa0"
            "b>");
}

TEST(Lexer, WhatDoesNotEndIsRefused) {
  for (const auto* const sql : {"'a", "'a\\'", "\"a", "`a", "/* a", "$$ a", "$a$ $b$", "E'\\", "E'\\'", "E'a'\n'b"}) {
    Lexis lexis = kPostgres;
    lexis.backtick_identifiers = true;
    lexis.backslash_escapes = true;
    EXPECT_THROW_CODE(tokens(sql, lexis), Code::statement_invalid) << sql;
  }
}

}  // namespace
}  // namespace tidelock::sql

#include "tidelock/sql/spy/tokens.h"

#include <gtest/gtest.h>

#include <string>

namespace tidelock::sql::spy {
namespace {

const Lexis kPostgres{.dollar_quotes = true, .escape_strings = true, .nested_comments = true};
const Lexis kMaria{.backtick_identifiers = true, .backslash_escapes = true, .hash_comments = true};

// The significant tokens with spaces between them.
std::string words(std::string_view sql, const Lexis& lexis = {}) {
  std::string out;
  for (const auto& token : significant_tokens(sql, lexis)) out += (out.empty() ? "" : " ") + std::string(token.text);
  return out;
}

TEST(SpyTokens, AreTheWholeTextWhateverItIs) {
  for (const std::string_view sql :
       {"select a.b, 'it''s' || \"x\"\"y\" from t where a >= 1.5e-3 -- end", "'never ends", "/* never ends",
        "$tag$ never", "", "?\?? ?", "\"x", "x'ff' E'\\'' $1 @v :name", "a/*b/*c*/d*/e", "`q``r` [s]", "\xff\xfe ü"}) {
    for (const auto& lexis : {Lexis{}, kPostgres, kMaria, any_lexis()}) {
      std::string whole;
      for (const auto& token : tokens_of(sql, lexis)) {
        EXPECT_EQ(token.offset, whole.size());
        EXPECT_FALSE(token.text.empty());
        whole += token.text;
      }
      EXPECT_EQ(whole, sql);
    }
  }
}

TEST(SpyTokens, KnowWhatHidesAQuestionMark) {
  const auto count = [](std::string_view sql, const Lexis& lexis) {
    int found = 0;
    for (const auto& token : tokens_of(sql, lexis)) found += token.kind == TokenKind::placeholder ? 1 : 0;
    return found;
  };
  EXPECT_EQ(count("? '?' \"?\" -- ?\n ? /* ? */", {}), 2);
  EXPECT_EQ(count("a ?? b = ?", {}), 1);
  EXPECT_EQ(count("$x$ ? $x$ ?", kPostgres), 1);
  EXPECT_EQ(count("E'\\'?' ?", kPostgres), 1);
  EXPECT_EQ(count("'\\'?' ? # ?", kMaria), 1);
  EXPECT_EQ(count("/* /* */ ? */ ?", kPostgres), 1);
}

TEST(SpyTokens, SplitWhereAReaderWould) {
  EXPECT_EQ(words("select a.b,count(*)from t where a<=?--x\nand b=x'0f'"),
            "select a . b , count ( * ) from t where a <= ? and b = x'0f'");
  EXPECT_EQ(words("a::text||'x'"), "a :: text || 'x'");
  EXPECT_EQ(words("1.5e+3-2"), "1.5e+3 - 2");
  EXPECT_TRUE(significant_tokens("SeLeCt", {}).front().is("SELECT"));
}

}  // namespace
}  // namespace tidelock::sql::spy

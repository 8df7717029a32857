#include "tidelock/sql/spy/tokens.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/testing/hard_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

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

// Or else a value would be shown, or masked, in the place of another.
TEST(SpyTokens, FindThePlaceholdersThatTheLexerFinds) {
  using sql::testing::kDuckdb, sql::testing::kMariadb, sql::testing::kSqlite;
  using Offsets = std::vector<std::size_t>;
  std::uint64_t compared = 0;
  const auto seeds = world::for_seeds(world::long_seeds(20'000), [&](std::uint64_t seed) {
    world::Random random(seed);
    auto text = sql::testing::hard_text(random) + " ? ";
    for (int i = 0; i < 3; ++i) text += sql::testing::hard_text(random, 4) + (random.chance(0.2) ? "/*!50000 " : "?");
    for (const auto& lexis : {kSqlite, kDuckdb, sql::testing::kPostgres, kMariadb}) {
      Offsets wanted;
      try {
        Lexer lexer(text, lexis);
        bool has_named = false;
        while (const auto token = lexer.next()) {
          if (token->kind == sql::TokenKind::placeholder) wanted.push_back(token->begin);
          has_named = has_named || (token->kind == sql::TokenKind::placeholder && token->text != "?");
        }
        if (has_named) continue;
      } catch (const Error&) {
        continue;  // No statement with this text, or with named parameters, is run.
      }
      Offsets found;
      for (const auto& token : tokens_of(text, lexis)) {
        if (token.kind == TokenKind::placeholder) found.push_back(token.offset);
      }
      ASSERT_EQ(found, wanted) << text;
      ++compared;
    }
  });
  EXPECT_GT(compared, seeds / 2);
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

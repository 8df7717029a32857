// SQLite's own tokenizer beside the lexer. sqlite3_complete() tells whether the last token is a semicolon, and so
// whether it took as much for strings, names and comments as the lexer does.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstddef>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/sql/backends/sqlite/session.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/testing/hard_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::sqlite {
namespace {

TEST(SqliteLexis, EndsStringsNamesAndCommentsWhereSqliteDoes) {
  std::size_t complete = 0;
  std::size_t incomplete = 0;
  world::for_seeds(20'000, [&](std::uint64_t seed) {
    world::Random random(seed);
    const auto text = "select " + sql::testing::hard_text(random) + ";";
    bool ends = false;
    try {
      Lexer lexer(text, kLexis);
      while (const auto token = lexer.next()) ends = token->is(';');
    } catch (const Error&) {
      ends = false;  // Something does not end: SQLite waits for more, too.
    }
    ASSERT_EQ(sqlite3_complete(text.c_str()) != 0, ends) << text;
    ++(ends ? complete : incomplete);
  });
  EXPECT_GT(complete, 1'000U);
  EXPECT_GT(incomplete, 1'000U);
}

TEST(SqliteLexis, IsTheOneThatIsTested) { EXPECT_EQ(kLexis, sql::testing::kSqlite); }

}  // namespace
}  // namespace tidelock::sql::sqlite

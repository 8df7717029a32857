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

constexpr const char* kByteOrderMark = "\xef\xbb\xbf";

TEST(SqliteLexis, AByteOrderMarkIsABlankWhereATokenMayBegin) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &database), SQLITE_OK);
  const auto prepares = [&](const std::string& text) {
    sqlite3_stmt* statement = nullptr;
    const bool right = sqlite3_prepare_v2(database, text.c_str(), -1, &statement, nullptr) == SQLITE_OK;
    sqlite3_finalize(statement);
    return right;
  };
  EXPECT_TRUE(prepares(std::string(kByteOrderMark) + "select 1"));
  EXPECT_TRUE(prepares(std::string("select ") + kByteOrderMark + "1"));
  EXPECT_FALSE(prepares(std::string("sel") + kByteOrderMark + "ect 1"));
  sqlite3_close(database);
}

TEST(SqliteLexis, EndsStringsNamesAndCommentsWhereSqliteDoes) {
  std::size_t complete = 0;
  std::size_t incomplete = 0;
  world::for_seeds(20'000, [&](std::uint64_t seed) {
    world::Random random(seed);
    const auto text = "select " + sql::testing::hard_text(random) + ";";
    if (text.find(kByteOrderMark) != text.npos) return;  // sqlite3_complete() takes it for a letter.
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

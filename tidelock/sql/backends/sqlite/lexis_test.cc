// SQLite's own tokenizer beside the lexer.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/ascii.h"
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

// SQLite's tokens. Behind DROP, which wants TABLE and the like, any other is a mistake: SQLite reads one and no more,
// and tells its text and where it ends.
class Tokenizer {
 public:
  Tokenizer() { sqlite3_open(":memory:", &database_); }
  ~Tokenizer() { sqlite3_close(database_); }
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // The next one at `at`, which it moves behind it. Empty at the end, and where SQLite knows no token: `at` stays.
  std::string next(const std::string& text, std::size_t& at) const {
    constexpr std::string_view kDrop = "drop ";
    constexpr std::string_view kNear = "near \"";
    const auto sql = std::string(kDrop) + text.substr(at);
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, &tail);
    sqlite3_finalize(statement);
    const std::string_view said = sqlite3_errmsg(database_);
    if (!said.starts_with(kNear)) return {};
    at += static_cast<std::size_t>(tail - sql.c_str()) - kDrop.size();
    return std::string(said.substr(kNear.size(), said.rfind("\": syntax error") - kNear.size()));
  }

 private:
  sqlite3* database_ = nullptr;
};

using Places = std::vector<std::pair<std::size_t, std::string>>;

// What can hide something, or be hidden: words, strings, names, parameters and semicolons; not operators and numbers.
void take(Places& places, std::size_t begin, std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (text.size() > 1 && base::ascii::to_upper(text[0]) == 'X' && text[1] == '\'') {  // Two tokens for the lexer.
    places.emplace_back(begin, text.substr(0, 1));
    places.emplace_back(begin + 1, text.substr(1));
  } else if (text[0] == '?') {  // ?1 and ??
    places.emplace_back(begin, "?");
    if (text == "??") places.emplace_back(begin + 1, "?");
  } else if (first >= 0x80 || base::ascii::is_letter(text[0]) ||
             (std::string_view("_'\"`[;:@$#").find(text[0]) != std::string_view::npos && text != ":" && text != "$" &&
              text != "@" && text != "#" && text != "[")) {
    places.emplace_back(begin, text);
  }
}

TEST(SqliteLexis, FindsTheTokensThatSqliteFinds) {
  const Tokenizer tokenizer;
  std::size_t compared = 0;
  std::size_t parameters = 0;
  world::for_seeds(20'000, [&](std::uint64_t seed) {
    world::Random random(seed);
    const auto text = sql::testing::hard_text(random);
    Places expected;
    std::vector<std::pair<std::size_t, std::size_t>> numbers;  // 1.E5 is several tokens for the lexer.
    std::size_t known = 0;                                     // Up to here.
    for (;;) {
      const auto token = tokenizer.next(text, known);
      if (token.empty()) break;
      const auto begin = known - token.size();
      take(expected, begin, token);
      if (base::ascii::is_digit(token.front()) || token.front() == '.') numbers.emplace_back(begin, known);
    }
    Places found;
    Lexer lexer(text, kLexis);
    std::size_t unended = text.size();
    try {
      while (const auto token = lexer.next()) {
        if (token->begin < known) take(found, token->begin, token->text);
        parameters += token->kind == TokenKind::placeholder && token->text.find('(') != std::string_view::npos ? 1 : 0;
      }
    } catch (const Error&) {
      unended = lexer.unended_at();
    }
    std::erase_if(found, [&](const auto& place) {
      return std::ranges::any_of(numbers,
                                 [&](const auto& n) { return n.first < place.first && place.first < n.second; });
    });
    std::erase_if(expected, [&](const auto& place) { return place.first >= unended; });
    if (text.find("x'''") != std::string::npos) return;  // Two strings for SQLite, one for the lexer.
    ASSERT_EQ(found, expected) << text;
    compared += expected.size();
  });
  EXPECT_GT(compared, 10'000U);
  EXPECT_GT(parameters, 10U);
}

TEST(SqliteLexis, IsTheOneThatIsTested) { EXPECT_EQ(kLexis, sql::testing::kSqlite); }

}  // namespace
}  // namespace tidelock::sql::sqlite

// DuckDB's own parser beside the lexer: what both can read they must divide into as many statements.
#include <gtest/gtest.h>

#include <cstddef>
#include <iterator>
#include <string>

#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/driver.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/testing/hard_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

std::size_t statements(const std::string& text) {
  std::size_t count = 0;
  bool begun = false;
  Lexer lexer(text, sql::testing::kDuckdb);
  while (const auto token = lexer.next()) {
    if (!token->is(';') && !begun) ++count;
    begun = !token->is(';');
  }
  return count;
}

// Mostly select statements of one value, so that many are understood.
std::string text_of_statements(world::Random& random) {
  static constexpr const char* kValues[] = {
      "1",      "'a;'",    "'a''b'",          "$$;'$$", "$a$;$$;$a$",  "E'\\';'", "e';\\\\'", "E'a'\n'\\';'", "'\\'",
      "1$$'$$", "1E'\\''", "E'a'--;\n'\\';'", "\"a;\"", "'a' \n 'b;'", "#1",      "[1]",      "x'00'"};
  static constexpr const char* kBlanks[] = {" ",           "\n",       "\t",           "--;'\n",       "--;\r", "/*;*/",
                                            "/*/*;*/;'*/", "\xc2\xa0", "\xe2\x80\x83", "\xef\xbb\xbf", "/**/"};
  std::string text;
  const auto blank = [&] { text += kBlanks[random.below(std::size(kBlanks))]; };
  const auto count = 1 + random.below(3);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (random.below(4) == 0) blank();
    text += "select";
    blank();
    text += kValues[random.below(std::size(kValues))];
    if (random.below(3) == 0) blank();
    if (random.below(8) == 0) text += sql::testing::hard_text(random, 3);
    if (i + 1 < count || random.below(2) == 0) text += ';';
    if (random.below(8) == 0) text += ";";
  }
  return text;
}

TEST(DuckDbLexis, DividesTextIntoStatementsAsDuckDbDoes) {
  const Api& duckdb = api();
  duckdb_database database = nullptr;
  duckdb_connection connection = nullptr;
  ASSERT_EQ(duckdb.open_ext(nullptr, &database, nullptr, nullptr), DuckDBSuccess);
  ASSERT_EQ(duckdb.connect(database, &connection), DuckDBSuccess);
  std::size_t compared = 0;
  world::for_seeds(3'000, [&](std::uint64_t seed) {
    world::Random random(seed);
    const auto text = text_of_statements(random);
    duckdb_extracted_statements extracted = nullptr;
    const auto count = duckdb.extract_statements(connection, text.c_str(), &extracted);
    const auto* const problem = duckdb.extract_statements_error(extracted);
    const bool understood = count != 0 || problem == nullptr;
    duckdb.destroy_extracted(&extracted);
    if (!understood) return;
    ++compared;
    ASSERT_EQ(statements(text), count) << text;
  });
  EXPECT_GT(compared, 1'000U);
  duckdb.disconnect(&connection);
  duckdb.close(&database);
}

TEST(DuckDbLexis, IsTheOneThatIsTested) {
  const auto lexis = make_dialect("1.5.0").lexis;
  EXPECT_EQ(lexis, sql::testing::kDuckdb);
}

}  // namespace
}  // namespace tidelock::sql::duckdb

// MariaDB itself beside the lexer: of a text of several statements it runs as many as the lexer finds.
#include <gtest/gtest.h>
#include <mysql.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/testing/hard_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

class MariadbReading : public testing::MariadbTest {
 protected:
  void SetUp() override {
    MariadbTest::SetUp();
    if (IsSkipped()) return;
    mysql_.reset(mysql_init(nullptr));
    const auto& host = url_.hosts.front();
    ASSERT_NE(mysql_real_connect(mysql_.get(), host.name.c_str(), url_.user.c_str(), "", nullptr, host.port.value(),
                                 nullptr, CLIENT_MULTI_STATEMENTS),
              nullptr)
        << mysql_error(mysql_.get());
    ASSERT_EQ(run("set names utf8mb4"), 1U);
  }

  // How many statements the server makes of it; empty when one of them is wrong, or empty.
  std::optional<std::size_t> run(const std::string& text) {
    auto* const mysql = mysql_.get();
    std::size_t count = 0;
    bool right = mysql_real_query(mysql, text.data(), text.size()) == 0;
    while (right) {
      ++count;
      mysql_free_result(mysql_store_result(mysql));
      const int next = mysql_next_result(mysql);
      if (next < 0) return count;
      right = next == 0;
    }
    return std::nullopt;
  }

  struct Close {
    void operator()(MYSQL* mysql) const { mysql_close(mysql); }
  };
  std::unique_ptr<MYSQL, Close> mysql_;
};

std::optional<std::size_t> count_statements(const std::string& text, const Lexis& lexis, std::uint64_t executed) {
  std::size_t count = 0;
  bool begun = false;
  try {
    Lexer lexer(text, lexis, executed);
    while (const auto token = lexer.next()) {
      if (!token->is(';') && !begun) ++count;
      begun = !token->is(';');
    }
  } catch (const Error&) {
    return std::nullopt;
  }
  return count;
}

// Mostly select statements of one value, so that many are understood. Either all of its executable comments are
// executed or none is.
std::string text_of_selects(world::Random& random, bool executed) {
  static constexpr const char* kValues[] = {"1",           "'a;'",         "'a'';'",      "'\\';'",
                                            "'\\\\'",      "\"a;\"",       "\"a\"\";\"",  "\"\\\";\"",
                                            "1 as `;`",    "1 as `\\`",    "1 as `;``;`", "N';'",
                                            "_utf8mb4';'", "x'00'",        "@';'",        "@\";\"",
                                            "@`;`",        "1--1",         "1--';'",      "1--\"'\"",
                                            "'a' 'b;'",    "'a'\n';\\'",   "1.e1",        "0x41",
                                            "b'1'",        "1e1",          "@@version",   "'--'",
                                            "'/*'",        "'*/'",         "1 as a$",     "{d '2000-01-01'}",
                                            "'a\\\n;'",    "_binary'\\';'"};
  static constexpr const char* kBlanks[] = {" ",      "\n",       "\t",        "\f",    "\v",     "\r",       "/**/",
                                            "/*;*/",  "-- ;'\n",  "--\t;\"\n", "--\n",  "#;'\n",  "/*/;'*/",  "/*'*/",
                                            "/*--*/", "-- \r;\n", "--\x01;\n", "/***/", "/*+;*/", "/* /*;'*/"};
  static constexpr const char* kExecuted[] = {"/*!",      "/*!50000 ", "/*M!",      "/*M!100100 ",
                                              "/*!50000", "/*!+",      "/*M!50000-"};
  static constexpr const char* kIgnored[] = {"/*!999999 ", "/*M!999999 ", "/*!50701 ", "/*!99999'", "/*!99999/*;*/;"};
  std::string text;
  const auto one_of = [&](const auto& pieces) {
    text += pieces[random.below(static_cast<std::uint32_t>(std::size(pieces)))];
  };
  const auto comment = [&] {
    if (executed) {
      one_of(kExecuted);
      one_of(kValues);
    } else {
      one_of(kIgnored);
      if (random.below(2) == 0) one_of(kValues);
    }
    if (random.below(4) == 0) text += "/*;'*/";
    text += "*/";
  };
  const auto count = 1 + random.below(3);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (random.below(4) == 0) one_of(kBlanks);
    text += "select";
    one_of(kBlanks);
    if (random.below(4) == 0) comment();
    one_of(kValues);
    if (random.below(3) == 0) one_of(kBlanks);
    if (random.below(4) == 0) comment();
    if (random.below(8) == 0) text += sql::testing::hard_text(random, 3);
    if (i + 1 < count || random.below(2) == 0) text += ';';
  }
  return text;
}

TEST_F(MariadbReading, DividesTextIntoStatementsAsTheServerDoes) {
  auto ansi = sql::testing::kMariadb;
  ansi.backslash_escapes = ansi.double_quoted_strings = false;
  for (const bool native : {true, false}) {
    ASSERT_EQ(run(native ? "set sql_mode = ''" : "set sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"), 1U);
    const auto& lexis = native ? sql::testing::kMariadb : ansi;
    std::size_t compared = 0;
    std::size_t several = 0;
    const auto seeds = world::for_seeds(world::long_seeds(6'000), [&](std::uint64_t seed) {
      world::Random random(seed);
      const bool executed = random.below(2) == 0;
      const auto text = text_of_selects(random, executed);
      const auto theirs = run(text);
      ASSERT_LT(mysql_errno(mysql_.get()), 2000U) << mysql_error(mysql_.get());  // Of the client: it is cut off.
      if (!theirs) return;
      ++compared;
      several += *theirs > 1 ? 1 : 0;
      ASSERT_EQ(count_statements(text, lexis, executed ? ~std::uint64_t{0} : 0), theirs) << text;
    });
    EXPECT_GT(compared, seeds / 4);
    EXPECT_GT(several, seeds / 10);
  }
}

}  // namespace
}  // namespace tidelock::sql::mariadb

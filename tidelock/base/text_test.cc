#include "tidelock/base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidelock::base {
namespace {

using namespace std::string_view_literals;

TEST(Text, AQuotedTextStaysOnOneLineAndCannotSteerATerminal) {
  EXPECT_EQ(base::quoted("plain"), "\"plain\"");
  EXPECT_EQ(base::quoted(""), "\"\"");
  EXPECT_EQ(base::quoted("a \"b\" \\ c"), R"("a \"b\" \\ c")");
  EXPECT_EQ(base::quoted("a\nb\tc\x1b[31m\0"sv), R"("a\nb\tc\x1b[31m\x00")");
  EXPECT_EQ(base::quoted("\xC2\x9B"), R"("\xc2\x9b")");  // A control character of the C1 set.
}

TEST(Text, QuotingKeepsUtf8AndEscapesWhatIsNot) {
  EXPECT_EQ(base::quoted("Zürich €"), "\"Zürich €\"");
  EXPECT_EQ(base::quoted("a\xFF\xC3"), R"("a\xff\xc3")");
}

TEST(Text, ALongQuotedTextIsCutBetweenCharacters) {
  EXPECT_EQ(base::quoted("abcdef", 3), "\"abc…\"");
  EXPECT_EQ(base::quoted("aü", 2), "\"a…\"");
  EXPECT_EQ(base::quoted("abc", 3), "\"abc\"");
}

TEST(Text, ABadByteIsFoundAtEveryOffset) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\xFF';
      EXPECT_EQ(find_invalid_utf8(text), at) << size;
      if (at + 2 > size) continue;
      text.replace(at, 2, "ü");
      EXPECT_FALSE(find_invalid_utf8(text)) << size << " " << at;
    }
  }
}

TEST(Text, Utf8IsCheckedStrictly) {
  for (const auto good : {"", "ascii", "ü€😀", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_FALSE(find_invalid_utf8(good)) << base::quoted(good);
  }
  struct Case {
    std::string_view text;
    std::size_t at;
  };
  for (const auto& [text, at] : std::vector<Case>{{"\x80", 0},
                                                  {"ab\xC0\x80", 2},        // Overlong NUL.
                                                  {"a\xC3", 1},             // Cut short.
                                                  {"\xE0\x80\x80", 0},      // Overlong.
                                                  {"ü\xED\xA0\x80", 2},     // A surrogate.
                                                  {"\xF0\x80\x80\x80", 0},  // Overlong.
                                                  {"\xF4\x90\x80\x80", 0},  // Above U+10FFFF.
                                                  {"\xF8\x88\x80\x80\x80", 0}}) {
    EXPECT_EQ(find_invalid_utf8(text), at) << base::quoted(text);
  }
}

TEST(Text, TheNearestNameForgivesTyposAndCaseButNotAnotherWord) {
  const std::vector<std::string> names{"timeout", "mode", "pool_size"};
  EXPECT_EQ(nearest_name("tiemout", names), "timeout");
  EXPECT_EQ(nearest_name("Mode", names), "mode");
  EXPECT_EQ(nearest_name("poolsize", names), "pool_size");
  EXPECT_EQ(nearest_name("encryption", names), std::nullopt);
  EXPECT_EQ(nearest_name("", names), std::nullopt);
  EXPECT_EQ(nearest_name("x", {}), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(1000, 'a'), names), std::nullopt);
}

TEST(Text, NamesAreListedAsASentenceDoes) {
  EXPECT_EQ(listed({}), "none");
  EXPECT_EQ(listed(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(listed(std::vector<std::string>{"a", "b"}), "a and b");
  EXPECT_EQ(listed(std::vector<std::string>{"a", "b", "c"}), "a, b and c");
}

}  // namespace
}  // namespace tidelock::base

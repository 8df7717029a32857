#include "tidelock/sql/backends/postgres/numeric.h"

#include <gtest/gtest.h>

#include <random>

#include "tidelock/sql/value.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::postgres {
namespace {

std::string there_and_back(const std::string& text) {
  std::string binary;
  append_numeric_binary(binary, text);
  std::string back;
  append_numeric_text(back, binary);
  return back;
}

TEST(PostgresNumeric, PlainNotationComesBackAsItWas) {
  for (const auto* const text :
       {"0", "1", "-1", "10", "9999", "10000", "10001", "100000000", "0.1", "0.0001", "0.00001", "1.50", "-0.5",
        "12345.6789", "123456789012345678901234567890.000000000000000000000000000001", "0.000000000001", "1.0000"}) {
    EXPECT_EQ(there_and_back(text), text);
  }
  EXPECT_EQ(there_and_back("007"), "7");
  EXPECT_EQ(there_and_back("-0.00"), "0.00");
}

TEST(PostgresNumeric, RandomNumbersComeBackEqual) {
  world::for_seeds(200, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string text = random() % 2 == 0 ? "" : "-";
    const auto digits = [&](std::uint64_t count) {
      for (std::uint64_t n = 0; n < count; ++n)
        text += static_cast<char>('0' + (random() % 3 == 0 ? 0 : random() % 10));
    };
    digits(1 + random() % 30);
    if (random() % 2 == 0) {
      text += '.';
      digits(1 + random() % 30);
    }
    EXPECT_TRUE(Decimal(there_and_back(text)) == Decimal(text)) << text;
  });
}

TEST(PostgresNumeric, WhatIsCutShortIsRefused) {
  std::string binary;
  append_numeric_binary(binary, "12345.678");
  std::string out;
  for (std::size_t size = 0; size < binary.size(); ++size) {
    EXPECT_THROW_CODE(append_numeric_text(out, std::string_view(binary).substr(0, size)), Code::internal);
  }
  EXPECT_THROW_CODE(append_numeric_binary(out, std::string(200'000, '1')), Code::too_large);
}

TEST(PostgresNumeric, WhatIsNoNumberHasItsName) {
  using namespace std::string_view_literals;
  std::string out;
  append_numeric_text(out, "\0\0\0\0\xC0\0\0\0"sv);
  out += ' ';
  append_numeric_text(out, "\0\0\0\0\xD0\0\0\0"sv);
  out += ' ';
  append_numeric_text(out, "\0\0\0\0\xF0\0\0\0"sv);
  EXPECT_EQ(out, "NaN Infinity -Infinity");
}

}  // namespace
}  // namespace tidelock::sql::postgres

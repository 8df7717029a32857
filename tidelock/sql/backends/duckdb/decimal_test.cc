#include "tidelock/sql/backends/duckdb/decimal.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace tidelock::sql::duckdb {
namespace {

std::string round_trip(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number) return "none";
  DecimalText out;
  return std::string(format_decimal(number->unscaled, number->scale, out));
}

constexpr std::string_view kNines = "99999999999999999999999999999999999999";  // 38

TEST(DuckDbDecimal, TextGoesInAndComesOut) {
  for (const std::string text :
       {"0", "1", "-1", "0.5", "-0.05", "12.50", "1000000000000000000000", "18446744073709551616",
        "0.00000000000000000001", "340282366920938463463374607431768211"}) {
    EXPECT_EQ(round_trip(text), text);
  }
  EXPECT_EQ(round_trip(kNines), kNines);
  EXPECT_EQ(round_trip("-0." + std::string(kNines)), "-0." + std::string(kNines));
  EXPECT_EQ(round_trip("007"), "7");
  EXPECT_EQ(round_trip("-0"), "0");
}

TEST(DuckDbDecimal, WhatIsNoPlainNumberOrTooLongIsRefused) {
  for (const std::string text : {"", "-", ".5", "5.", "1e3", "+1", " 1", "1.2.3", "--1", "1,0", "x"}) {
    EXPECT_EQ(round_trip(text), "none") << text;
  }
  EXPECT_EQ(round_trip(std::string(kNines) + "0"), "none");
  EXPECT_EQ(round_trip("0.0" + std::string(kNines)), "none");
  EXPECT_EQ(round_trip("000" + std::string(kNines)), kNines);
}

TEST(DuckDbDecimal, WidthAndScaleAreThoseOfTheText) {
  const auto number = parse_decimal("-012.50");
  ASSERT_TRUE(number);
  EXPECT_EQ(number->width, 4U);
  EXPECT_EQ(number->scale, 2U);
  EXPECT_EQ(parse_decimal("0.05")->width, 2U);
  EXPECT_EQ(parse_decimal("0")->width, 1U);
}

TEST(DuckDbDecimal, RescalingNeverRoundsAndNeverOverflows) {
  const auto number = *parse_decimal("12.50");
  EXPECT_EQ(rescale(number, 10, 2), 1250);
  EXPECT_EQ(rescale(number, 10, 1), 125);
  EXPECT_EQ(rescale(number, 10, 4), 125000);
  EXPECT_EQ(rescale(number, 10, 0), std::nullopt);
  EXPECT_EQ(rescale(number, 3, 2), std::nullopt);
  EXPECT_EQ(rescale(number, 4, 2), 1250);
  EXPECT_EQ(rescale(*parse_decimal(kNines), 38, 1), std::nullopt);
  EXPECT_NE(rescale(*parse_decimal(kNines), 38, 0), std::nullopt);
}

TEST(DuckDbDecimal, IntegersOf128BitsHaveTheirLimits) {
  DecimalText out;
  EXPECT_EQ(format_decimal(to_int128({0, std::numeric_limits<std::int64_t>::min()}), 0, out),
            "-170141183460469231731687303715884105728");
  EXPECT_EQ(format_unsigned(~Uint128{0}, out), "340282366920938463463374607431768211455");
  const auto back = to_hugeint(to_int128({7, -3}));
  EXPECT_EQ(back.lower, 7U);
  EXPECT_EQ(back.upper, -3);
}

}  // namespace
}  // namespace tidelock::sql::duckdb

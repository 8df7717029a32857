#include "examples/market/live/tick.h"

#include <gtest/gtest.h>

#include "tidelock/world/testing.h"

namespace market {
namespace {

using namespace std::chrono_literals;
using tidelock::Code;

TEST(Tick, ARisingDayFallsToItsLowFirstAndAFallingDayRisesToItsHighFirst) {
  const DayBar rising{.open = 10, .high = 14, .low = 8, .close = 12};
  EXPECT_EQ(price_at(rising, 0, 61), 10);
  EXPECT_EQ(price_at(rising, 15, 61), 8);
  EXPECT_EQ(price_at(rising, 30, 61), 11);
  EXPECT_EQ(price_at(rising, 45, 61), 14);
  EXPECT_EQ(price_at(rising, 60, 61), 12);
  const DayBar falling{.open = 12, .high = 14, .low = 8, .close = 10};
  EXPECT_EQ(price_at(falling, 15, 61), 14);
  EXPECT_EQ(price_at(falling, 45, 61), 8);
  EXPECT_EQ(price_at(falling, 60, 61), 10);
}

TEST(Tick, NoPriceLeavesTheBar) {
  for (const DayBar& bar : {DayBar{10.13, 14.71, 8.09, 12.35}, DayBar{5, 5, 5, 5}, DayBar{9, 9, 7.77, 7.77}}) {
    for (const int of : {2, 3, 7, 60}) {
      for (int number = 0; number < of; ++number) {
        EXPECT_GE(price_at(bar, number, of), bar.low);
        EXPECT_LE(price_at(bar, number, of), bar.high);
      }
      EXPECT_EQ(price_at(bar, 0, of), bar.open);
      EXPECT_EQ(price_at(bar, of - 1, of), bar.close);
    }
  }
}

TEST(Tick, ComesBackFromItsTextAsItWas) {
  const Tick tick{.symbol = "AAPL", .day = 2018y / 1 / 3, .number = 7, .of = 60, .price = 172.5301};
  const auto back = parse_tick(to_json(tick));
  EXPECT_EQ(back.symbol, tick.symbol);
  EXPECT_EQ(back.day, tick.day);
  EXPECT_EQ(back.number, tick.number);
  EXPECT_EQ(back.of, tick.of);
  EXPECT_EQ(back.price, tick.price);
}

TEST(Tick, WhatIsNoTickOrNoDateIsRefused) {
  EXPECT_THROW_CODE(parse_tick("{}"), Code::corrupt);
  EXPECT_THROW_CODE(parse_tick("172.53"), Code::corrupt);
  EXPECT_THROW_CODE(parse_tick(R"({"symbol":"A","day":"2018-02-30","tick":0,"of":2,"price":1})"), Code::corrupt);
  for (const auto* text : {"", "2018-1-3", "2018-13-01", "2018-02-30", "2018-01-03x", "3 January"}) {
    EXPECT_THROW_CODE(parse_date(text), Code::invalid_argument);
  }
}

}  // namespace
}  // namespace market

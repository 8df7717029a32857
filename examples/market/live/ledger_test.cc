#include "examples/market/live/ledger.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tidelock/world/testing.h"

namespace market {
namespace {

using namespace std::chrono_literals;
using tidelock::Code;

const Date kFirst = 2018y / 1 / 3;
const Date kSecond = 2018y / 1 / 4;

class LedgerTest : public testing::Test {
 protected:
  void take(const std::string& symbol, Date day, std::initializer_list<int> numbers) {
    for (const int number : numbers) ledger_.take({.symbol = symbol, .day = day, .number = number, .of = 3});
  }

  Ledger ledger_;
};

TEST_F(LedgerTest, FindsNothingWrongWithDaysThatFollowEachOther) {
  take("A", kFirst, {0, 1, 2});
  take("B", kFirst, {0, 1, 2});
  take("A", kSecond, {0, 1});
  EXPECT_EQ(ledger_.received(), 8U);
  EXPECT_EQ(ledger_.duplicates(), 0U);
  EXPECT_EQ(ledger_.out_of_order(), 0U);
  EXPECT_EQ(ledger_.missing(), 0U);
  EXPECT_EQ(ledger_.unfinished(), 1U);
}

TEST_F(LedgerTest, CountsWhatComesAgainApart) {
  take("A", kFirst, {0, 1, 2, 1, 2});
  take("A", kSecond, {0, 0});
  EXPECT_EQ(ledger_.received(), 4U);
  EXPECT_EQ(ledger_.duplicates(), 3U);
  EXPECT_EQ(ledger_.out_of_order(), 0U);
}

TEST_F(LedgerTest, SeesGapsAndWhenTheyAreFilledLate) {
  take("A", kFirst, {0, 2});
  EXPECT_EQ(ledger_.missing(), 1U);
  EXPECT_EQ(ledger_.out_of_order(), 1U);
  take("A", kFirst, {1});
  EXPECT_EQ(ledger_.missing(), 0U);
  EXPECT_EQ(ledger_.out_of_order(), 2U);
  EXPECT_EQ(ledger_.received(), 3U);
  EXPECT_EQ(ledger_.duplicates(), 0U);
}

TEST_F(LedgerTest, SeesTheEndOfADayAndTheBeginningOfTheNextMissing) {
  take("A", kFirst, {0});
  take("A", kSecond, {1});
  EXPECT_EQ(ledger_.missing(), 3U);
  take("B", kFirst, {1});
  EXPECT_EQ(ledger_.missing(), 4U);
  EXPECT_EQ(ledger_.out_of_order(), 2U);
}

TEST_F(LedgerTest, GoesOnFromWhatItWrote) {
  take("A", kFirst, {0, 2, 2});
  ledger_ = Ledger(nlohmann::json::parse(ledger_.to_json().dump()));
  take("A", kFirst, {2, 1});
  take("A", kSecond, {0});
  EXPECT_EQ(ledger_.received(), 4U);
  EXPECT_EQ(ledger_.duplicates(), 2U);
  EXPECT_EQ(ledger_.missing(), 0U);
  EXPECT_THROW_CODE(Ledger{nlohmann::json::object()}, Code::corrupt);
}

}  // namespace
}  // namespace market

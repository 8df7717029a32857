#include "tidelock/cli/lock_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr base::WallTime kViewedAt{std::chrono::sys_days(std::chrono::year(2024) / 11 / 22) + 15h + 8min + 3s};

lock::ClaimState claim(std::int64_t pid, base::Duration age) {
  lock::ClaimState state;
  state.owner = "01890a5d-ac96-774b-bcce-b302099a8057/" + std::to_string(pid);
  state.host = "mill";
  state.pid = pid;
  state.since = kViewedAt - std::chrono::duration_cast<std::chrono::microseconds>(age);
  state.expires_in = 12'345ms;
  return state;
}

lock::KeyState held() {
  lock::KeyState state;
  state.key = "nightly";
  state.holders = {claim(41, 3min)};
  state.holders[0].token = lock::FencingToken{1'732'287'903'000'000};
  state.waiters = {claim(42, 2min), claim(43, 1min)};
  return state;
}

const ViewContext kContext{"sqlite:.tidelock/state.db", kViewedAt};

TEST(LockView, TheTableHasALineForEachHolder) {
  EXPECT_EQ(lock_table({held()}, kContext),
            "NAME     HOLDER   SINCE                          EXPIRES IN  TOKEN             WAITING\n"
            "nightly  mill:41  2024-11-22T15:05:03Z (3m ago)  12s         1732287903000000  2\n");
}

TEST(LockView, AnEmptyTableSaysSo) {
  EXPECT_EQ(lock_table({}, kContext), "no locks are held or waited for in sqlite:.tidelock/state.db\n");
}

TEST(LockView, TheDetailsListWaitersInTheirOrder) {
  const auto text = lock_details(held(), kContext);
  EXPECT_THAT(text, HasSubstr("held by mill:41\n"));
  EXPECT_THAT(text, HasSubstr("  token       1732287903000000\n"));
  EXPECT_LT(text.find("1. waiting: mill:42"), text.find("2. waiting: mill:43"));
}

TEST(LockView, AFreeLockIsCalledFree) {
  EXPECT_EQ(lock_details({.key = "a", .holders = {}, .waiters = {}}, kContext),
            "a is free in sqlite:.tidelock/state.db\n");
}

TEST(LockView, JsonHasTheDocumentedFields) {
  const auto json = nlohmann::json::parse(locks_json({held()}, kContext));
  EXPECT_EQ(json.at("state"), "sqlite:.tidelock/state.db");
  const auto& lock = json.at("locks").at(0);
  EXPECT_EQ(lock.at("name"), "nightly");
  EXPECT_EQ(lock.at("permits"), 1);
  const auto& holder = lock.at("holders").at(0);
  EXPECT_EQ(holder.at("host"), "mill");
  EXPECT_EQ(holder.at("pid"), 41);
  EXPECT_EQ(holder.at("owner"), "01890a5d-ac96-774b-bcce-b302099a8057/41");
  EXPECT_EQ(holder.at("since"), "2024-11-22T15:05:03Z");
  EXPECT_EQ(holder.at("expires_in_ms"), 12'345);
  EXPECT_EQ(holder.at("token"), 1'732'287'903'000'000);
  EXPECT_TRUE(holder.contains("claim"));
  EXPECT_EQ(lock.at("waiters").size(), 2U);
  EXPECT_EQ(lock.at("waiters").at(0).at("pid"), 42);
  EXPECT_FALSE(lock.at("waiters").at(0).contains("token"));
}

TEST(LockView, JsonOfAFreeLockHasNoHolders) {
  const auto json = nlohmann::json::parse(lock_json({.key = "a", .holders = {}, .waiters = {}}, kContext));
  EXPECT_EQ(json.at("name"), "a");
  EXPECT_TRUE(json.at("holders").empty());
  EXPECT_TRUE(json.at("permits").is_null());
}

TEST(LockView, AHolderWithoutATokenIsShownSo) {
  auto state = held();
  state.holders[0].token.reset();
  EXPECT_THAT(lock_details(state, kContext), HasSubstr("token       none"));
  EXPECT_TRUE(nlohmann::json::parse(lock_json(state, kContext)).at("holders").at(0).at("token").is_null());
}

TEST(LockView, AnExpiredLeaseSaysForHowLong) {
  auto state = held();
  state.holders[0].expires_in = -2s;
  EXPECT_THAT(lock_table({state}, kContext), HasSubstr("2s ago"));
}

TEST(LockView, ANameCannotWriteToTheTerminal) {
  auto state = held();
  state.key = "a\x1b[2Jb";
  state.holders[0].host = "x\ny";
  EXPECT_THAT(lock_table({state}, kContext), Not(HasSubstr("\x1b")));
  EXPECT_THAT(lock_table({state}, kContext), HasSubstr("\"a\\x1b[2Jb\""));
  EXPECT_THAT(lock_details(state, kContext), HasSubstr("\"x\\ny\":41"));
}

TEST(LockView, RoughTimesHaveAtMostTwoUnits) {
  EXPECT_EQ(rough(0ns), "0s");
  EXPECT_EQ(rough(1'999us), "1ms");
  EXPECT_EQ(rough(61'500ms), "1m1s");
  EXPECT_EQ(rough(90min + 5s), "1h30m");
  EXPECT_EQ(rough(49h + 5min), "2d1h");
  EXPECT_EQ(rough(-1s), "0s");
}

}  // namespace
}  // namespace tidelock::cli

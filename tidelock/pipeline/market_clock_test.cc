#include "tidelock/pipeline/market_clock.h"

#include <gtest/gtest.h>

#include "tidelock/base/log.h"
#include "tidelock/world/testing.h"

namespace tidelock::pipeline {
namespace {

using namespace std::chrono_literals;

std::string utc(base::WallTime moment) { return base::format_wall_time(moment).substr(0, 16); }

TEST(Replay, GoesFromMidnightToTheMidnightAfterTheLastDay) {
  const auto replay = Replay::parse("2018-01-03..2018-02-08", 2s, "America/New_York");
  EXPECT_EQ(utc(replay.begin), "2018-01-03T05:00");
  EXPECT_EQ(utc(replay.end), "2018-02-09T05:00");
  EXPECT_EQ(replay.first, "2018-01-03");
  EXPECT_EQ(replay.last, "2018-02-08");
}

TEST(Replay, KnowsDaysOf23And25Hours) {
  const auto spring = Replay::parse("2018-03-11..2018-03-11", 2s, "America/New_York");
  EXPECT_EQ(spring.end - spring.begin, 23h);
  const auto autumn = Replay::parse("2018-11-04..2018-11-04", 2s, "America/New_York");
  EXPECT_EQ(autumn.end - autumn.begin, 25h);
}

TEST(Replay, RefusesWhatAreNoDays) {
  for (const auto* days :
       {"", "2018-01-03", "2018-01-03..", "..2018-01-03", "2018-01-04..2018-01-03", "2018-02-30..2018-03-01",
        "2018-1-3..2018-1-4", "2018-01-03...2018-01-04", "2018-01-03..2018-01-04 "}) {
    EXPECT_THROW_CODE(Replay::parse(days, 2s, "UTC"), Code::invalid_argument) << days;
  }
  EXPECT_THROW_CODE(Replay::parse("2018-01-03..2018-01-04", 2s, "Mars/Base"), Code::invalid_argument);
}

TEST(MarketTime, IsShownAsClocksInTheZoneShowIt) {
  const auto moment = midnight("2018-07-01", "America/New_York") + 90min;
  EXPECT_EQ(local_time(moment, "America/New_York"), "2018-07-01 01:30");
  EXPECT_EQ(local_time(moment, "UTC"), "2018-07-01 05:30");
  EXPECT_EQ(local_date(moment, "Asia/Seoul"), "2018-07-01");
}

WORLD_TEST(MarketClock, ADayTakesAsLongAsItIsTold) {
  const auto begin = midnight("2018-01-03", "UTC");
  MarketClock clock(runtime, begin, 2s);
  clock.go(begin);
  runtime.sleep_for(500ms);
  EXPECT_EQ(clock.now(), begin + 6h);
  EXPECT_EQ(clock.when(begin + 24h), runtime.now() + 1500ms);
  EXPECT_LE(clock.when(begin), runtime.now());
}

WORLD_TEST(MarketClock, StandsUntilItIsLetGo) {
  const auto begin = midnight("2018-01-03", "UTC");
  MarketClock clock(runtime, begin, 2s);
  runtime.sleep_for(1h);
  EXPECT_EQ(clock.now(), begin);
  EXPECT_EQ(clock.when(begin + 1h), base::Instant::max());
  clock.go(begin + 2h);
  EXPECT_EQ(clock.now(), begin + 2h);
  runtime.sleep_for(1s);
  clock.stand(begin + 14h);
  runtime.sleep_for(1h);
  EXPECT_EQ(clock.now(), begin + 14h);
}

WORLD_TEST(MarketClock, WithoutAReplayItIsTheRealTime) {
  const MarketClock clock(runtime);
  EXPECT_FALSE(clock.is_replay());
  EXPECT_EQ(clock.now(), runtime.wall_now());
  EXPECT_EQ(clock.when(runtime.wall_now() + 5s), runtime.now() + 5s);
}

}  // namespace
}  // namespace tidelock::pipeline

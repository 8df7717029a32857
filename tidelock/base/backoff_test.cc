#include "tidelock/base/backoff.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kLow = 0;
constexpr std::uint64_t kHigh = std::numeric_limits<std::uint64_t>::max();

std::vector<Duration> waits(BackoffOptions options, std::uint64_t random, int count) {
  Backoff backoff(options);
  std::vector<Duration> all;
  for (int i = 0; i < count; ++i) all.push_back(backoff.next(random));
  return all;
}

TEST(Backoff, GrowsByTheFactorUpToTheCap) {
  EXPECT_EQ(waits({100ms, 2, 1s, Jitter::none}, kHigh, 6), (std::vector<Duration>{100ms, 200ms, 400ms, 800ms, 1s, 1s}));
  EXPECT_EQ(waits({100ms, 1.5, 1s, Jitter::none}, kHigh, 3), (std::vector<Duration>{100ms, 150ms, 225ms}));
}

TEST(Backoff, FixedIsTheSameEachTime) {
  EXPECT_EQ(waits(BackoffOptions::fixed(250ms), kLow, 3), (std::vector<Duration>{250ms, 250ms, 250ms}));
  EXPECT_EQ(waits(BackoffOptions::fixed(0s), kLow, 2), (std::vector<Duration>{0s, 0s}));
}

TEST(Backoff, FullJitterReachesFromNothingToTheWholeValue) {
  EXPECT_EQ(waits({100ms, 2, 1s, Jitter::full}, kLow, 3), (std::vector<Duration>{0s, 0s, 0s}));
  const auto most = waits({100ms, 2, 1s, Jitter::full}, kHigh, 3);
  EXPECT_GT(most[2], 399ms);
  EXPECT_LE(most[2], 400ms);
}

TEST(Backoff, EqualJitterKeepsHalf) {
  EXPECT_EQ(waits({100ms, 2, 1s, Jitter::equal}, kLow, 3), (std::vector<Duration>{50ms, 100ms, 200ms}));
  const auto most = waits({100ms, 2, 1s, Jitter::equal}, kHigh, 3);
  EXPECT_GT(most[2], 399ms);
  EXPECT_LE(most[2], 400ms);
}

TEST(Backoff, DecorrelatedJitterGoesFromTheBaseToThreeTimesTheLast) {
  EXPECT_EQ(waits({100ms, 2, 1s, Jitter::decorrelated}, kLow, 3), (std::vector<Duration>{100ms, 100ms, 100ms}));
  const auto most = waits({100ms, 2, 1s, Jitter::decorrelated}, kHigh, 4);
  EXPECT_GT(most[0], 299ms);
  EXPECT_LE(most[0], 300ms);
  EXPECT_GT(most[1], 890ms);
  EXPECT_GT(most[3], 990ms);
  EXPECT_LE(most[3], 1s);
}

TEST(Backoff, BeginsAnewAfterAReset) {
  for (const auto jitter : {Jitter::none, Jitter::decorrelated}) {
    Backoff backoff({100ms, 2, 1s, jitter});
    const auto first = backoff.next(kHigh);
    EXPECT_GT(backoff.next(kHigh), first);
    backoff.reset();
    EXPECT_EQ(backoff.next(kHigh), first);
  }
}

TEST(Backoff, NeverLeavesItsBoundsHoweverLongItGoesOn) {
  constexpr std::uint64_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (const auto jitter : {Jitter::none, Jitter::full, Jitter::equal, Jitter::decorrelated}) {
    for (const auto cap : {Duration(100ms), Duration(1s), Duration::max()}) {
      Backoff backoff({100ms, 1e6, cap, jitter});
      for (int i = 0; i < 1000; ++i) {
        const auto wait = backoff.next(random());
        EXPECT_GE(wait, jitter == Jitter::full ? 0ms : jitter == Jitter::equal ? 50ms : 100ms);
        EXPECT_LE(wait, cap);
      }
    }
  }
}

TEST(Backoff, RefusesBoundsThatAreNone) {
  for (const auto& options : std::vector<BackoffOptions>{{-1ms, 2, 1s, Jitter::none},
                                                         {2s, 2, 1s, Jitter::none},
                                                         {1ms, 0.5, 1s, Jitter::none},
                                                         {1ms, std::nan(""), 1s, Jitter::none},
                                                         {1ms, INFINITY, 1s, Jitter::none}}) {
    EXPECT_THROW_CODE(Backoff{options}, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace tidelock::base

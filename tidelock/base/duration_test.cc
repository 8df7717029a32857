#include "tidelock/base/duration.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using testing::error_text;

TEST(DurationText, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("15s"), 15s);
  EXPECT_EQ(parse_duration("2d"), 48h);
  EXPECT_EQ(parse_duration("7us3ns"), 7003ns);
  EXPECT_EQ(parse_duration("0s"), 0s);
  EXPECT_EQ(parse_duration("007s"), 7s);
  EXPECT_EQ(parse_duration("90m"), 90min);  // More than fits the next unit is fine.
}

TEST(DurationText, TheLastNumberMayHaveAFraction) {
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("1m0.25s"), 60250ms);
  EXPECT_EQ(parse_duration("0.000000001s"), 1ns);
  EXPECT_EQ(parse_duration("0.5d"), 12h);
  EXPECT_EQ(parse_duration("1.50000000000000000000s"), 1500ms);
}

TEST(DurationText, RefusesWhatIsMalformedAndSaysWhy) {
  struct Case {
    std::string text, why;
  };
  for (const auto& [text, why] : std::vector<Case>{
           {"", "it is empty"},
           {"15", "the unit of \"15\" is missing"},
           {"0", "the unit of \"0\" is missing"},
           {"-5s", "it has a sign"},
           {"+5s", "it has a sign"},
           {"s", "\"s\" stands where a number should"},
           {"1h m", "\"h m\" is no unit"},
           {"5 s", "\" s\" is no unit"},
           {"5S", "\"S\" is no unit"},
           {"5min", "\"min\" is no unit"},
           {"5s\n", "\"s\\n\" is no unit"},
           {"30m1h", "units go from large to small, each once"},
           {"1s1s", "units go from large to small, each once"},
           {"1.5h30m", "only the last number may have a fraction"},
           {"1.s", "digits are missing after the point"},
           {"1.5", "the unit of \"1\" is missing"},
           {".5s", "\".5s\" stands where a number should"},
           {"1.5.5s", "\".\" is no unit"},
           {"0.5ns", "finer than a nanosecond"},
           {"0.0000000001s", "finer than a nanosecond"},
           {"1e3s", "\"e\" is no unit"},
       }) {
    EXPECT_THROW_CODE(parse_duration(text), Code::invalid_argument) << text;
    const auto message = error_text([&] { parse_duration(text); });
    EXPECT_NE(message.find(why), std::string::npos) << message;
    EXPECT_NE(message.find("for example 250ms"), std::string::npos) << message;
  }
}

TEST(DurationText, RefusesWhatDoesNotFit) {
  EXPECT_EQ(parse_duration("9223372036854775807ns"), Duration::max());
  EXPECT_EQ(parse_duration("106751d23h47m16.854775807s"), Duration::max());
  for (const auto text :
       {"9223372036854775808ns", "106752d", "99999999999999999999999s", "106751d23h47m16.854775808s"}) {
    EXPECT_NE(error_text([&] { parse_duration(text); }).find("longer than 292 years"), std::string::npos) << text;
  }
}

TEST(DurationText, IsWrittenInItsShortestForm) {
  EXPECT_EQ(format_duration(90min), "1h30m");
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(1500ms), "1s500ms");
  EXPECT_EQ(format_duration(49h + 1ns), "2d1h1ns");
  EXPECT_EQ(format_duration(-5s), "-5s");
  EXPECT_EQ(format_duration(Duration::min()), "-106751d23h47m16s854ms775us808ns");
}

TEST(DurationText, WhatIsWrittenReadsBack) {
  constexpr std::uint64_t kSeed = 20260101;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 10'000; ++i) {
    const Duration duration(static_cast<std::int64_t>(random() >> (1 + random() % 63)));
    EXPECT_EQ(parse_duration(format_duration(duration)), duration);
  }
  EXPECT_EQ(parse_duration(format_duration(Duration::max())), Duration::max());
}

}  // namespace
}  // namespace tidelock::base

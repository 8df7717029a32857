#include "tidelock/sql/spy/date_pattern.h"

#include <gtest/gtest.h>

#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

using namespace std::chrono_literals;

// Thursday, 2024-02-29, 15:04:05.006007 UTC.
constexpr base::WallTime kMoment =
    std::chrono::sys_days(std::chrono::year(2024) / 2 / 29) + 15h + 4min + 5s + 6ms + 7us;

std::string shown(std::string_view pattern, std::string_view zone = "UTC", base::WallTime moment = kMoment) {
  std::string out;
  DatePattern(pattern, zone).append(out, moment);
  return out;
}

// What OpenJDK 17 writes for the same moment, in its English locale.
TEST(SpyDatePattern, WritesWhatJavaWrites) {
  EXPECT_EQ(shown("yyyy-MM-dd'T'HH:mm:ss.SSSZ"), "2024-02-29T15:04:05.006+0000");
  EXPECT_EQ(shown("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "America/New_York"), "2024-02-29T10:04:05.006-0500");
  EXPECT_EQ(shown("dd-MMM-yy"), "29-Feb-24");
  EXPECT_EQ(shown("EEEE, d MMMM yyyy h:mm a"), "Thursday, 29 February 2024 3:04 PM");
  EXPECT_EQ(shown("EEE D u F"), "Thu 60 4 5");
  EXPECT_EQ(shown("HH kk KK hh", "UTC", kMoment - 15h), "00 24 00 12");
  EXPECT_EQ(shown("X XX XXX Z z", "Asia/Kolkata"), "+05 +0530 +05:30 +0530 IST");
  EXPECT_EQ(shown("X XX XXX"), "Z Z Z");
  EXPECT_EQ(shown("S SS SSS"), "6 06 006");
  EXPECT_EQ(shown("yy yyy yyyyy MMMMM"), "24 2024 02024 February");
  EXPECT_EQ(shown("'o''clock' ''"), "o'clock '");
  EXPECT_EQ(shown("[hh|mm];ss"), "[03|04];05");
}

TEST(SpyDatePattern, GivesTheFractionFromFourDigitsOn) {
  EXPECT_EQ(shown("SSSSSS"), "006007");
  EXPECT_EQ(shown("SSSS"), "0060");
  EXPECT_EQ(shown("SSSSSSSSS"), "006007000");
}

TEST(SpyDatePattern, KnowsYearsBeforeTheFirst) {
  const base::WallTime old = std::chrono::sys_days(std::chrono::year(0) / 3 / 1);
  EXPECT_EQ(shown("yyyy G", "UTC", old), "0001 BC");
  const base::WallTime before_1970 = std::chrono::sys_days(std::chrono::year(1969) / 12 / 31) + 23h + 59min + 59s + 1us;
  EXPECT_EQ(shown("yyyy-MM-dd HH:mm:ss.SSSSSS", "UTC", before_1970), "1969-12-31 23:59:59.000001");
}

TEST(SpyDatePattern, FollowsTheZoneThroughItsChanges) {
  const DatePattern pattern("HH:mm Z", "Europe/Berlin");
  std::string out;
  const base::WallTime change = std::chrono::sys_days(std::chrono::year(2024) / 3 / 31) + 1h;
  pattern.append(out, change - 1us);
  out += ' ';
  pattern.append(out, change);
  out += ' ';
  pattern.append(out, change - 1us);
  EXPECT_EQ(out, "01:59 +0100 03:00 +0200 01:59 +0100");
}

TEST(SpyDatePattern, RefusesWhatItCannotWrite) {
  EXPECT_THROW_CODE(DatePattern("yyyy-ww"), Code::invalid_argument);
  EXPECT_THROW_CODE(DatePattern("YYYY"), Code::invalid_argument);
  EXPECT_THROW_CODE(DatePattern("yyyyTHH"), Code::invalid_argument);
  EXPECT_THROW_CODE(DatePattern("'T"), Code::invalid_argument);
  EXPECT_THROW_CODE(DatePattern("yyyyyyyyyyyy"), Code::invalid_argument);
  EXPECT_THROW_CODE(DatePattern("yyyy", "Europe/Berlim"), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::sql::spy

#include "tidelock/batch/schedule.h"

#include <date/date.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "tidelock/base/error.h"

namespace tidelock::batch {
namespace {

base::WallTime utc(const std::string& text) {
  std::istringstream in(text);
  date::sys_time<std::chrono::microseconds> moment;
  in >> date::parse("%F %T", moment);
  EXPECT_FALSE(in.fail()) << text;
  return base::WallTime(moment.time_since_epoch());
}

std::string text(base::WallTime moment) {
  return date::format("%F %R", date::sys_time<std::chrono::minutes>(
                                   std::chrono::floor<std::chrono::minutes>(moment.time_since_epoch())));
}

// The next `count` times after `from`, in UTC.
std::vector<std::string> next_times(const Schedule& schedule, const std::string& from, int count) {
  std::vector<std::string> result;
  auto moment = utc(from);
  for (int i = 0; i < count; ++i) {
    moment = *schedule.next(moment);
    result.push_back(text(moment));
  }
  return result;
}

using Times = std::vector<std::string>;

TEST(Schedule, DailyAtMidnightComesOnceADay) {
  EXPECT_EQ(next_times(Schedule::cron("@daily"), "2018-02-27 12:00:00", 3),
            (Times{"2018-02-28 00:00", "2018-03-01 00:00", "2018-03-02 00:00"}));
}

TEST(Schedule, ListsRangesStepsAndNamesAreUnderstood) {
  EXPECT_EQ(
      next_times(Schedule::cron("*/20 9-10 * jan,FEB mon-fri"), "2024-02-29 09:50:00", 5),
      (Times{"2024-02-29 10:00", "2024-02-29 10:20", "2024-02-29 10:40", "2025-01-01 09:00", "2025-01-01 09:20"}));
}

TEST(Schedule, SundayIsZeroAndSeven) {
  EXPECT_EQ(next_times(Schedule::cron("0 6 * * 7"), "2024-03-01 00:00:00", 2),
            (Times{"2024-03-03 06:00", "2024-03-10 06:00"}));
  EXPECT_EQ(next_times(Schedule::cron("0 6 * * 0"), "2024-03-01 00:00:00", 2),
            (Times{"2024-03-03 06:00", "2024-03-10 06:00"}));
}

TEST(Schedule, WithBothDayFieldsEitherOneCounts) {
  EXPECT_EQ(next_times(Schedule::cron("0 0 13 * fri"), "2024-09-01 00:00:00", 4),
            (Times{"2024-09-06 00:00", "2024-09-13 00:00", "2024-09-20 00:00", "2024-09-27 00:00"}));
  EXPECT_EQ(next_times(Schedule::cron("0 0 13 * ?"), "2024-09-01 00:00:00", 1), (Times{"2024-09-13 00:00"}));
}

TEST(Schedule, TheTwentyNinthOfFebruaryWaitsForALeapYear) {
  EXPECT_EQ(next_times(Schedule::cron("0 0 29 2 *"), "2096-03-01 00:00:00", 1), (Times{"2104-02-29 00:00"}));
}

TEST(Schedule, EveryIsCountedFromTheEpochSoThatAllProcessesAgree) {
  const auto schedule = Schedule::every(std::chrono::minutes{5});
  EXPECT_EQ(next_times(schedule, "2024-01-01 00:02:17", 2), (Times{"2024-01-01 00:05", "2024-01-01 00:10"}));
  EXPECT_EQ(next_times(schedule, "2024-01-01 00:05:00", 1), (Times{"2024-01-01 00:10"}));
  EXPECT_EQ(schedule.text(), "every 5m");
}

// New York set its clocks from 02:00 to 03:00 on 10 March 2024 (07:00 UTC), and from 02:00 back to 01:00 on 3 November
// 2024.
TEST(Schedule, AFixedTimeInTheSkippedHourRunsAtOnceWhenTheClockHasMoved) {
  EXPECT_EQ(next_times(Schedule::cron("30 2 * * *", "America/New_York"), "2024-03-09 12:00:00", 2),
            (Times{"2024-03-10 07:00", "2024-03-11 06:30"}));
}

TEST(Schedule, AFixedTimeInTheRepeatedHourRunsOnce) {
  EXPECT_EQ(next_times(Schedule::cron("30 1 * * *", "America/New_York"), "2024-11-02 12:00:00", 2),
            (Times{"2024-11-03 05:30", "2024-11-04 06:30"}));
}

TEST(Schedule, ARepeatingJobFollowsTheElapsedTimeThroughBothChanges) {
  EXPECT_EQ(next_times(Schedule::cron("*/30 * * * *", "America/New_York"), "2024-03-10 06:20:00", 3),
            (Times{"2024-03-10 06:30", "2024-03-10 07:00", "2024-03-10 07:30"}));
  EXPECT_EQ(
      next_times(Schedule::cron("*/30 * * * *", "America/New_York"), "2024-11-03 05:20:00", 5),
      (Times{"2024-11-03 05:30", "2024-11-03 06:00", "2024-11-03 06:30", "2024-11-03 07:00", "2024-11-03 07:30"}));
}

struct Refusal {
  std::string_view cron;
  std::string_view says;
};
class RefusedCron : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedCron, SaysWhichFieldAndWhatWouldBeRight) {
  try {
    Cron::parse(GetParam().cron);
    FAIL() << GetParam().cron << " was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid_argument);
    EXPECT_NE(error.message().find(GetParam().says), std::string::npos) << error.message();
  }
}

INSTANTIATE_TEST_SUITE_P(All, RefusedCron,
                         ::testing::Values(Refusal{"", "0 fields"}, Refusal{"* * * *", "4 fields"},
                                           Refusal{"60 * * * *", "minute \"60\" must be made of 0 to 59"},
                                           Refusal{"* 24 * * *", "hour"}, Refusal{"* * 0 * *", "day of month"},
                                           Refusal{"* * * foo *", "1 to 12 or jan to dec"},
                                           Refusal{"* * * * 8", "day of week"}, Refusal{"5-1 * * * *", "ends before"},
                                           Refusal{"*/0 * * * *", "step"}, Refusal{"1,,2 * * * *", "minute"},
                                           Refusal{"0 0 30 2 *", "never comes"}, Refusal{"@dayly", "@daily"},
                                           Refusal{"? * * * *", "minute"}));

TEST(Schedule, AnUnknownZoneSuggestsTheNearest) {
  try {
    Schedule::cron("@daily", "Europe/Berlln");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("\"Europe/Berlin\""), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace tidelock::batch

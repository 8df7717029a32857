#include "tidelock/batch/scheduler.h"

#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <vector>

namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr base::WallTime kMidnight{sql::Date{std::chrono::year{2024} / 3 / 1}};

TEST(Upcoming, ListsTheNextMomentsOfAllJobs) {
  std::vector<Job> jobs{{.name = "hourly", .schedule = Schedule::cron("@hourly")}};
  jobs.push_back({.name = "daily", .schedule = Schedule::cron("30 2 * * *")});
  jobs.push_back({.name = "by hand", .schedule = std::nullopt});
  std::vector<std::string> names;
  for (const auto& next : upcoming(jobs, kMidnight, 4)) names.push_back(next.job);
  EXPECT_THAT(names, ElementsAre("hourly", "hourly", "daily", "hourly"));
}

}  // namespace
}  // namespace tidelock::batch

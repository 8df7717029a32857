#include "tidelock/batch/scheduler.h"

#include <gmock/gmock.h>

#include <chrono>

#include "tidelock/batch/testing/bench.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr base::WallTime kMidnight{sql::Date{std::chrono::year{2024} / 3 / 1}};

std::vector<Job> hourly(Missed missed) {
  Job job{.name = "hourly", .schedule = Schedule::cron("@hourly")};
  job.missed = missed;
  return {job};
}

std::vector<int> hours(const std::vector<Due>& due) {
  std::vector<int> result;
  for (const auto& run : due) result.push_back(static_cast<int>((run.scheduled - kMidnight) / 1h));
  return result;
}

std::vector<int> hours_with(Bench& bench, RunStatus status) {
  std::vector<int> result;
  for (const auto& run : bench.history().list({.status = status, .limit = 10'000})) {
    result.insert(result.begin(), static_cast<int>((run.scheduled - kMidnight) / 1h));
  }
  return result;
}

WORLD_TEST(Scheduler, QueuesEachMomentOnce) {
  Bench bench(runtime, files);
  const auto jobs = hourly(Missed::none);
  Scheduler scheduler(jobs, bench.state());
  EXPECT_THAT(scheduler.decide(kMidnight + 30min), IsEmpty());
  EXPECT_EQ(scheduler.next(kMidnight + 30min), kMidnight + 1h);
  EXPECT_THAT(scheduler.decide(kMidnight + 1h - 1us), IsEmpty());
  EXPECT_THAT(hours(scheduler.decide(kMidnight + 1h)), ElementsAre(1));
  EXPECT_THAT(scheduler.decide(kMidnight + 1h), IsEmpty());
  Scheduler other(jobs, bench.state());  // Of another process.
  EXPECT_THAT(other.decide(kMidnight + 1h + 1s), IsEmpty());
  EXPECT_THAT(hours(other.decide(kMidnight + 2h)), ElementsAre(2));
  EXPECT_THAT(scheduler.decide(kMidnight + 2h), IsEmpty());
}

WORLD_TEST(Scheduler, WhatWasMissedIsRecordedAndCaughtUpWith) {
  struct Case {
    Missed missed;
    std::vector<int> due;
    std::vector<int> recorded;
  };
  for (const auto& expected :
       {Case{Missed::none, {}, {1, 2, 3}}, Case{Missed::once, {3}, {1, 2}}, Case{Missed::all, {1, 2, 3}, {}}}) {
    Bench bench(runtime, files, "/" + std::to_string(static_cast<int>(expected.missed)));
    const auto jobs = hourly(expected.missed);
    Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
    EXPECT_EQ(hours(scheduler.decide(kMidnight + 3h + 30min)), expected.due);
    EXPECT_EQ(hours_with(bench, RunStatus::missed), expected.recorded);
    EXPECT_EQ(hours_with(bench, RunStatus::queued), expected.due);
  }
}

WORLD_TEST(Scheduler, AMomentWithinTheToleranceWasNotMissed) {
  Bench bench(runtime, files);
  const auto jobs = hourly(Missed::none);
  Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
  EXPECT_THAT(hours(scheduler.decide(kMidnight + 2h + 59s)), ElementsAre(2));
  const auto missed = bench.history().list({.status = RunStatus::missed});
  ASSERT_EQ(missed.size(), 1);
  EXPECT_THAT(missed[0].reason, HasSubstr("nobody was there; the next look was at 2024-03-01T02:00:59"));
}

WORLD_TEST(Scheduler, ManyMissedMomentsOfAJobAreSummedUp) {
  Bench bench(runtime, files);
  const auto jobs = hourly(Missed::none);
  Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
  scheduler.decide(kMidnight + 2000h + 30min);
  const auto missed = bench.history().list({.status = RunStatus::missed, .limit = 5000});
  EXPECT_EQ(missed.size(), 1001);
  EXPECT_THAT(missed.back().reason, HasSubstr("nobody was there at this and 999 earlier moments"));
}

WORLD_TEST(Scheduler, AFirstJobComesBeforeAllOthers) {
  Bench bench(runtime, files);
  auto jobs = hourly(Missed::all);
  auto load = testing::job_of(SqlStep{"load.sql", "create table loaded (n integer)"}, "load");
  load.first = true;
  jobs.push_back(load);
  Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
  const auto due = scheduler.decide(kMidnight + 2h);
  ASSERT_EQ(due.size(), 1);
  EXPECT_EQ(due[0].job, "load");
  EXPECT_EQ(due[0].scheduled, kMidnight);
  EXPECT_FALSE(scheduler.next(kMidnight + 2h));
  EXPECT_THAT(scheduler.decide(kMidnight + 2h), IsEmpty());
  bench.runner().execute(due[0].id, load);
  EXPECT_THAT(hours(scheduler.decide(kMidnight + 2h)), ElementsAre(1, 2));
}

TEST(Upcoming, ListsTheNextMomentsOfAllJobs) {
  std::vector<Job> jobs = hourly(Missed::none);
  jobs.push_back({.name = "daily", .schedule = Schedule::cron("30 2 * * *")});
  jobs.push_back({.name = "by hand", .schedule = std::nullopt});
  std::vector<std::string> names;
  for (const auto& next : upcoming(jobs, kMidnight, 4)) names.push_back(next.job);
  EXPECT_THAT(names, ElementsAre("hourly", "hourly", "daily", "hourly"));
}

}  // namespace
}  // namespace tidelock::batch
#endif

// Which runs are due, with a state on each engine that can hold one.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "tidelock/base/retry.h"
#include "tidelock/batch/conformance/engines.h"
#include "tidelock/batch/scheduler.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch::conformance {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TIDELOCK_BATCH_CONFORMANCE(BatchScheduler, states_to_test());

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

TEST_P(BatchScheduler, QueuesEachMomentOnce) {
  run([](const Place& place) {
    auto bench = place.bench();
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
  });
}

TEST_P(BatchScheduler, WhatWasMissedIsRecordedAndCaughtUpWith) {
  struct Case {
    Missed missed;
    std::vector<int> due;
    std::vector<int> recorded;
  };
  for (const auto& expected :
       {Case{Missed::none, {}, {1, 2, 3}}, Case{Missed::once, {3}, {1, 2}}, Case{Missed::all, {1, 2, 3}, {}}}) {
    run([&](const Place& place) {
      auto bench = place.bench();
      const auto jobs = hourly(expected.missed);
      Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
      EXPECT_EQ(hours(scheduler.decide(kMidnight + 3h + 30min)), expected.due);
      EXPECT_EQ(hours_with(bench, RunStatus::missed), expected.recorded);
      EXPECT_EQ(hours_with(bench, RunStatus::queued), expected.due);
    });
  }
}

TEST_P(BatchScheduler, AMomentWithinTheToleranceWasNotMissed) {
  run([](const Place& place) {
    auto bench = place.bench();
    const auto jobs = hourly(Missed::none);
    Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
    EXPECT_THAT(hours(scheduler.decide(kMidnight + 2h + 59s)), ElementsAre(2));
    const auto missed = bench.history().list({.status = RunStatus::missed});
    ASSERT_EQ(missed.size(), 1);
    EXPECT_THAT(missed[0].reason, HasSubstr("nobody was there; the next look was at 2024-03-01T02:00:59"));
  });
}

TEST_P(BatchScheduler, ManyMissedMomentsOfAJobAreSummedUp) {
  run([](const Place& place) {
    auto bench = place.bench();
    const auto jobs = hourly(Missed::none);
    Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
    scheduler.decide(kMidnight + 2000h + 30min);
    const auto missed = bench.history().list({.status = RunStatus::missed, .limit = 5000});
    EXPECT_EQ(missed.size(), 1001);
    EXPECT_THAT(missed.back().reason, HasSubstr("nobody was there at this and 999 earlier moments"));
  });
}

TEST_P(BatchScheduler, AFirstJobComesBeforeAllOthers) {
  run([](const Place& place) {
    auto bench = place.bench();
    auto jobs = hourly(Missed::all);
    auto load = testing::job_of(TriggerStep{"report"}, "load");
    load.first = true;
    jobs.push_back(load);
    Scheduler scheduler(jobs, bench.state(), {.begin = kMidnight});
    const auto due = scheduler.decide(kMidnight + 2h);
    ASSERT_EQ(due.size(), 1);
    EXPECT_EQ(due[0].job, "load");
    EXPECT_EQ(due[0].scheduled, kMidnight);
    EXPECT_FALSE(scheduler.next(kMidnight + 2h));
    EXPECT_THAT(scheduler.decide(kMidnight + 2h), IsEmpty());
    EXPECT_EQ(bench.runner().execute(due[0].id, load)->status, RunStatus::completed);
    EXPECT_THAT(hours(scheduler.decide(kMidnight + 2h)), ElementsAre(1, 2));
  });
}

// As many processes do it on one state: each moment is decided once, and no run is lost.
TEST_P(BatchScheduler, SchedulersThatDecideAtOnceQueueEachMomentOnce) {
  run([](const Place& place) {
    constexpr int kSchedulers = 3;
    constexpr int kHours = 48;
    const auto jobs = hourly(Missed::all);
    auto bench = place.bench();
    std::vector<std::vector<int>> due(kSchedulers);
    std::vector<base::Task> tasks;
    for (auto& mine : due) {
      tasks.push_back(place.runtime.spawn("scheduler", [&](const std::stop_token&) {
        auto own = place.bench();
        Scheduler scheduler(jobs, own.state(), {.begin = kMidnight});
        for (int hour = 1; hour <= kHours; ++hour) {
          const base::RetryPolicy patience{.max_attempts = 20, .idempotent = true};
          const auto found =
              base::retry(place.runtime, patience, {}, [&] { return scheduler.decide(kMidnight + 1h * hour); });
          for (const auto each : hours(found)) mine.push_back(each);
        }
      }));
    }
    for (auto& task : tasks) task.join();
    std::vector<int> all;
    for (const auto& mine : due) all.insert(all.end(), mine.begin(), mine.end());
    std::ranges::sort(all);
    std::vector<int> expected(kHours);
    std::iota(expected.begin(), expected.end(), 1);
    EXPECT_EQ(all, expected);
    EXPECT_EQ(hours_with(bench, RunStatus::queued).size(), kHours);
    EXPECT_THAT(hours_with(bench, RunStatus::missed), IsEmpty());
  });
}

}  // namespace
}  // namespace tidelock::batch::conformance
#endif

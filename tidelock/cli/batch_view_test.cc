#include "tidelock/cli/batch_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr base::WallTime kNow{std::chrono::sys_days(std::chrono::year(2024) / 11 / 22) + 15h + 8min + 3s};

batch::RunSummary run() {
  batch::RunSummary run;
  run.id = 12;
  run.job = "close_day";
  run.status = batch::RunStatus::failed;
  run.cause = batch::Cause::schedule;
  run.scheduled = kNow - 1h;
  run.started = kNow - 2s;
  run.ended = kNow;
  run.executions = 2;
  run.reason = "step close: no";
  run.host = "mill";
  run.pid = 41;
  run.rows_read = 130;
  run.rows_written = 126;
  run.rows_skipped = 4;
  return run;
}

batch::RunDetails details() {
  batch::RunDetails details;
  details.run = run();
  details.steps.push_back(
      {.name = "bars", .kind = "chunk", .status = "completed", .commits = 3, .started = {}, .ended = {}, .error = ""});
  details.skips.push_back(
      {.step = "bars", .position = 7, .place = "bars.csv:8", .record = "A,\x1b[31m", .error = "bad"});
  details.events.push_back({.at = kNow, .step = "bars", .level = "warning", .text = "attempt 1 of 3 failed"});
  details.events.push_back({.at = kNow, .step = "", .level = "info", .text = "waits"});
  return details;
}

TEST(BatchView, TheTableOfRunsHasALineEach) {
  EXPECT_EQ(runs_table({run()}),
            "RUN  JOB        STATUS  SCHEDULED             TOOK  WRITTEN  SKIPPED  REASON\n"
            "12   close_day  failed  2024-11-22T14:08:03Z  2s    126      4        step close: no\n");
  EXPECT_EQ(runs_table({}), "no runs\n");
}

TEST(BatchView, ARunWhoseProcessIsGoneHasDied) {
  auto gone = run();
  gone.status = batch::RunStatus::running;
  gone.died = true;
  gone.ended.reset();
  EXPECT_THAT(runs_table({gone}), HasSubstr("died"));
  EXPECT_EQ(nlohmann::json::parse(runs_json({gone})).at("runs").at(0).at("status"), "died");
  EXPECT_TRUE(nlohmann::json::parse(runs_json({gone})).at("runs").at(0).at("ended").is_null());
}

TEST(BatchView, TheTextOfARunHasStepsBadRowsAndEventsAndNothingForATerminalToObey) {
  const auto text = run_text(details());
  EXPECT_THAT(text, HasSubstr("run 12 of close_day: failed\n"));
  EXPECT_THAT(text, HasSubstr("  process     mill:41\n"));
  EXPECT_THAT(text, HasSubstr("bad rows:\n  bars bars.csv:8: bad\n    \"A,\\x1b[31m\"\n"));
  EXPECT_THAT(text, HasSubstr("warning bars: attempt 1 of 3 failed\n"));
  EXPECT_THAT(text, HasSubstr("info    waits\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(BatchView, OfManyBadRowsTheFirstAreShownAndTheOthersCounted) {
  auto many = details();
  many.skips.assign(25, many.skips.front());
  EXPECT_THAT(run_text(many), HasSubstr("  and 5 more: --json prints all\n"));
  EXPECT_EQ(nlohmann::json::parse(run_json(many)).at("skips").size(), 25U);
}

TEST(BatchView, JsonHasTheDocumentedFields) {
  const auto json = nlohmann::json::parse(run_json(details()));
  EXPECT_EQ(json.at("run"), 12);
  EXPECT_EQ(json.at("cause"), "schedule");
  EXPECT_EQ(json.at("scheduled"), "2024-11-22T14:08:03Z");
  EXPECT_EQ(json.at("rows_written"), 126);
  EXPECT_EQ(json.at("steps").at(0).at("commits"), 3);
  EXPECT_TRUE(json.at("steps").at(0).at("started").is_null());
  EXPECT_EQ(json.at("skips").at(0).at("record"), "A,\x1b[31m");
  EXPECT_EQ(json.at("events").at(0).at("level"), "warning");
}

TEST(BatchView, JobsAreShownWithTheirRunsAndWhoWaitsForWhom) {
  batch::Job nightly;
  nightly.name = "nightly";
  nightly.schedule = batch::Schedule::every(1h);
  nightly.group = batch::Group{.name = "books"};
  batch::Job load;
  load.name = "load";
  load.first = true;
  const JobsView view{
      .now = kNow,
      .waiting =
          {{.key = "group/books", .who = "run 13 of refresh", .since = kNow - 5s, .holders = {"run 12 of close_day"}}},
      .jobs = {{.job = &nightly, .last = run(), .next = kNow + 2h}, {.job = &load, .last = {}, .next = {}}}};
  EXPECT_EQ(jobs_table(view),
            "JOB      SCHEDULE  LAST RUN                    STATUS  NEXT RUN\n"
            "nightly  every 1h  12 at 2024-11-22T15:08:01Z  failed  2024-11-22T17:08:03Z\n"
            "load     @first    -                           never   -\n"
            "run 13 of refresh waits for group/books since 5s, held by run 12 of close_day\n");
  const auto json = nlohmann::json::parse(jobs_json(view));
  EXPECT_EQ(json.at("jobs").at(0).at("group"), "books");
  EXPECT_EQ(json.at("jobs").at(0).at("last").at("run"), 12);
  EXPECT_TRUE(json.at("jobs").at(1).at("last").is_null());
  EXPECT_EQ(json.at("waiting").at(0).at("holders").at(0), "run 12 of close_day");
}

}  // namespace
}  // namespace tidelock::cli

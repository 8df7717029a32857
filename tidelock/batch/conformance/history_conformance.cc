// What is told of past runs, and when they are forgotten, with a state on each engine that can hold one.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/batch/conformance/engines.h"
#include "tidelock/batch/conformance/items.h"
#include "tidelock/batch/run_record.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch::conformance {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using testing::job_of;

TEST_P(BatchRunner, HistoryIsFilteredSummedUpAndForgotten) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n");
    EXPECT_EQ(bench.run(job_of(load_items(place), "load")).status, RunStatus::completed);
    EXPECT_EQ(bench.run(job_of(SqlStep{"bad.sql", "select nothing"}, "bad")).status, RunStatus::failed);
    auto history = bench.history();
    EXPECT_EQ(history.list().size(), 2);
    EXPECT_EQ(history.list({.job = "load"}).at(0).rows_written, 2);
    EXPECT_EQ(history.list({.status = RunStatus::failed}).at(0).job, "bad");
    EXPECT_THAT(history.list({.job = "load", .status = RunStatus::failed}), IsEmpty());
    const auto totals = history.totals();
    EXPECT_EQ(totals.runs, 2);
    EXPECT_EQ(totals.failed, 1);
    EXPECT_EQ(totals.rows_written, 2);

    EXPECT_TRUE(bench.request_stop(bench.queue(job_of(TriggerStep{"x"}))));
    EXPECT_EQ(history.list({.status = RunStatus::stopped}).size(), 1);

    EXPECT_THAT(history.list({.died = true}), IsEmpty());
    for (int i = 0; i < 2; ++i) {
      bench.state().execute("update tidelock_run set status = 'running' where id = ?",
                            bench.queue(job_of(TriggerStep{"x"}, "gone")));
    }
    EXPECT_EQ(history.list({.died = true}).size(), 2);
    EXPECT_EQ(history.list({.died = true, .limit = 1}).size(), 1);
    EXPECT_THAT(history.list({.job = "load", .died = true}), IsEmpty());
    EXPECT_TRUE(history.list({.job = "gone", .died = true}).at(0).died);
  });
}

TEST_P(BatchRunner, OldRunsAreForgottenButForWhatLaterWorkReliesOn) {
  run([](const Place& place) {
    auto bench = place.bench();
    const auto now = place.runtime.wall_now();
    auto& runs = bench.runs();
    // Runs that were over two days ago.
    const auto past = [&](const NewRun& run, std::string_view status) {
      const auto id = *runs.queue(run);
      bench.state().execute("update tidelock_run set status = ?, ended_us = ? where id = ?", status, in_us(now - 48h),
                            id);
      for (const auto* sql :
           {"insert into tidelock_step (run, place, name, kind, status) values (?, 0, '', '', '')",
            "insert into tidelock_skip (run, step, position, place, record, error) values (?, 0, 1, "
            "'', '', '')",
            "insert into tidelock_event (run, step, at_us, level, text) values (?, '', 0, 'info', '')"}) {
        bench.state().execute(sql, id);
      }
      return id;
    };
    const auto of = [&](std::string job, Cause cause = Cause::schedule) {
      return NewRun{.job = std::move(job), .cause = cause, .scheduled = now};
    };
    past(of("load"), "completed");
    past(of("load"), "skipped");
    past(of("load"), "missed");
    auto first = of("load", Cause::first);
    first.key = "load@first";
    std::vector<RunId> stay{past(first, "completed")};
    stay.push_back(past(of("load"), "failed"));
    stay.push_back(past(of("load"), "stopped"));
    stay.push_back(past(of("load"), "completed"));  // Its checkpoint is in its store.
    bench.state().execute("update tidelock_run set checkpoints = 1 where id = ?", stay.back());
    const auto uuid_of = [&](RunId id) {
      return bench.state().one<std::string>("select uuid from tidelock_run where id = ?", id);
    };
    auto triggered = of("load", Cause::trigger);
    triggered.key = trigger_key("load", uuid_of(stay[1]), 3);  // The failed one may be resumed, and trigger again.
    stay.push_back(past(triggered, "completed"));
    triggered.key = trigger_key("load", uuid_of(stay[0]), 3);
    past(triggered, "completed");
    stay.push_back(past(of("other"), "completed"));
    stay.push_back(past(of("load"), "completed"));  // The newest.

    EXPECT_EQ(runs.forget("load", now - 72h), 0U);
    EXPECT_EQ(runs.forget("load", now - 24h), 4U);
    EXPECT_EQ(runs.forget("load", now - 24h), 0U);
    std::vector<RunId> left;
    for (const auto& run : bench.history().list({.limit = 100})) left.insert(left.begin(), run.id);
    EXPECT_EQ(left, stay);
    for (const auto* part : {"step", "skip", "event"}) {
      EXPECT_EQ(bench.state().one<std::size_t>(fmt::format("select count(*) from tidelock_{}", part)), stay.size());
    }

    for (std::size_t i = 0; i < Runs::kForgetMost + 5; ++i) past(of("other"), "completed");
    EXPECT_EQ(runs.forget("other", now - 24h), Runs::kForgetMost);
    EXPECT_EQ(runs.forget("other", now - 24h), 5U);  // Not the newest one.
  });
}

}  // namespace
}  // namespace tidelock::batch::conformance
#endif

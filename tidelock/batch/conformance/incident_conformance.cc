// The incident of incident_sim_test.cc on real engines, in the one order of events that loses something: one job has
// read the open rows, another closes the day, the first one writes back.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "tidelock/base/unit_of_work.h"
#include "tidelock/batch/conformance/engines.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch::conformance {
namespace {

using namespace std::chrono_literals;
using testing::job_of;

TIDELOCK_BATCH_CONFORMANCE(BatchIncident, stores_to_test());

constexpr int kTeams = 4;

// A day's final value is its number times 1000; a passing one is never a multiple of it.
constexpr auto kTable =
    "create table stats (id integer primary key, team integer, d integer, value integer, closed integer)";
constexpr auto kClose =
    "update stats set value = d * 1000, closed = 1 where closed = 0;"
    "insert into stats (id, team, d, value, closed) select id + 100, team, d + 1, 1, 0 from stats where d = 1;";
constexpr auto kRefresh = "select id, d * 1000 + 7 as value from stats where closed = 0";

// Acts once, in the run that refreshes: when it has read its rows, and before it begins to write them.
class BetweenReadAndWrite final : public sql::Observer {
 public:
  explicit BetweenReadAndWrite(std::function<void()> act) : act_(std::move(act)) {}

  void on_start(const sql::StatementEvent& event) noexcept override {
    const auto* work = base::kUnitOfWork.get(event.runtime);
    if (!has_read_ || event.category != sql::Category::begin || work == nullptr || work->job != "refresh") return;
    if (const auto act = std::exchange(act_, nullptr)) act();
  }
  void on_statement(const sql::StatementEvent& event) noexcept override {
    if (event.sql == kRefresh) has_read_ = true;
  }

 private:
  std::function<void()> act_;
  bool has_read_ = false;
};

Job with_group(Job job, bool in_group) {
  if (in_group) job.group = Group{"stats", 1};
  return job;
}

// The rows of the closed day that are wrong.
std::int64_t lost_updates(const Place& place, bool in_group) {
  auto& runtime = place.runtime;
  auto bench = place.bench();
  auto& store = bench.store();
  store.script("drop table if exists stats");
  store.execute(kTable);
  for (int team = 1; team <= kTeams; ++team) store.execute("insert into stats values (?, ?, 1, 1, 0)", team, team);

  auto closer = place.bench();  // Of another process.
  const auto goes_on = runtime.make_signal("the day is closed, or its run waits");
  std::optional<RunResult> closed;
  bool waits = false;
  auto context = closer.context();
  context.progress = [&](const Progress& progress) {
    if (!progress.text.starts_with("waits for group/stats")) return;
    waits = true;
    goes_on->notify_all();
  };
  Runner runner(context);
  const auto close = with_group(job_of(SqlStep{"close.sql", kClose}, "close_day"), in_group);
  base::Task closing;
  store.observe(std::make_shared<BetweenReadAndWrite>([&] {
    const auto seen = goes_on->count();
    closing = runtime.spawn("close the day", [&](const std::stop_token&) {
      closed = runner.execute(closer.queue(close), close);
      goes_on->notify_all();
    });
    EXPECT_TRUE(goes_on->wait(seen, runtime.in(30s)));
  }));
  const auto refreshed =
      bench.run(with_group(job_of(ChunkStep{.source = QuerySource{"refresh.sql", kRefresh},
                                            .write = {.kind = Write::Kind::update, .table = "stats", .key = {"id"}}},
                                  "refresh"),
                           in_group));
  closing.join();
  EXPECT_EQ(refreshed.status, RunStatus::completed) << refreshed.reason;
  EXPECT_EQ(closed->status, RunStatus::completed) << closed->reason;
  EXPECT_EQ(waits, in_group);
  EXPECT_EQ(store.one<std::int64_t>("select count(*) from stats where closed = 1"), kTeams);
  EXPECT_EQ(store.one<std::int64_t>("select count(*) from stats where d = 2 and closed = 0"), kTeams);
  return store.one<std::int64_t>("select count(*) from stats where closed = 1 and value <> d * 1000");
}

TEST_P(BatchIncident, WithoutTheGroupTheRowsOfAClosedDayAreOverwritten) {
  run([](const Place& place) { EXPECT_EQ(lost_updates(place, false), kTeams); });
}
TEST_P(BatchIncident, InOneGroupNothingIsLost) {
  run([](const Place& place) { EXPECT_EQ(lost_updates(place, true), 0); });
}

}  // namespace
}  // namespace tidelock::batch::conformance
#endif

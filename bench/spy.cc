// What the spy costs a statement: a point select on SQLite with it and without it, in turns, as the median of the
// differences. `task` is the processor time of the task that runs the statements; `all` has that of the spy's own task
// too.
//
// hook: what a statement pays where there never was a spy: statements with many more hooks each, against the same ones
// with only their own; for one hook. off: a database whose spy was taken away again, against one that never had one.
#include "tidelock/sql/spy/spy.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/unit_of_work.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/connection.h"
#include "tidelock/sql/link.h"

namespace tidelock::sql {

// Runs the hook of a connection's statements, as a statement does before and after it.
class HookMeter {
 public:
  explicit HookMeter(Connection& connection) : link_(Face::link_of(connection)) {}
  void run(std::string_view sql, const Values& values, int times) {
    for (int i = 0; i < times; ++i) {
      link_.observe_cursor(Category::statement, sql, values);
      link_.end_observation(nullptr);
    }
  }

 private:
  struct Face : Executor {
    static Link& link_of(const Executor& executor) { return (executor.*&Face::link)(); }
  };
  Link& link_;
};

}  // namespace tidelock::sql

namespace tidelock::sql::spy {
namespace {

constexpr int kRows = 10'000;
constexpr int kBatch = 2000;

// A database with rows, in memory.
class Shop {
 public:
  explicit Shop(base::Runtime& runtime, base::Files& files)
      : database(open(runtime, files, base::Url::parse("sqlite::memory:"))) {
    database->script("create table t (id integer primary key, name text, amount integer)");
    auto connection = database->connect();
    auto bulk = connection.bulk("t", {"id", "name", "amount"});
    for (int i = 0; i < kRows; ++i) bulk.append(i, "name of row " + std::to_string(i), i * 7);
    bulk.finish();
  }

  // hooks: beside that of the statement, before each of them.
  void select(std::int64_t& sum, int hooks = 0) {
    constexpr auto kText = "select amount from t where id = ? and name >= ?";
    auto connection = database->connect();
    auto statement = connection.prepare(kText);
    HookMeter meter(connection);
    const std::array<ValueView, 2> values{std::int64_t{1}, std::string_view("name")};
    for (int i = 0; i < kBatch; ++i) {
      meter.run(kText, values, hooks);
      auto rows = statement.query(key_ = (key_ * 31 + 7) % kRows, "name");
      if (rows.next()) sum += rows.row().get<std::int64_t>(0);
    }
  }

  std::unique_ptr<Database> database;

 private:
  std::int64_t key_ = 1;
};

// `with` against `without`. finish: what is measured in `all` too. hooks: more of them, in `with`.
template <typename Finish>
void in_turns(benchmark::State& state, Shop& without, Shop& with, Finish&& finish, int hooks = 0) {
  constexpr double kNs = 1e9 / kBatch;
  bench::Turns turns;
  std::vector<double> task, all, plain;
  std::int64_t sum = 0;
  for (auto _ : state) {
    const auto [bare, spied] = turns([&] { without.select(sum); },
                                     [&] {
                                       with.select(sum, hooks);
                                       finish();
                                     });
    task.push_back((spied.thread_s - bare.thread_s) * kNs);
    all.push_back((spied.process_s - bare.process_s) * kNs);
    plain.push_back(bare.thread_s * kNs);
  }
  benchmark::DoNotOptimize(sum);
  state.counters["statement_ns"] = bench::median(plain);
  state.counters["task_ns"] = bench::median(task) / std::max(hooks, 1);
  state.counters["all_ns"] = bench::median(all) / std::max(hooks, 1);
}

void hook(benchmark::State& state) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  Shop shop(runtime, files);
  const auto nothing = [] {};
  in_turns(state, shop, shop, nothing, static_cast<int>(state.range(0)));
}
BENCHMARK(hook)->ArgName("more")->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);

void off(benchmark::State& state) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  Shop without(runtime, files), with(runtime, files);
  std::int64_t sum = 0;
  with.database->observe(std::make_shared<Spy>(runtime, files, Options{.recent = 1}));
  with.select(sum);
  with.database->observe(nullptr);
  in_turns(state, without, with, [] {});
}
BENCHMARK(off)->Unit(benchmark::kMillisecond);

void to_file(benchmark::State& state) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto folder = std::filesystem::temp_directory_path() / "tidelock-bench-spy";
  std::filesystem::remove_all(folder);
  Shop without(runtime, files), with(runtime, files);
  const auto spy = std::make_shared<Spy>(runtime, files,
                                         Options{.file = FileOptions{.path = folder / "spy.log"},
                                                 .format = {.format = static_cast<Format>(state.range(0))}});
  with.database->observe(spy);
  const auto work = base::kUnitOfWork.set(runtime, {.job = "bench", .run = "1", .step = "select", .token = 1});
  in_turns(state, without, with, [&] { spy->flush(runtime.in(std::chrono::seconds(10))); });
  state.counters["dropped"] = static_cast<double>(spy->dropped());
  with.database->observe(nullptr);
  std::filesystem::remove_all(folder);
}
BENCHMARK(to_file)
    ->ArgName("format")
    ->Arg(static_cast<int>(Format::json))
    ->Arg(static_cast<int>(Format::single))
    ->Unit(benchmark::kMillisecond);

void to_ring(benchmark::State& state) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  base::Metrics metrics;
  Shop without(runtime, files), with(runtime, files);
  with.database->observe(std::make_shared<Spy>(
      runtime, files, Options{.recent = 1000, .metrics = state.range(0) == 1 ? &metrics : nullptr}));
  in_turns(state, without, with, [] {});
  with.database->observe(nullptr);
}
BENCHMARK(to_ring)->ArgName("metrics")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidelock::sql::spy

BENCHMARK_MAIN();

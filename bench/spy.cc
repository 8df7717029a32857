// What the spy costs a statement: a point select on SQLite with it and without it, in turns, as the median of the
// differences. `task` is the processor time of the task that runs the statements; `all` has that of the spy's own task
// too. off: a database whose spy was taken away again, against one that never had one.
#include "tidelock/sql/spy/spy.h"

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/unit_of_work.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::sql::spy {
namespace {

constexpr int kRows = 10'000;
constexpr int kBatch = 2000;

double processor_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

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

  void select(std::int64_t& sum) {
    auto connection = database->connect();
    auto statement = connection.prepare("select amount from t where id = ? and name >= ?");
    for (int i = 0; i < kBatch; ++i) {
      auto rows = statement.query(key_ = (key_ * 31 + 7) % kRows, "name");
      if (rows.next()) sum += rows.row().get<std::int64_t>(0);
    }
  }

  std::unique_ptr<Database> database;

 private:
  std::int64_t key_ = 1;
};

struct Times {
  double task, all;
};
template <typename Body>
Times measure(Body&& body) {
  const double task = processor_ns(CLOCK_THREAD_CPUTIME_ID), all = processor_ns(CLOCK_PROCESS_CPUTIME_ID);
  body();
  return {(processor_ns(CLOCK_THREAD_CPUTIME_ID) - task) / kBatch,
          (processor_ns(CLOCK_PROCESS_CPUTIME_ID) - all) / kBatch};
}

// `with` against `without`, in an order that changes. finish: what is measured in `all` too.
template <typename Finish>
void in_turns(benchmark::State& state, Shop& without, Shop& with, Finish&& finish) {
  std::vector<double> task, all, plain;
  std::int64_t sum = 0;
  bool first = false;
  for (auto _ : state) {
    Times bare{}, spied{};
    const auto run_bare = [&] { bare = measure([&] { without.select(sum); }); };
    if (first) run_bare();
    spied = measure([&] {
      with.select(sum);
      finish();
    });
    if (!first) run_bare();
    first = !first;
    task.push_back(spied.task - bare.task);
    all.push_back(spied.all - bare.all);
    plain.push_back(bare.task);
  }
  benchmark::DoNotOptimize(sum);
  state.counters["statement_ns"] = median(plain);
  state.counters["task_ns"] = median(task);
  state.counters["all_ns"] = median(all);
}

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

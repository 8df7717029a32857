// What the sql room costs above DuckDB's own C interface: each benchmark runs both in turns, in files of their own in
// one folder, and reports the median of the ratios. The engine works with threads of its own, so it is the wall's time
// that counts.
#include <benchmark/benchmark.h>
#include <dlfcn.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {
namespace {

constexpr std::int64_t kRows = 1'000'000;
constexpr std::int64_t kFirstMicros = 1'700'000'000'000'000;
constexpr std::string_view kSymbols[] = {"AAPL", "MSFT", "BRK.B", "a name that is longer"};
constexpr const char* kMakeTable =
    "create or replace table ticks (id bigint, symbol varchar, price double, made_at timestamp)";

// A database each for the raw interface and for ours.
class Both {
 public:
  Both() : folder_(std::filesystem::temp_directory_path() / "tidelock-bench-duckdb"), api(duckdb::api()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    database = open(runtime, files, base::Url::parse("duckdb:" + (folder_ / "ours.duckdb").string()));
    check(api.open_ext((folder_ / "raw.duckdb").c_str(), &raw_database_, nullptr, nullptr));
    check(api.connect(raw_database_, &raw));
  }
  ~Both() {
    api.disconnect(&raw);
    api.close(&raw_database_);
    database.reset();
    std::filesystem::remove_all(folder_);
  }

  void run(const char* sql) {
    duckdb::ResultHandle result(api);
    check(api.query(raw, sql, result.out()));
  }
  static void check(duckdb_state state) {
    if (state != DuckDBSuccess) throw std::runtime_error("the raw interface failed");
  }

 private:
  std::filesystem::path folder_;
  duckdb_database raw_database_ = nullptr;

 public:
  base::RealRuntime runtime;
  base::RealFiles files{runtime};
  const duckdb::Api& api;
  std::unique_ptr<Database> database;
  duckdb_connection raw = nullptr;
};

// Runs both once an iteration. The ratio is of rows per second: 1 is as fast as raw.
template <typename Prepare, typename Raw, typename Ours>
void in_turns(benchmark::State& state, Prepare&& prepare, Raw&& raw, Ours&& ours) {
  bench::Turns turns;
  std::vector<double> raw_rates, our_rates, ratios;
  for (auto _ : state) {
    prepare();
    const auto [raw_took, our_took] = turns(raw, ours);
    raw_rates.push_back(kRows / raw_took.wall_s);
    our_rates.push_back(kRows / our_took.wall_s);
    ratios.push_back(raw_took.wall_s / our_took.wall_s);
  }
  state.counters["raw_rows_per_s"] = bench::median(raw_rates);
  state.counters["our_rows_per_s"] = bench::median(our_rates);
  state.counters["ratio"] = bench::median(ratios);
}

// The functions of the row-wise appender, which the library itself does not use.
template <typename Function>
Function* function(const char* name, Function*) {
  for (const auto& candidate : duckdb::library_candidates()) {
    if (void* library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      if (void* found = dlsym(library, name)) return reinterpret_cast<Function*>(found);
    }
  }
  throw std::runtime_error(name);
}
#define TIDELOCK_BENCH_FUNCTION(name) function("duckdb_" #name, &duckdb_##name)

// As the manual of the appender shows it.
void append_raw(Both& both) {
  static auto* const append_int64 = TIDELOCK_BENCH_FUNCTION(append_int64);
  static auto* const append_varchar_length = TIDELOCK_BENCH_FUNCTION(append_varchar_length);
  static auto* const append_double = TIDELOCK_BENCH_FUNCTION(append_double);
  static auto* const append_timestamp = TIDELOCK_BENCH_FUNCTION(append_timestamp);
  static auto* const end_row = TIDELOCK_BENCH_FUNCTION(appender_end_row);
  both.run("begin");
  duckdb_appender appender = nullptr;
  Both::check(both.api.appender_create_ext(both.raw, nullptr, nullptr, "ticks", &appender));
  for (std::int64_t i = 0; i < kRows; ++i) {
    const auto symbol = kSymbols[i & 3];
    append_int64(appender, i);
    append_varchar_length(appender, symbol.data(), symbol.size());
    append_double(appender, static_cast<double>(i) / 2);
    append_timestamp(appender, {kFirstMicros + i});
    end_row(appender);
  }
  Both::check(both.api.appender_close(appender));
  both.api.appender_destroy(&appender);
  both.run("commit");
}

void append_ours(Connection& connection) {
  auto transaction = connection.begin();
  auto bulk = transaction.bulk("ticks", {"id", "symbol", "price", "made_at"});
  for (std::int64_t i = 0; i < kRows; ++i) {
    bulk.append(i, kSymbols[i & 3], static_cast<double>(i) / 2, Timestamp(std::chrono::microseconds(kFirstMicros + i)));
  }
  bulk.finish();
  transaction.commit();
}

void duckdb_bulk(benchmark::State& state) {
  Both both;
  auto connection = both.database->connect();
  in_turns(
      state,
      [&] {
        both.run(kMakeTable);
        connection.script(kMakeTable);
      },
      [&] { append_raw(both); }, [&] { append_ours(connection); });
}
BENCHMARK(duckdb_bulk)->Unit(benchmark::kMillisecond)->Iterations(15);

// Reads a table from end to end, every column of every row.
void duckdb_scan(benchmark::State& state) {
  Both both;
  auto connection = both.database->connect();
  both.run(kMakeTable);
  connection.script(kMakeTable);
  append_raw(both);
  append_ours(connection);
  constexpr const char* kSelect = "select * from ticks";
  const auto raw = [&] {
    duckdb::StatementHandle statement(both.api);
    Both::check(both.api.prepare(both.raw, kSelect, statement.out()));
    duckdb::PendingHandle pending(both.api);
    Both::check(both.api.pending_prepared_streaming(statement.get(), pending.out()));
    duckdb::ResultHandle result(both.api);
    Both::check(both.api.execute_pending(pending.get(), result.out()));
    double sum = 0;
    while (auto* const chunk = both.api.fetch_chunk(result.get())) {
      const duckdb::ChunkHandle owned(both.api, chunk);
      const auto data = [&](idx_t column) {
        return both.api.vector_get_data(both.api.data_chunk_get_vector(chunk, column));
      };
      const auto* ids = static_cast<const std::int64_t*>(data(0));
      const auto* symbols = static_cast<const duckdb_string_t*>(data(1));
      const auto* prices = static_cast<const double*>(data(2));
      const auto* times = static_cast<const std::int64_t*>(data(3));
      const auto rows = both.api.data_chunk_get_size(chunk);
      for (idx_t i = 0; i < rows; ++i) {
        sum += static_cast<double>(ids[i] + symbols[i].value.inlined.length + times[i]) + prices[i];
      }
    }
    benchmark::DoNotOptimize(sum);
  };
  const auto ours = [&] {
    double sum = 0;
    for (auto row : connection.query(kSelect)) {
      const auto length = static_cast<std::int64_t>(row.get<std::string_view>(1).size());
      const auto time = row.get<Timestamp>(3).time_since_epoch().count();
      sum += static_cast<double>(row.get<std::int64_t>(0) + length + time) + row.get<double>(2);
    }
    benchmark::DoNotOptimize(sum);
  };
  in_turns(
      state, [] {}, raw, ours);
}
BENCHMARK(duckdb_scan)->Unit(benchmark::kMillisecond)->Iterations(15);

}  // namespace
}  // namespace tidelock::sql

BENCHMARK_MAIN();

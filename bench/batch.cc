// Loading a history of daily bars by a chunk step, with its checks and checkpoints, against the engine's own COPY of
// the same file into the same table: in turns, into empty tables, and the median of the ratios. By the wall's time,
// since the engine works beside. DuckDB, and the server that TIDELOCK_TEST_POSTGRES names (scripts/services run --
// build/bench_batch).
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#ifdef TIDELOCK_HAVE_POSTGRES
#include <libpq-fe.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/batch/runner.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::batch {
namespace {

constexpr int kSymbols = 126;
constexpr int kDays = 1221;  // Together as many bars as the market example has.
constexpr const char* kTable =
    "create table bars (symbol varchar not null, date date not null, open decimal(12,4) not null, high decimal(12,4) "
    "not null, low decimal(12,4) not null, close decimal(12,4) not null, volume bigint not null, "
    "primary key (symbol, date))";

std::string bars_csv() {
  std::string text = "symbol,date,open,high,low,close,volume\n";
  std::uint64_t noise = 88172645463325252;
  for (int symbol = 0; symbol < kSymbols; ++symbol) {
    for (int day = 0; day < kDays; ++day) {
      noise ^= noise << 13, noise ^= noise >> 7, noise ^= noise << 17;  // Marsaglia's xorshift.
      const auto low = 1000 + noise % 9000;
      const auto high = low + noise / 10'000 % 300;
      const auto money = [](std::uint64_t cents) { return fmt::format("{}.{:02}", cents / 100, cents % 100); };
      text += fmt::format("S{:03},{:04}-{:02}-{:02},{},{},{},{},{}\n", symbol, 2000 + day / 336, 1 + day % 336 / 28,
                          1 + day % 28, money(low), money(high), money(low), money(high), noise % 10'000'000);
    }
  }
  return text;
}

class Market {
 public:
  // The store: empty for a DuckDB file.
  explicit Market(std::string server = {})
      : server_(std::move(server)), folder_(std::filesystem::temp_directory_path() / "tidelock-bench-batch") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    files_.write_atomically(csv(), bars_csv());
    state_ = sql::open(runtime_, files_, base::Url::parse("sqlite:" + (folder_ / "state.db").string()));
    locks_ = lock::open_backend(runtime_, files_, base::Url::parse("sqlite:" + (folder_ / "state.db").string()));
    Context context{.runtime = runtime_, .files = files_, .state = *state_, .locks = *locks_};
    context.open_store = [this](const std::string&, const std::stop_token&) { return store_; };
    runner_ = std::make_unique<Runner>(std::move(context));
  }
  ~Market() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  base::Path csv() const { return folder_ / "bars.csv"; }

  // An empty table, in a new file or of the server.
  sql::Database& begin() {
    store_.reset();
    if (!server_.empty()) {
      store_ = sql::open(runtime_, files_, base::Url::parse(server_));
      store_->script(fmt::format("drop table if exists bars; {}", kTable));
      return *store_;
    }
    for (const auto* name : {"store.duckdb", "store.duckdb.wal"}) std::filesystem::remove(folder_ / name);
    store_ = sql::open(runtime_, files_, base::Url::parse("duckdb:" + (folder_ / "store.duckdb").string()));
    store_->execute(kTable);
    return *store_;
  }

  void load(std::size_t chunk_rows) {
    Record record{.name = "bar",
                  .checks = {"low > 0", "low <= open", "low <= close", "open <= high", "close <= high", "volume >= 0"}};
    for (const auto* field : {"symbol text", "date date", "open decimal", "high decimal", "low decimal",
                              "close decimal", "volume integer"}) {
      record.fields.push_back(Field::parse(field));
    }
    Job job{.name = "load", .store = "market", .schedule = std::nullopt};
    job.steps.push_back({.name = "bars",
                         .what = ChunkStep{.source = CsvSource{csv()},
                                           .record = record,
                                           .only = "date <= $today",
                                           .write = {.kind = Write::Kind::insert, .table = "bars"},
                                           .chunk_rows = chunk_rows}});
    const auto now = runtime_.wall_now();
    const auto id = runner_->runs().queue({.job = job.name, .cause = Cause::hand, .scheduled = now});
    const auto result = runner_->execute(*id, job);
    if (result->status != RunStatus::completed || result->rows_written != kSymbols * kDays) {
      throw std::runtime_error("the load failed: " + result->reason);
    }
  }

 private:
  const std::string server_;
  const std::filesystem::path folder_;
  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::shared_ptr<sql::Database> state_;
  std::unique_ptr<lock::Backend> locks_;
  std::shared_ptr<sql::Database> store_;
  std::unique_ptr<Runner> runner_;
};

// `copy`: the engine's own way, of the file into the empty table.
template <typename Copy>
void in_turns(benchmark::State& state, Market& market, Copy&& copy) {
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  for (auto _ : state) {
    auto& raw = market.begin();
    theirs.push_back(bench::measure([&] { copy(raw); }).wall_s);
    market.begin();
    ours.push_back(bench::measure([&] { market.load(static_cast<std::size_t>(state.range(0))); }).wall_s);
    ratios.push_back(ours.back() / theirs.back());
    state.SetIterationTime(ours.back());
  }
  state.counters["rows_per_s"] = kSymbols * kDays / bench::median(ours);
  state.counters["seconds"] = bench::median(ours);
  state.counters["copy_seconds"] = bench::median(theirs);
  state.counters["ratio"] = bench::median(ratios);
}

void load_history(benchmark::State& state) {
  Market market;
  in_turns(state, market,
           [&](sql::Database& raw) { raw.execute(fmt::format("copy bars from '{}'", market.csv().string())); });
}
BENCHMARK(load_history)
    ->Arg(1'000)
    ->Arg(10'000)
    ->Arg(100'000)
    ->Iterations(7)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

#ifdef TIDELOCK_HAVE_POSTGRES
// As psql's \copy does it.
void copy_csv(PGconn* connection, const std::string& text) {
  constexpr std::size_t kPiece = 64 << 10;
  PQclear(PQexec(connection, "copy bars from stdin (format csv, header)"));
  for (std::size_t at = 0; at < text.size(); at += kPiece) {
    if (PQputCopyData(connection, text.data() + at, static_cast<int>(std::min(kPiece, text.size() - at))) != 1) {
      throw std::runtime_error(PQerrorMessage(connection));
    }
  }
  PQputCopyEnd(connection, nullptr);
  while (PGresult* const result = PQgetResult(connection)) {
    const bool failed = PQresultStatus(result) != PGRES_COMMAND_OK;
    PQclear(result);
    if (failed) throw std::runtime_error(PQerrorMessage(connection));
  }
}

void load_history_postgres(benchmark::State& state) {
  const char* const url = std::getenv("TIDELOCK_TEST_POSTGRES");
  if (url == nullptr) return state.SkipWithError("TIDELOCK_TEST_POSTGRES names no server");
  Market market(url);
  const auto text = bars_csv();
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url), PQfinish);
  in_turns(state, market, [&](sql::Database&) { copy_csv(connection.get(), text); });
}
BENCHMARK(load_history_postgres)
    ->Arg(10'000)
    ->Arg(50'000)
    ->Iterations(7)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
#endif

}  // namespace
}  // namespace tidelock::batch

BENCHMARK_MAIN();

// What the sql room costs above libpq itself: each benchmark runs both in turns against the server that
// TIDELOCK_TEST_POSTGRES names (scripts/services run -- build/bench_postgres), and reports the median of the ratios.
// The server works beside, so it is the wall's time that counts.
#include <benchmark/benchmark.h>
#include <libpq-fe.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/measure.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {
namespace {

constexpr int kKeys = 10'000;
constexpr int kSelects = 100;
constexpr std::int64_t kBulkRows = 200'000;

void check(PGresult* result) {
  const auto status = PQresultStatus(result);
  const std::string message = PQresultErrorMessage(result);
  PQclear(result);
  if (status == PGRES_FATAL_ERROR) throw std::runtime_error(message);
}

// A table of keys, a connection of libpq, and a database of ours.
struct Both {
  explicit Both(std::size_t connections = 1) {
    const char* const url = std::getenv("TIDELOCK_TEST_POSTGRES");
    if (url == nullptr) throw std::runtime_error("TIDELOCK_TEST_POSTGRES names no server");
    database = open(runtime, files, base::Url::parse(url), {.max_connections = connections});
    database->script(
        "drop table if exists bench_keys; create table bench_keys (id bigint primary key, name text, price float8);"
        "insert into bench_keys select n, 'name ' || n, n from generate_series(1, 10000) as n;"
        "drop table if exists bench_rows; create unlogged table bench_rows (id bigint, name text, price float8)");
    raw = PQconnectdb(url);
    if (PQstatus(raw) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(raw));
    check(PQprepare(raw, "s", "select name, price from bench_keys where id = $1", 0, nullptr));
  }
  ~Both() {
    PQfinish(raw);
    database->script("drop table bench_keys; drop table bench_rows");
  }

  base::RealRuntime runtime;
  base::RealFiles files{runtime};
  std::unique_ptr<Database> database;
  PGconn* raw = nullptr;
};

// Runs both once an iteration. A ratio of 1 is as fast as raw; the processor's time is this process's: the server's own
// is the same for both.
template <typename Raw, typename Ours>
void in_turns(benchmark::State& state, double count, Raw&& raw, Ours&& ours) {
  bench::Turns turns;
  std::vector<double> raw_rates, our_rates, ratios, raw_cpu, our_cpu, raw_sleeps, our_sleeps;
  for (auto _ : state) {
    const auto [raw_took, our_took] = turns(raw, ours);
    raw_rates.push_back(count / raw_took.wall_s);
    our_rates.push_back(count / our_took.wall_s);
    ratios.push_back(raw_took.wall_s / our_took.wall_s);
    raw_cpu.push_back(1e6 * raw_took.process_s / count);
    our_cpu.push_back(1e6 * our_took.process_s / count);
    raw_sleeps.push_back(raw_took.sleeps / count);
    our_sleeps.push_back(our_took.sleeps / count);
  }
  state.counters["raw_cpu_us"] = bench::median(raw_cpu);
  state.counters["our_cpu_us"] = bench::median(our_cpu);
  state.counters["raw_sleeps"] = bench::median(raw_sleeps);
  state.counters["our_sleeps"] = bench::median(our_sleeps);
  state.counters["raw_per_s"] = bench::median(raw_rates);
  state.counters["our_per_s"] = bench::median(our_rates);
  state.counters["ratio"] = bench::median(ratios);
}

// What a select sends, as the manual of libpq shows it, in the binary form.
struct RawKey {
  explicit RawKey(std::int64_t id)
      : wire(static_cast<std::int64_t>(__builtin_bswap64(static_cast<std::uint64_t>(id)))),
        value(reinterpret_cast<const char*>(&wire)) {}
  RawKey(const RawKey&) = delete;
  RawKey& operator=(const RawKey&) = delete;
  const std::int64_t wire;
  const char* const value;
  const int length = sizeof wire;
  const int format = 1;
};

void read_raw(PGresult* result) {
  if (PQntuples(result) != 1) throw std::runtime_error(PQresultErrorMessage(result));
  benchmark::DoNotOptimize(PQgetvalue(result, 0, 0));
  std::uint64_t price = 0;
  std::memcpy(&price, PQgetvalue(result, 0, 1), sizeof price);
  benchmark::DoNotOptimize(__builtin_bswap64(price));
  PQclear(result);
}

void select_raw(PGconn* connection, std::int64_t id) {
  const RawKey key(id);
  read_raw(PQexecPrepared(connection, "s", 1, &key.value, &key.length, &key.format, 1));
}

// Row by row, as ours reads them, so that a large result needs no memory.
void stream_raw(PGconn* connection, std::int64_t id) {
  const RawKey key(id);
  if (PQsendQueryPrepared(connection, "s", 1, &key.value, &key.length, &key.format, 1) != 1 ||
      PQsetSingleRowMode(connection) != 1) {
    throw std::runtime_error(PQerrorMessage(connection));
  }
  read_raw(PQgetResult(connection));
  while (PGresult* const rest = PQgetResult(connection)) check(rest);
}

// Keeps a process, or this thread (0), on some of the machine's cores; where that is not allowed it stays where it was.
void keep_on(pid_t process, unsigned first, unsigned end) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (unsigned core = first; core < end; ++core) CPU_SET(core, &cores);
  ::sched_setaffinity(process, sizeof cores, &cores);
}

enum class Cores { own, shared };

// The client on one core, and the server's two processes on another or on the same: where they go as they like, one of
// them soon shares the client's core and the other does not, which makes a factor of four.
struct InPlace {
  InPlace(PGconn* raw, Connection& ours, Cores cores) {
    if (cores_ < 2) return;
    const unsigned server = cores == Cores::own ? 0 : 1;
    keep_on(0, 1, 2);
    keep_on(PQbackendPID(raw), server, server + 1);
    keep_on(static_cast<pid_t>(ours.session_id()), server, server + 1);
  }
  ~InPlace() { keep_on(0, 0, cores_); }
  InPlace(const InPlace&) = delete;
  InPlace& operator=(const InPlace&) = delete;

 private:
  const unsigned cores_ = std::thread::hardware_concurrency();
};

void select(benchmark::State& state, void (*raw)(PGconn*, std::int64_t), Cores cores) {
  Both both;
  auto connection = both.database->connect();
  const InPlace in_place(both.raw, connection, cores);
  auto statement = connection.prepare("select name, price from bench_keys where id = ?");
  std::int64_t id = 0;
  const auto next = [&] { return id = id % kKeys + 1; };
  in_turns(
      state, kSelects,
      [&] {
        for (int i = 0; i < kSelects; ++i) raw(both.raw, next());
      },
      [&] {
        for (int i = 0; i < kSelects; ++i) {
          auto rows = statement.query(next());
          if (!rows.next()) throw std::runtime_error("no row");
          benchmark::DoNotOptimize(rows.row().get<std::string_view>(0));
          benchmark::DoNotOptimize(rows.row().get<double>(1));
          if (rows.next()) throw std::runtime_error("two rows");
        }
      });
}

#define SELECT_BENCHMARK(name) BENCHMARK(name)->Unit(benchmark::kMillisecond)->MinTime(5)->UseRealTime()

void PointSelect(benchmark::State& state) { select(state, select_raw, Cores::own); }
SELECT_BENCHMARK(PointSelect);
void PointSelectOnSharedCore(benchmark::State& state) { select(state, select_raw, Cores::shared); }
SELECT_BENCHMARK(PointSelectOnSharedCore);
void PointSelectRowByRow(benchmark::State& state) { select(state, stream_raw, Cores::own); }
SELECT_BENCHMARK(PointSelectRowByRow);
void PointSelectRowByRowOnSharedCore(benchmark::State& state) { select(state, stream_raw, Cores::shared); }
SELECT_BENCHMARK(PointSelectRowByRowOnSharedCore);

void copy_raw(PGconn* connection) {
  check(PQexec(connection, "begin"));
  check(PQexec(connection, "copy bench_rows (id, name, price) from stdin (format binary)"));
  std::string buffer("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  const auto append = [&](auto number) { buffer.append(reinterpret_cast<const char*>(&number), sizeof number); };
  for (std::int64_t i = 0; i < kBulkRows; ++i) {
    const auto name = "name " + std::to_string(i % 100);
    append(__builtin_bswap16(3));
    append(__builtin_bswap32(8));
    append(__builtin_bswap64(static_cast<std::uint64_t>(i)));
    append(__builtin_bswap32(static_cast<std::uint32_t>(name.size())));
    buffer += name;
    append(__builtin_bswap32(8));
    const auto price = static_cast<double>(i);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &price, sizeof bits);
    append(__builtin_bswap64(bits));
    if (buffer.size() >= 64 << 10) {
      if (PQputCopyData(connection, buffer.data(), static_cast<int>(buffer.size())) != 1)
        throw std::runtime_error("copy");
      buffer.clear();
    }
  }
  append(__builtin_bswap16(0xffff));
  PQputCopyData(connection, buffer.data(), static_cast<int>(buffer.size()));
  PQputCopyEnd(connection, nullptr);
  while (PGresult* const result = PQgetResult(connection)) check(result);
  check(PQexec(connection, "commit"));
}

void Bulk(benchmark::State& state) {
  Both both;
  auto connection = both.database->connect();
  const auto empty = [&] { connection.execute("truncate bench_rows"); };
  in_turns(
      state, kBulkRows,
      [&] {
        empty();
        copy_raw(both.raw);
      },
      [&] {
        empty();
        auto bulk = connection.bulk("bench_rows", {"id", "name", "price"});
        for (std::int64_t i = 0; i < kBulkRows; ++i) {
          bulk.append(i, "name " + std::to_string(i % 100), static_cast<double>(i));
        }
        bulk.finish();
      });
}
BENCHMARK(Bulk)->Unit(benchmark::kMillisecond)->MinTime(3)->UseRealTime();

// 16 tasks that share 4 connections, each taking one for each statement, against 4 tasks with one each. All take what
// is next to do until all is done, so that none is left to itself at the end; so much that starting them is nothing.
void Pool(benchmark::State& state) {
  Both both(4);
  constexpr int kTotal = 40'000;
  const auto work = [&](int tasks, bool dedicated) {
    std::atomic<int> next = 0;
    const auto select = [](Connection& on, int i) {
      benchmark::DoNotOptimize(on.one<double>("select price from bench_keys where id = ?", i % kKeys + 1));
    };
    std::vector<base::Task> all;
    for (int task = 0; task < tasks; ++task) {
      all.push_back(both.runtime.spawn("user", [&](const std::stop_token&) {
        std::optional<Connection> mine;
        if (dedicated) mine = both.database->connect();
        for (int i = next++; i < kTotal; i = next++) {
          if (mine) {
            select(*mine, i);
          } else {
            auto one = both.database->connect();
            select(one, i);
          }
        }
      }));
    }
    for (auto& task : all) task.join();
  };
  in_turns(
      state, kTotal, [&] { work(4, true); }, [&] { work(16, false); });
}
BENCHMARK(Pool)->Unit(benchmark::kMillisecond)->MinTime(8)->UseRealTime();

}  // namespace
}  // namespace tidelock::sql

BENCHMARK_MAIN();

// What the sql room costs above the engine's own client: each benchmark runs both in turns, on the same file, and
// reports the median of the ratios.
#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {
namespace {

constexpr int kRows = 10'000;
constexpr int kBatch = 1000;

// A database file of its own in /tmp, open both ways.
class Both {
 public:
  Both() : folder_(std::filesystem::temp_directory_path() / "tidelock-bench-sql") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    const auto path = (folder_ / "bench.db").string();
    database = open(runtime, files, base::Url::parse("sqlite:" + path));
    database->script("create table t (id integer primary key, name text, amount integer)");
    auto connection = database->connect();
    auto bulk = connection.bulk("t", {"id", "name", "amount"});
    for (int i = 0; i < kRows; ++i) bulk.append(i, "name of row " + std::to_string(i), i * 7);
    bulk.finish();
    // Opened as the library opens it.
    sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    run("pragma synchronous = normal");
  }
  ~Both() {
    database.reset();
    sqlite3_close_v2(raw);
    std::filesystem::remove_all(folder_);
  }

  void run(const char* sql) { sqlite3_exec(raw, sql, nullptr, nullptr, nullptr); }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v3(raw, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    return statement;
  }

  base::RealRuntime runtime;
  base::RealFiles files{runtime};
  std::unique_ptr<Database> database;
  sqlite3* raw = nullptr;

 private:
  std::filesystem::path folder_;
};

// Runs both once an iteration, for `operations` each.
template <typename Raw, typename Ours>
void in_turns(benchmark::State& state, int operations, Raw&& raw, Ours&& ours) {
  bench::Turns turns;
  std::vector<double> raw_ns, ours_ns, ratios;
  for (auto _ : state) {
    const auto [raw_took, ours_took] = turns(raw, ours);
    raw_ns.push_back(raw_took.thread_s / operations * 1e9);
    ours_ns.push_back(ours_took.thread_s / operations * 1e9);
    ratios.push_back(ours_took.thread_s / raw_took.thread_s);
  }
  state.counters["raw_ns"] = bench::median(raw_ns);
  state.counters["ours_ns"] = bench::median(ours_ns);
  state.counters["ratio"] = bench::median(ratios);
}

std::uint64_t next_random(std::uint64_t& state) {
  state = state * 6364136223846793005U + 1442695040888963407U;
  return state >> 33;
}

// Bind a key, step, read one integer column, reset. In a transaction (range 1) a select takes no locks of its own.
void sqlite_point_select(benchmark::State& state) {
  Both both;
  const bool in_transaction = state.range(0) == 1;
  auto* const raw = both.prepare("select amount from t where id = ?");
  auto connection = both.database->connect();
  std::optional<Transaction> transaction;
  if (in_transaction) {
    both.run("begin");
    transaction.emplace(connection.begin({.read_only = true}));
  }
  auto statement = in_transaction ? transaction->prepare("select amount from t where id = ?")
                                  : connection.prepare("select amount from t where id = ?");
  std::uint64_t key = 1;
  std::int64_t sum = 0;
  in_turns(
      state, kBatch,
      [&] {
        for (int i = 0; i < kBatch; ++i) {
          sqlite3_bind_int64(raw, 1, static_cast<std::int64_t>(next_random(key) % kRows));
          if (sqlite3_step(raw) == SQLITE_ROW) sum += sqlite3_column_int64(raw, 0);
          sqlite3_reset(raw);
        }
      },
      [&] {
        for (int i = 0; i < kBatch; ++i) {
          auto rows = statement.query(static_cast<std::int64_t>(next_random(key) % kRows));
          if (rows.next()) sum += rows.row().get<std::int64_t>(0);
        }
      });
  benchmark::DoNotOptimize(sum);
  sqlite3_finalize(raw);
}
BENCHMARK(sqlite_point_select)->ArgName("in_transaction")->Arg(0)->Arg(1);

// The same with a text column besides.
void sqlite_point_select_of_text(benchmark::State& state) {
  Both both;
  auto* const raw = both.prepare("select name, amount from t where id = ?");
  auto connection = both.database->connect();
  auto statement = connection.prepare("select name, amount from t where id = ?");
  std::uint64_t key = 1;
  std::size_t sum = 0;
  in_turns(
      state, kBatch,
      [&] {
        for (int i = 0; i < kBatch; ++i) {
          sqlite3_bind_int64(raw, 1, static_cast<std::int64_t>(next_random(key) % kRows));
          if (sqlite3_step(raw) == SQLITE_ROW) {
            sum += *sqlite3_column_text(raw, 0) + static_cast<std::size_t>(sqlite3_column_bytes(raw, 0));
            sum += static_cast<std::size_t>(sqlite3_column_int64(raw, 1));
          }
          sqlite3_reset(raw);
        }
      },
      [&] {
        for (int i = 0; i < kBatch; ++i) {
          auto rows = statement.query(static_cast<std::int64_t>(next_random(key) % kRows));
          if (!rows.next()) continue;
          const auto row = rows.row();
          const auto name = row.get<std::string_view>(0);
          sum += static_cast<unsigned char>(name.front()) + name.size() +
                 static_cast<std::size_t>(row.get<std::int64_t>(1));
        }
      });
  benchmark::DoNotOptimize(sum);
  sqlite3_finalize(raw);
}
BENCHMARK(sqlite_point_select_of_text);

// All rows of the table, an integer and a text each; per row.
void sqlite_scan(benchmark::State& state) {
  Both both;
  auto* const raw = both.prepare("select id, name from t");
  auto connection = both.database->connect();
  auto statement = connection.prepare("select id, name from t");
  std::size_t sum = 0;
  in_turns(
      state, kRows,
      [&] {
        while (sqlite3_step(raw) == SQLITE_ROW) {
          sum += static_cast<std::size_t>(sqlite3_column_int64(raw, 0));
          sum += *sqlite3_column_text(raw, 1) + static_cast<std::size_t>(sqlite3_column_bytes(raw, 1));
        }
        sqlite3_reset(raw);
      },
      [&] {
        for (const auto row : statement.query()) {
          sum += static_cast<std::size_t>(row.get<std::int64_t>(0));
          const auto name = row.get<std::string_view>(1);
          sum += static_cast<unsigned char>(name.front()) + name.size();
        }
      });
  benchmark::DoNotOptimize(sum);
  sqlite3_finalize(raw);
}
BENCHMARK(sqlite_scan);

// A transaction of one update, with the position of its commit.
void sqlite_commit(benchmark::State& state) {
  Both both;
  auto* const begin = both.prepare("begin immediate");
  auto* const update = both.prepare("update t set amount = ? where id = ?");
  auto* const commit = both.prepare("commit");
  const auto finish = [](sqlite3_stmt* statement) {
    sqlite3_step(statement);
    sqlite3_reset(statement);
  };
  auto connection = both.database->connect();
  std::uint64_t key = 1;
  in_turns(
      state, 100,
      [&] {
        for (int i = 0; i < 100; ++i) {
          finish(begin);
          sqlite3_bind_int64(update, 1, i);
          sqlite3_bind_int64(update, 2, static_cast<std::int64_t>(next_random(key) % kRows));
          finish(update);
          finish(commit);
        }
      },
      [&] {
        for (int i = 0; i < 100; ++i) {
          auto transaction = connection.begin();
          transaction.execute("update t set amount = ? where id = ?", i, next_random(key) % kRows);
          transaction.commit();
        }
      });
  for (auto* const statement : {begin, update, commit}) sqlite3_finalize(statement);
}
BENCHMARK(sqlite_commit);

// Rows into an empty table in one transaction; per row.
void sqlite_bulk(benchmark::State& state) {
  Both both;
  both.database->script("create table b (id integer, name text, amount real)");
  auto* const insert = both.prepare("insert into b (id, name, amount) values (?, ?, ?)");
  auto connection = both.database->connect();
  in_turns(
      state, kRows,
      [&] {
        both.run("delete from b");
        both.run("begin immediate");
        for (int i = 0; i < kRows; ++i) {
          sqlite3_bind_int64(insert, 1, i);
          sqlite3_bind_text(insert, 2, "some name", 9, SQLITE_STATIC);
          sqlite3_bind_double(insert, 3, i * 0.5);
          sqlite3_step(insert);
          sqlite3_reset(insert);
        }
        both.run("commit");
      },
      [&] {
        connection.execute("delete from b");
        auto bulk = connection.bulk("b", {"id", "name", "amount"});
        for (int i = 0; i < kRows; ++i) bulk.append(i, "some name", i * 0.5);
        bulk.finish();
      });
  sqlite3_finalize(insert);
}
BENCHMARK(sqlite_bulk);

// Taking a connection of the pool and giving it back.
void pool_checkout(benchmark::State& state) {
  Both both;
  for (auto _ : state) benchmark::DoNotOptimize(both.database->connect());
}
BENCHMARK(pool_checkout);

}  // namespace
}  // namespace tidelock::sql

BENCHMARK_MAIN();

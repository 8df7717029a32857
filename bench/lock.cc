// What a lock costs: in memory, handed from task to task, and in a database against the same statements run bare. Those
// of servers need TIDELOCK_TEST_POSTGRES and TIDELOCK_TEST_MARIADB (scripts/services run -- build/bench_lock).
#include <benchmark/benchmark.h>
#include <sqlite3.h>

#if TIDELOCK_HAVE_POSTGRES
#include <libpq-fe.h>
#endif

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/lock/backends/sql/server_statements.h"
#include "tidelock/lock/backends/sql/sqlite_statements.h"
#include "tidelock/lock/mutex.h"

namespace tidelock::lock {
namespace {

constexpr auto kNever = base::Deadline::never();

// Items are pairs of acquire and release, by one task.
void memory_pair(benchmark::State& state) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto backend = open_backend(runtime, files, base::Url::parse("memory:"));
  Mutex mutex(*backend, runtime, "prices/eurusd");
  for (auto _ : state) {
    const auto lease = state.range(0) == 0 ? mutex.try_acquire(kNever) : mutex.acquire(kNever);
    mutex.release(*lease, kNever);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(memory_pair)->ArgName("waiting")->Arg(0)->Arg(1);

// Items are pairs, by one task that goes through many keys.
void memory_pair_of_many_keys(benchmark::State& state) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto backend = open_backend(runtime, files, base::Url::parse("memory:"));
  std::vector<std::unique_ptr<Mutex>> mutexes;
  for (int i = 0; i < state.range(0); ++i) {
    mutexes.push_back(std::make_unique<Mutex>(*backend, runtime, "prices/" + std::to_string(i)));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    auto& mutex = *mutexes[next];
    next = next + 1 == mutexes.size() ? 0 : next + 1;
    mutex.release(*mutex.try_acquire(kNever), kNever);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(memory_pair_of_many_keys)->ArgName("keys")->Arg(1000)->Arg(100'000);

// Two tasks, each a thread, pass a turn to each other by a signal: the floor of a hand-over.
void signal_hand_over(benchmark::State& state) {
  base::RealRuntime runtime;
  const auto ours = runtime.make_signal("ours");
  const auto theirs = runtime.make_signal("theirs");
  auto other = runtime.spawn("other", [&](const std::stop_token& stop) {
    for (std::uint64_t seen = 0; !stop.stop_requested(); ++seen) {
      theirs->wait(seen, kNever, stop);
      ours->notify_all();
    }
  });
  for (std::uint64_t seen = 0; auto _ : state) {
    theirs->notify_all();
    ours->wait(seen++, kNever);
  }
  other.request_stop();
  other.join();
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(signal_hand_over)->UseRealTime();

// Items are hand-overs: two tasks want one lock all the time and wait for each other.
void hand_over(benchmark::State& state, const std::string& url) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto backend = open_backend(runtime, files, base::Url::parse(url));
  Mutex mutex(*backend, runtime, "prices/eurusd");
  const auto take_turn = [&](const std::stop_token& stop) {
    if (const auto lease = mutex.acquire(kNever, stop)) mutex.release(*lease, kNever);
  };
  auto other = runtime.spawn("other", [&](const std::stop_token& stop) {
    while (!stop.stop_requested()) take_turn(stop);
  });
  for (auto _ : state) take_turn({});
  other.request_stop();
  other.join();
  state.SetItemsProcessed(2 * state.iterations());
}

// A folder of its own in /tmp.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / "tidelock-bench-lock") {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

void memory_hand_over(benchmark::State& state) { hand_over(state, "memory:"); }
BENCHMARK(memory_hand_over)->UseRealTime();

void sqlite_hand_over(benchmark::State& state) {
  const Folder folder;
  hand_over(state, "sqlite:" + folder.file("locks.db"));
}
BENCHMARK(sqlite_hand_over)->UseRealTime();

// The transactions of an uncontended pair, and nothing else: with the statements that ours runs, or with the one for
// the token that comes to mind first.
class BarePair {
 public:
  enum class Token { as_ours, by_returning };

  BarePair(const std::string& path, Token token) {
    sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    run("pragma journal_mode = wal");
    run("pragma synchronous = normal");
    run(std::string(kSqliteStatements.schema.steps[0]).c_str());
    begin_ = prepare("begin immediate");
    commit_ = prepare("commit");
    leases_ = prepare(kSqliteStatements.leases_of_key);
    waiters_ = prepare(kSqliteStatements.waiters_of_key);
    const std::string raise(kSqliteStatements.raise_token);
    raise_ = prepare(token == Token::by_returning ? raise + " returning token" : raise);
    if (token == Token::as_ours) token_ = prepare(kSqliteStatements.token);
    insert_ = prepare(kSqliteStatements.insert_lease);
    lease_ = prepare(kSqliteStatements.lease);
    delete_ = prepare(kSqliteStatements.delete_lease);
  }
  ~BarePair() {
    for (auto* statement : {begin_, commit_, leases_, waiters_, raise_, token_, insert_, lease_, delete_}) {
      sqlite3_finalize(statement);
    }
    sqlite3_close_v2(db_);
  }
  BarePair(const BarePair&) = delete;
  BarePair& operator=(const BarePair&) = delete;

  void pair() {
    step(begin_);
    step(leases_, kKey);
    step(waiters_, kKey);
    auto token = step(raise_, kKey, ++count_);
    if (token_ != nullptr) token = step(token_, kKey);
    step(insert_, kKey, kClaim, kOwner, "host.example", 4711, token, 1, 1'700'000'000'000'000, kBoot, 123'456'789'012);
    step(commit_);
    step(begin_);
    step(lease_, kKey, kClaim);
    step(delete_, kKey, kClaim);
    step(commit_);
  }

 private:
  static constexpr std::string_view kKey = "prices/eurusd";
  static constexpr std::string_view kClaim = "0190163d-8694-839b-8000-5be53271bb5c";
  static constexpr std::string_view kOwner = "0190163d-8694-739b-aea5-966c26f8ad91/4711";
  static constexpr std::string_view kBoot = "3f2f1e6e-5f6c-4c0e-9d3c-2b1a0f9e8d7c";

  void run(const char* sql) { sqlite3_exec(db_, sql, nullptr, nullptr, nullptr); }
  sqlite3_stmt* prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    return statement;
  }
  static void bind(sqlite3_stmt* statement, int at, std::string_view text) {
    sqlite3_bind_text(statement, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
  static void bind(sqlite3_stmt* statement, int at, std::int64_t number) { sqlite3_bind_int64(statement, at, number); }

  // Runs to the end; the first column of the last row.
  template <typename... Args>
  std::int64_t step(sqlite3_stmt* statement, const Args&... args) {
    int at = 0;
    (bind(statement, ++at, args), ...);
    std::int64_t value = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return value;
  }

  sqlite3* db_ = nullptr;
  std::int64_t count_ = 0;
  sqlite3_stmt *begin_, *commit_, *leases_, *waiters_, *raise_, *token_ = nullptr, *insert_, *lease_, *delete_;
};

// A batch of ours and a bare one in turns. `of_bare`: how much of its speed is left.
template <typename Ours, typename Bare>
void in_turns(benchmark::State& state, int batch, double bench::Took::*time, Ours&& ours, Bare&& bare) {
  const auto in_a_row = [batch](auto& pair) {
    return [batch, &pair] {
      for (int i = 0; i < batch; ++i) pair();
    };
  };
  bench::Turns turns;
  std::vector<double> ours_ns, bare_ns, ratios;
  for (auto _ : state) {
    const auto [our, raw] = turns(in_a_row(ours), in_a_row(bare));
    ours_ns.push_back(our.*time / batch * 1e9);
    bare_ns.push_back(raw.*time / batch * 1e9);
    ratios.push_back(raw.*time / (our.*time));
  }
  state.counters["bare_ns"] = bench::median(bare_ns);
  state.counters["ours_ns"] = bench::median(ours_ns);
  state.counters["of_bare"] = bench::median(ratios);
}

// An uncontended pair in a file.
void sqlite_pair(benchmark::State& state, BarePair::Token token) {
  constexpr int kBatch = 500;
  const Folder folder;
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto backend = open_backend(runtime, files, base::Url::parse("sqlite:" + folder.file("ours.db")));
  Mutex mutex(*backend, runtime, "prices/eurusd");
  BarePair bare(folder.file("bare.db"), token);
  in_turns(
      state, kBatch, &bench::Took::thread_s,
      [&] { mutex.release(*mutex.try_acquire(runtime.in(std::chrono::seconds(5))), kNever); }, [&] { bare.pair(); });
}
BENCHMARK_CAPTURE(sqlite_pair, same_statements, BarePair::Token::as_ours)->MinTime(2);
BENCHMARK_CAPTURE(sqlite_pair, token_by_returning, BarePair::Token::by_returning)->MinTime(2);

// --- On servers ---------------------------------------------------------------------------------------------------

#if TIDELOCK_HAVE_POSTGRES
// The two statements of an uncontended pair by libpq, on the tables that are there, and nothing else.
class BarePostgresPair {
 public:
  explicit BarePostgresPair(const char* url) : connection_(PQconnectdb(url)) {
    prepare("grant", kPostgresStatements.quick_grant);
    prepare("drop", kPostgresStatements.quick_drop);
  }
  ~BarePostgresPair() { PQfinish(connection_); }
  BarePostgresPair(const BarePostgresPair&) = delete;
  BarePostgresPair& operator=(const BarePostgresPair&) = delete;

  void pair() {
    const char* const claim = "0190163d-8694-839b-8000-5be53271bb5c";
    const char* const owner = "0190163d-8694-739b-aea5-966c26f8ad91/4711";
    run("grant", std::array{"prices/bare", claim, owner, "host.example", "4711", "1", "10000000"});
    run("drop", std::array{"prices/bare", claim, static_cast<const char*>(nullptr), owner, owner});
  }

 private:
  static std::string written(std::string_view text) {
    std::string out;
    for (int number = 0; !text.empty(); text.remove_prefix(1)) {
      if (text.starts_with("{now}")) {
        out += kPostgresStatements.now;
        text.remove_prefix(4);
      } else if (text.front() == '?') {
        out += "$" + std::to_string(++number);
      } else {
        out += text.front();
      }
    }
    return out;
  }
  static void check(PGresult* result) {
    const bool failed = PQresultStatus(result) == PGRES_FATAL_ERROR;
    const std::string message = PQresultErrorMessage(result);
    PQclear(result);
    if (failed) throw std::runtime_error(message);
  }
  void prepare(const char* name, std::string_view text) {
    check(PQprepare(connection_, name, written(text).c_str(), 0, nullptr));
  }
  template <std::size_t N>
  void run(const char* name, const std::array<const char*, N>& values) {
    check(PQexecPrepared(connection_, name, N, values.data(), nullptr, nullptr, 1));
  }

  PGconn* connection_;
};

// An uncontended pair; the server works beside, so it is the wall's time that counts.
void postgres_pair(benchmark::State& state) {
  constexpr int kBatch = 200;
  const char* const url = std::getenv("TIDELOCK_TEST_POSTGRES");
  if (url == nullptr) return state.SkipWithError("TIDELOCK_TEST_POSTGRES names no server");
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto backend = open_backend(runtime, files, base::Url::parse(url));
  Mutex mutex(*backend, runtime, "prices/eurusd");
  BarePostgresPair bare(url);
  in_turns(
      state, kBatch, &bench::Took::wall_s,
      [&] { mutex.release(*mutex.try_acquire(runtime.in(std::chrono::seconds(5))), kNever); }, [&] { bare.pair(); });
}
BENCHMARK(postgres_pair)->MinTime(3)->UseRealTime();
#endif

void server_hand_over(benchmark::State& state, const char* variable) {
  const char* const url = std::getenv(variable);
  if (url == nullptr) return state.SkipWithError("no server is named");
  hand_over(state, url);
}
void postgres_hand_over(benchmark::State& state) { server_hand_over(state, "TIDELOCK_TEST_POSTGRES"); }
BENCHMARK(postgres_hand_over)->MinTime(2)->UseRealTime();
void mariadb_hand_over(benchmark::State& state) { server_hand_over(state, "TIDELOCK_TEST_MARIADB"); }
BENCHMARK(mariadb_hand_over)->MinTime(2)->UseRealTime();

}  // namespace
}  // namespace tidelock::lock

BENCHMARK_MAIN();

// What the sql room costs above libmariadb: each benchmark runs both in turns, on the same server, and reports the
// median of the ratios. Needs TIDELOCK_TEST_MARIADB (scripts/services up).
#if TIDELOCK_HAVE_MARIADB
#include <benchmark/benchmark.h>
#include <mysql.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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
constexpr int kSelects = 100;
constexpr int kBulkRows = 100'000;

// One table, open both ways.
class Both {
 public:
  Both() {
    const auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_MARIADB"));
    database = open(runtime, files, url);
    database->script(
        "drop table if exists bench_t; drop table if exists bench_b;"
        "create table bench_t (id bigint primary key, name varchar(40), amount bigint);"
        "create table bench_b (id bigint primary key, r double, name varchar(40), price decimal(20, 6))");
    auto connection = database->connect();
    auto bulk = connection.bulk("bench_t", {"id", "name", "amount"});
    for (int i = 0; i < kRows; ++i) bulk.append(i, "name of row " + std::to_string(i), i * 7);
    bulk.finish();
    raw = mysql_init(nullptr);
    const unsigned on = 1;
    mysql_options(raw, MYSQL_OPT_LOCAL_INFILE, &on);
    mysql_options(raw, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_real_connect(raw, url.hosts.front().name.c_str(), url.user.c_str(), url.password.reveal().c_str(),
                       url.path.substr(1).c_str(), url.hosts.front().port.value_or(3306), nullptr, 0);
  }
  ~Both() {
    database->script("drop table bench_t; drop table bench_b");
    mysql_close(raw);
  }
  void run(const std::string& sql) {
    if (mysql_real_query(raw, sql.data(), sql.size()) != 0) std::fprintf(stderr, "%s\n", mysql_error(raw));
  }

  base::RealRuntime runtime;
  base::RealFiles files{runtime};
  std::unique_ptr<Database> database;
  MYSQL* raw = nullptr;
};

// Runs both once an iteration. A ratio of 1 is as fast as raw, as of speeds; the processor's time is this process's:
// the server's own is the same for both.
template <typename Raw, typename Ours>
void in_turns(benchmark::State& state, int operations, Raw&& raw, Ours&& ours) {
  bench::Turns turns;
  std::vector<double> raw_us, ours_us, ratios, raw_cpu_us, ours_cpu_us;
  for (auto _ : state) {
    const auto [raw_took, our_took] = turns(raw, ours);
    raw_us.push_back(raw_took.wall_s / operations * 1e6);
    ours_us.push_back(our_took.wall_s / operations * 1e6);
    ratios.push_back(raw_took.wall_s / our_took.wall_s);
    raw_cpu_us.push_back(raw_took.process_s / operations * 1e6);
    ours_cpu_us.push_back(our_took.process_s / operations * 1e6);
  }
  state.counters["raw_us"] = bench::median(raw_us);
  state.counters["ours_us"] = bench::median(ours_us);
  state.counters["ratio"] = bench::median(ratios);
  state.counters["raw_cpu_us"] = bench::median(raw_cpu_us);
  state.counters["ours_cpu_us"] = bench::median(ours_cpu_us);
}

// A key in, one integer out, prepared once.
void mariadb_point_select(benchmark::State& state) {
  Both both;
  constexpr std::string_view kSelect = "select amount from bench_t where id = ?";
  MYSQL_STMT* const raw = mysql_stmt_init(both.raw);
  mysql_stmt_prepare(raw, kSelect.data(), kSelect.size());
  std::int64_t key = 0, amount = 0, sum = 0;
  MYSQL_BIND in{}, out{};
  in.buffer_type = out.buffer_type = MYSQL_TYPE_LONGLONG;
  in.buffer = &key;
  out.buffer = &amount;
  mysql_stmt_bind_param(raw, &in);
  mysql_stmt_bind_result(raw, &out);
  auto connection = both.database->connect();
  auto statement = connection.prepare(kSelect);
  in_turns(
      state, kSelects,
      [&] {
        for (int i = 0; i < kSelects; ++i) {
          key = i * 17 % kRows;
          mysql_stmt_execute(raw);
          while (mysql_stmt_fetch(raw) == 0) sum += amount;
        }
      },
      [&] {
        for (int i = 0; i < kSelects; ++i) {
          auto rows = statement.query(i * 17 % kRows);
          while (rows.next()) sum += rows.row().get<std::int64_t>(0);
        }
      });
  benchmark::DoNotOptimize(sum);
  mysql_stmt_close(raw);
}
BENCHMARK(mariadb_point_select)->Iterations(401)->UseRealTime();

struct Piece {
  const std::string* text;
  std::size_t at = 0;
};
int begin_piece(void** data, const char*, void* piece) {
  *data = piece;
  return 0;
}
int read_piece(void* data, char* out, unsigned size) {
  auto& piece = *static_cast<Piece*>(data);
  const auto count = std::min<std::size_t>(size, piece.text->size() - piece.at);
  std::memcpy(out, piece.text->data() + piece.at, count);
  piece.at += count;
  return static_cast<int>(count);
}
void end_piece(void*) {}
int no_error(void*, char* text, unsigned) {
  text[0] = '\0';
  return 0;
}

// bulk() against LOAD DATA LOCAL of a text that is in memory; putting the text together counts for both.
void mariadb_bulk(benchmark::State& state) {
  Both both;
  auto connection = both.database->connect();
  in_turns(
      state, kBulkRows,
      [&] {
        std::string text;
        char line[128];
        for (int i = 0; i < kBulkRows; ++i) {
          const int size = std::snprintf(line, sizeof line, "%d\t%.17g\tsome name\t%d.250000\n", i, i * 0.5, i);
          text.append(line, static_cast<std::size_t>(size));
        }
        Piece piece{&text};
        mysql_set_local_infile_handler(both.raw, begin_piece, read_piece, end_piece, no_error, &piece);
        both.run("truncate table bench_b");
        both.run("begin");
        both.run("load data local infile 'x' into table bench_b");
        both.run("commit");
      },
      [&] {
        connection.execute("truncate table bench_b");
        auto bulk = connection.bulk("bench_b", {"id", "r", "name", "price"});
        for (int i = 0; i < kBulkRows; ++i) bulk.append(i, i * 0.5, "some name", Decimal(std::to_string(i) + ".25"));
        bulk.finish();
      });
}
BENCHMARK(mariadb_bulk)->Iterations(9)->UseRealTime();

}  // namespace
}  // namespace tidelock::sql

int main(int argc, char** argv) {
  if (std::getenv("TIDELOCK_TEST_MARIADB") == nullptr) {
    std::fputs("TIDELOCK_TEST_MARIADB names no server: scripts/services up starts one\n", stderr);
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
#else
int main() { return 0; }
#endif

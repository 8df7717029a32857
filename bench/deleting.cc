// How long DELETE, TRUNCATE and DROP take for all rows of a table, on every engine that there is (servers: those that
// scripts/services names), with few rows and with ten times as many. Prints a line for each: milliseconds of the
// fastest of a few runs, over the wall's clock.
//
//   scripts/services run -- build/bench_deleting [ROWS]      ROWS: the larger number, 200000
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {
namespace {

constexpr int kRuns = 3;
constexpr const char* kTable = "tidelock_bench_deleting";

void fill(Database& db, std::int64_t rows) {
  db.script(std::string("drop table if exists ") + kTable + "; create table " + kTable +
            " (id bigint primary key, s varchar(100))");
  auto connection = db.connect();
  auto bulk = connection.bulk(kTable, {"id", "s"});
  for (std::int64_t i = 0; i < rows; ++i) bulk.append(i, "a row of some length, as rows are");
  bulk.finish();
}

double best_ms(base::Runtime& runtime, Database& db, const std::string& statement, std::int64_t rows) {
  double best = 1e300;
  for (int run = 0; run < kRuns; ++run) {
    fill(db, rows);
    auto connection = db.connect();
    const auto begin = runtime.now();
    connection.execute(statement);
    best = std::min(best, static_cast<double>((runtime.now() - begin).count()) / 1e6);
  }
  return best;
}

void measure(base::Runtime& runtime, base::Files& files, const std::string& url, std::int64_t rows) {
  const auto db = open(runtime, files, base::Url::parse(url));
  const std::string table = kTable;
  for (const auto& statement : {"delete from " + table, "truncate table " + table, "drop table " + table}) {
    try {
      const auto few = best_ms(runtime, *db, statement, rows / 10);
      const auto many = best_ms(runtime, *db, statement, rows);
      std::printf("%-10s %-40s %9.2f ms %9.2f ms  x %.1f\n", db->dialect().engine.c_str(), statement.c_str(), few, many,
                  many / few);
    } catch (const Error& error) {
      if (error.code() != Code::statement_invalid) throw;
      std::printf("%-10s %-40s there is none\n", db->dialect().engine.c_str(), statement.c_str());
    }
  }
  db->script("drop table if exists " + table);
}

int run(std::int64_t rows) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto folder = std::filesystem::temp_directory_path() / ("tidelock-bench-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::vector<std::string> urls;
  for (const auto& engine : engines()) {
    if (!engine.available) continue;
    if (engine.scheme == "sqlite" || engine.scheme == "duckdb") {
      urls.push_back(engine.scheme + ":" + (folder / engine.scheme).string());
    }
  }
  for (const auto* const variable : {"TIDELOCK_TEST_POSTGRES", "TIDELOCK_TEST_MARIADB"}) {
    if (const char* const url = std::getenv(variable)) urls.emplace_back(url);
  }
  std::printf("%-51s %9lld rows %7lld rows\n", "", static_cast<long long>(rows / 10), static_cast<long long>(rows));
  for (const auto& url : urls) measure(runtime, files, url, rows);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace tidelock::sql

int main(int count, char** words) {
  try {
    return tidelock::sql::run(count > 1 ? std::atoll(words[1]) : 200'000);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_deleting: %s\n", error.what());
    return 1;
  }
}

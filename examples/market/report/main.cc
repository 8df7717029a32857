// Writes the closing report: one HTML page from the market database or a replica of it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "examples/market/report/page.h"
#include "examples/market/report/read.h"
#include "examples/market/report/text.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"

namespace {

void write_report(const std::string& database, const std::string& file) {
  tidelock::base::RealRuntime runtime;
  tidelock::base::RealFiles files(runtime);
  const auto db = tidelock::sql::open(runtime, files, tidelock::base::Url::parse("duckdb:" + database),
                                      {.max_connections = 1, .read_only = true});
  auto connection = db->connect();
  tidelock::sql::TransactionOptions read_only;
  read_only.read_only = true;
  auto transaction = connection.begin(read_only);
  const auto report = market::read_report(transaction);
  const std::string html = report ? market::page(*report) : market::empty_page();
  files.write_atomically(file, html);
  fmt::print("{}: {}, {} KB\n", file, report ? market::long_date(report->day) : "no closed day", html.size() / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Writes the closing report of the market example as one HTML page.");
  std::string database;
  std::string file = "report.html";
  app.add_option("database", database, "The DuckDB file to read: a replica's current.db")->required();
  app.add_option("--to", file, "The page to write; it is replaced at once, never half written")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    write_report(database, file);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "market_report: {}\n", error.what());
    return 1;
  }
}

// Walks the prices of the watched symbols through the topic `prices`.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "examples/market/live/books.h"
#include "examples/market/live/producer.h"
#include "examples/market/live/program.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/log_sinks.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/broker/backends/all.h"

int main(int argc, char** argv) {
  namespace base = tidelock::base;
  CLI::App app(
      "Publishes each watched symbol's prices of the day, tick by tick, keyed by symbol. The watchlist comes from the\n"
      "replica; without one a default list is watched. Stops at SIGTERM; killed, it goes on where the topic ends.");
  std::string replica, master, broker_url, bars, from, pace = "10ms", status = "producer.json";
  market::ProducerOptions options;
  auto* const books_from = app.add_option_group("books");
  books_from->add_option("--replica", replica, "Folder of the replica to read");
  books_from->add_option("--master", master, "Read the jobs' own file instead, to see what then happens");
  books_from->require_option(1);
  app.add_option("--broker", broker_url, "Where the topic is, as sqlite:prices.db")->required();
  app.add_option("--bars", bars, "The exchange: a CSV file of daily bars, may be .zst")->required();
  app.add_option(
      "--from", from,
      "The market day to begin with while there is no replica, as 2018-01-03\n(default: the first of the bars)");
  app.add_option("--ticks", options.ticks, "Ticks of a symbol and day")
      ->check(CLI::Range(2, 100'000))
      ->capture_default_str();
  app.add_option("--pace", pace, "Rest between two ticks of a symbol")->capture_default_str();
  app.add_option("--status", status, "File of counters, replaced at once, never half written")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  base::RealRuntime runtime;
  return market::run_until_signalled(runtime, "market_producer", [&](const std::stop_token& stop) {
    options.pace = base::parse_duration(pace);
    options.status = status;
    if (!from.empty()) options.from = market::parse_date(from);
    base::RealFiles files(runtime);
    base::Log log(runtime, base::LogLevel::info, {std::make_shared<base::TextLog>()});
    const auto broker = tidelock::broker::open(runtime, files, base::Url::parse(broker_url));
    const market::Exchange exchange(runtime, files, bars, options.from.value_or(market::Date{}));
    market::Books books(master.empty() ? market::replica_source(runtime, files, replica)
                                       : market::master_source(runtime, files, master));
    market::Producer(runtime, files, *broker, books, exchange, log, options).run(stop);
  });
}

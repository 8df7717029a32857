// Receives the ticks of the topic `prices`, and reads the books all the while.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "examples/market/live/books.h"
#include "examples/market/live/monitor.h"
#include "examples/market/live/program.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/log_sinks.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/broker/backends/all.h"

int main(int argc, char** argv) {
  namespace base = tidelock::base;
  CLI::App app(
      "Receives every tick, checks that each symbol's order is kept and nothing is missing, and reads the books again\n"
      "and again meanwhile. Stops at SIGTERM, when it has received what is there; killed, it goes on where it was.");
  std::string replica, master, broker_url, pause = "10ms", drain = "4s", status = "monitor.json";
  market::MonitorOptions options;
  auto* const books_from = app.add_option_group("books");
  books_from->add_option("--replica", replica, "Folder of the replica to read");
  books_from->add_option("--master", master, "Read the jobs' own file instead, to see what then happens");
  books_from->require_option(1);
  app.add_option("--broker", broker_url, "Where the topic is, as sqlite:prices.db")->required();
  app.add_option("--readers", options.readers, "Tasks that read the books at once")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app.add_option("--pause", pause, "Rest of each between two reads")->capture_default_str();
  app.add_option("--drain", drain, "How long to go on receiving after SIGTERM")->capture_default_str();
  app.add_option("--status", status, "File of counters, replaced at once, never half written")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  base::RealRuntime runtime;
  return market::run_until_signalled(runtime, "market_monitor", [&](const std::stop_token& stop) {
    options.pause = base::parse_duration(pause);
    options.drain = base::parse_duration(drain);
    options.status = status;
    base::RealFiles files(runtime);
    base::Log log(runtime, base::LogLevel::info, {std::make_shared<base::TextLog>()});
    const auto broker = tidelock::broker::open(runtime, files, base::Url::parse(broker_url));
    market::Books books(master.empty() ? market::replica_source(runtime, files, replica)
                                       : market::master_source(runtime, files, master));
    market::Monitor(runtime, files, *broker, books, log, options).run(stop);
  });
}

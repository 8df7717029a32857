#include "tidelock/cli/spy_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "tidelock/base/text.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {
namespace {

constexpr std::size_t kMaxTop = 100'000;

constexpr auto kSpyHelp =
    "A spy writes down every SQL statement with its values, rows and microseconds: switch it on with a [spy] section "
    "in\n"
    "a pipeline's file, or in a program with sql::spy::Spy. P6Spy's spy.properties is understood.\n"
    "\n"
    "Examples:\n"
    "  tidelock spy report work/spy.log\n"
    "  tidelock spy report spy.log --top 3 --json | jq '.statements[].statement'";
constexpr auto kReportHelp =
    "Reads a log of the spy (JSON lines) or of P6Spy (SingleLineFormat), and groups its statements by what is left of\n"
    "them without their values. For each: how often it ran, the time it took in all, the median, the 99th percentile "
    "and\n"
    "the longest, and the slowest examples with their values and where they stand in the log.\n"
    "\n"
    "P6Spy's form knows whole milliseconds only; JSON lines have microseconds. Percentiles are right to 1 %. Lines "
    "that\n"
    "cannot be read are passed over and counted on stderr, the first ones with their number. FILE may be a pipe; - is\n"
    "standard input.\n"
    "\n"
    "Examples:\n"
    "  tidelock spy report work/spy.log\n"
    "  tidelock spy report work/spy.log --top 3\n"
    "  zcat spy.log.*.gz | tidelock spy report -\n"
    "  tidelock spy report spy.log --json | jq '.statements[] | [.statement, .count, .p99_us]'";

CLI::App* command(CLI::App& parent, const char* name, const char* what, const char* footer) {
  auto* app = parent.add_subcommand(name, what);
  app->footer(footer);
  app->group("Commands");
  return app;
}

}  // namespace

void SpyOptions::add_to(CLI::App& root) {
  auto* spy = command(root, "spy", "Look into what a spy wrote down of SQL statements", kSpyHelp);
  report_ = command(*spy, "report", "Summarise a log of SQL statements", kReportHelp);
  report_->add_option("FILE", file_, "The log; - for standard input")->option_text(" ");
  report_->add_option("--top", top_, "Statements to show, those that took most in all first (default 10)")
      ->option_text("N");
  report_->add_flag("--json", json_, "Print JSON, also for errors");
}

SpyReport SpyOptions::report() const {
  if (file_.empty()) throw UsageError("no FILE is given", "see `tidelock spy report --help`");
  std::size_t top = 0;
  const auto* end = top_.data() + top_.size();
  const auto [stop, error] = std::from_chars(top_.data(), end, top);
  if (error != std::errc() || stop != end || top == 0 || top > kMaxTop) {
    throw UsageError(fmt::format("--top {} is not a number of statements", base::quoted(top_)),
                     fmt::format("give 1 to {}", kMaxTop));
  }
  return {file_, top, json_};
}

}  // namespace tidelock::cli

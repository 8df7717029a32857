#include "tidelock/cli/pipeline_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kSeeHelp = "see `tidelock run --help`";
constexpr base::Duration kShortestDay = 10ms;
constexpr base::Duration kLongestDay = std::chrono::hours(24);

constexpr auto kFooter =
    R"(FILE says which databases jobs write, what the jobs do and when, which replicas readers open,
and which programs run beside them; docs/pipeline.md lists every key. Everything is checked
before anything is started: each mistake is one line, with what would be right.

SIGTERM or Ctrl-C drains: chunks that are being written are committed, runs stop after them, then
the services, in reverse order. The next `tidelock run` continues where they stopped, also after
kill -9. A second signal hurries.

A smallest pipeline:
  [pipeline]
  name = "hello"

  [store.shop]
  url = "duckdb:{work}/shop.db"

  [job.tick]
  schedule = "every 10s"
  store = "shop"

  [[job.tick.step]]
  name = "count"
  sql = "count.sql"

Examples:
  tidelock run                                  # pipeline.toml of this folder, until it is told to stop
  tidelock run shop.toml --dry-run              # check it, and say what would run when
  tidelock run shop.toml --once close_day       # one job now, then end
  tidelock run shop.toml --standby              # on a second machine: takes over when the first one dies
  tidelock run market.toml --replay 2018-01-03..2018-02-08 --day 2s --json > summary.json

Exit codes:
    0  ended as told: by a signal, at the end of the replay, or after the one job
    1  failed: with --replay or --once a run failed; or the state cannot be used
    2  the pipeline file or the command line must be changed
   70  the lease on the pipeline was lost: another process may run it
   75  another process runs this pipeline, and --standby was not given
128+N  signal N came twice, and the runs did not end in time)";

}  // namespace

PipelineOptions::PipelineOptions(CLI::App& program)
    : app_(program.add_subcommand("run", "Keep a pipeline going: jobs, groups, replicas and services")) {
  app_->group("Commands");
  app_->footer(kFooter);
  app_->add_option("FILE", typed_.file, "The pipeline (default pipeline.toml)")->option_text(" ");
  app_->add_option("--work", work_, "Folder for everything that is made, instead of the file's own")
      ->option_text("DIR");
  app_->add_option("--once", once_, "Run this job and what it triggers, then end")->option_text("JOB");
  app_->add_option("--replay", replay_, "Run through historic days, the last included: FIRST..LAST")
      ->option_text("DAYS");
  app_->add_option("--day", day_, "How long a day of the replay takes (default 2s)")->option_text("TIME");
  app_->add_flag("--standby", typed_.standby,
                 "While another process runs it, wait; take over when that one ends or dies");
  app_->add_flag("--dry-run", typed_.dry_run, "Check everything, print the plan, start nothing");
  app_->add_flag("--verbose", typed_.verbose, "Print a line for each run, also in a replay");
  app_->add_flag("--quiet", typed_.quiet, "Print warnings and errors only");
  app_->add_flag("--json", typed_.json, "Print the summary, or the plan, as JSON; also errors");
}

PipelineRun PipelineOptions::command() const {
  auto run = typed_;
  if (app_->count("--work") > 0) run.work = work_;
  if (app_->count("--once") > 0) run.once = once_;
  if (app_->count("--replay") > 0) run.replay = replay_;
  if (run.once && run.replay) throw UsageError("--once and --replay exclude each other", kSeeHelp);
  if (run.once && run.standby) throw UsageError("--once waits for nobody: leave --standby out", kSeeHelp);
  if (run.work && run.work->empty()) throw UsageError("--work is empty", "name a folder");
  if (app_->count("--day") == 0) return run;
  if (!run.replay) throw UsageError("--day is of use only with --replay", kSeeHelp);
  try {
    run.day = base::parse_duration(day_);
  } catch (const Error& error) {
    throw UsageError(fmt::format("--day: {}", error.message()), kSeeHelp);
  }
  if (run.day < kShortestDay || run.day > kLongestDay) {
    throw UsageError(fmt::format("--day {} is out of range", day_), "give 10ms to 24h");
  }
  return run;
}

}  // namespace tidelock::cli

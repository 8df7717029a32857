#include "tidelock/cli/batch_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {
namespace {

constexpr auto kStatuses = "queued, waiting, running, died, completed, failed, stopped, interrupted, skipped or missed";

constexpr auto kFooter =
    R"(Examples:
  tidelock batch check                    # pipeline.toml is well, and runs next at …
  tidelock batch run close_day            # one run now, and what it triggers
  tidelock batch list                     # the jobs, and who waits for whom
  tidelock batch history close_day --status failed
  tidelock batch show 12                  # steps, bad rows, events of run 12
  tidelock batch stop 12                  # after its chunk
  tidelock batch resume 12                # from its last checkpoint)";

}  // namespace

BatchOptions::BatchOptions(CLI::App& program)
    : batch_(program.add_subcommand("batch", "Run jobs by hand; see, stop and resume their runs")) {
  batch_->group("Commands");
  batch_->footer(kFooter);
  check_ = add("check", "Check a pipeline and print its next 10 runs; start nothing",
               "Each mistake is one line, with what would be right.\n\n"
               "Examples:\n"
               "  tidelock batch check\n"
               "  tidelock batch check shop.toml --json | jq '.next[0]'");
  check_->add_option("FILE", file_, "The pipeline (default pipeline.toml)")->option_text(" ");
  run_ = add("run", "Run one job now, and what it triggers",
             "The run obeys the groups: it waits for its turn, or is skipped, as the job says.\n\n"
             "Examples:\n"
             "  tidelock batch run close_day\n"
             "  tidelock batch run close_day --file shop.toml --json");
  run_->add_option("JOB", job_, "Name of the job")->option_text(" ");
  list_ = add("list", "List the jobs: their schedule, last and next run; and who waits for whom",
              "Example:\n  tidelock batch list --json | jq '.waiting'");
  history_ = add("history", "List the newest runs, those that were missed or skipped included",
                 "Examples:\n"
                 "  tidelock batch history\n"
                 "  tidelock batch history close_day --status failed --limit 5");
  history_->add_option("JOB", job_, "Only of this job")->option_text(" ");
  history_->add_option("--status", status_, fmt::format("Only these: {}", kStatuses))->option_text("STATUS");
  history_->add_option("--limit", limit_, "How many (default 20)")->option_text("N")->check(CLI::PositiveNumber);
  show_ = add("show", "Show one run: its steps, bad rows and events", "Example:\n  tidelock batch show 12 --json");
  stop_ = add("stop", "Ask a run to stop, in whichever process it is",
              "It stops within a second, after the chunk it is writing, and can be resumed.\n\n"
              "Example:\n  tidelock batch stop 12");
  resume_ =
      add("resume", "Continue a run that failed or was stopped",
          "Completed steps are left out, and a chunk step goes on behind its last checkpoint: no row twice, none\n"
          "missing. Runs whose process died are continued by `tidelock run` by itself.\n\n"
          "Example:\n  tidelock batch resume 12");
  for (auto* app : {run_, list_, history_, show_, stop_, resume_}) add_file(app);
  for (auto* app : {show_, stop_, resume_}) add_run_number(app);
}

CLI::App* BatchOptions::add(const char* name, const char* what, const char* footer) {
  auto* app = batch_->add_subcommand(name, what);
  app->group("Commands");
  app->footer(footer);
  app->add_option("--work", work_, "The pipeline's folder, where it was given to `tidelock run`")->option_text("DIR");
  app->add_flag("--json", json_, "Print JSON, also for errors");
  return app;
}

void BatchOptions::add_file(CLI::App* app) {
  app->add_option("--file", file_, "The pipeline (default pipeline.toml)")->option_text("FILE");
}

void BatchOptions::add_run_number(CLI::App* app) {
  app->add_option("RUN", number_, "Number of the run, as `tidelock batch history` prints it")->option_text(" ");
}

bool BatchOptions::has(const CLI::App* app) const { return app->get_parent() == batch_; }

BatchState BatchOptions::state(const CLI::App* app) const {
  return {.file = file_, .work = app->count("--work") > 0 ? std::optional(work_) : std::nullopt, .json = json_};
}

PipelineRun BatchOptions::pipeline(const CLI::App* app) const {
  PipelineRun run;
  const auto of = state(app);
  run.file = of.file;
  run.work = of.work;
  run.json = of.json;
  return run;
}

batch::RunId BatchOptions::run_number(const CLI::App* app) const {
  const auto see = fmt::format("see `tidelock batch {} --help`", app->get_name());
  if (app->count("RUN") == 0) throw UsageError("no RUN is given", see);
  batch::RunId run = 0;
  const auto [end, error] = std::from_chars(number_.data(), number_.data() + number_.size(), run);
  if (error != std::errc() || end != number_.data() + number_.size() || run < 1) {
    throw UsageError(fmt::format("{} is no number of a run", base::quoted(number_)),
                     "give one that `tidelock batch history` prints");
  }
  return run;
}

BatchOptions::Typed BatchOptions::command(const CLI::App* app) const {
  if (app == check_) {
    auto run = pipeline(app);
    run.dry_run = true;
    return run;
  }
  if (app == run_) {
    if (app->count("JOB") == 0) throw UsageError("no JOB is given", "see `tidelock batch run --help`");
    auto run = pipeline(app);
    run.once = job_;
    return run;
  }
  if (app == resume_) {
    auto run = pipeline(app);
    run.resume = run_number(app);
    return run;
  }
  if (app == show_) return BatchShow{state(app), run_number(app)};
  if (app == stop_) return BatchStop{state(app), run_number(app)};
  if (app == list_) return BatchList{state(app)};
  BatchHistory history{state(app), std::nullopt, std::nullopt, status_ == "died", limit_};
  if (app->count("JOB") > 0) history.job = job_;
  try {
    if (app->count("--status") > 0 && !history.died) history.status = batch::parse_run_status(status_);
  } catch (const Error&) {
    throw UsageError(fmt::format("--status {} is none", base::quoted(status_)), fmt::format("give {}", kStatuses));
  }
  return history;
}

}  // namespace tidelock::cli

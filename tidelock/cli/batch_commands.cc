#include "tidelock/cli/batch_commands.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <ostream>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/batch/history.h"
#include "tidelock/batch/runs.h"
#include "tidelock/cli/batch_view.h"
#include "tidelock/cli/failure.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/toolkit/toolkit.h"

namespace tidelock::cli {
namespace {

// The pipeline's state, which has to be there.
struct Opened {
  Opened(const BatchState& options, Outside outside)
      : pipeline(pipeline::load(outside.files, options.file,
                                {.from = outside.files.read_symlink("/proc/self/cwd"),
                                 .work = options.work ? std::optional<base::Path>(*options.work) : std::nullopt,
                                 .program_folders = {}})),
        toolkit(outside.runtime, outside.files) {
    sql::DatabaseOptions existing;
    existing.must_exist = true;
    try {
      state = toolkit.database(pipeline.settings.state, existing);
      state->connect();
    } catch (const Error& error) {
      if (error.code() != Code::not_found) throw;
      throw Error(Code::not_found, fmt::format("no job of {} has run yet: there is no {}", pipeline.settings.name,
                                               base::Url::parse(pipeline.settings.state).to_string()));
    }
    locks = toolkit.lock_backend(pipeline.settings.state);
  }

  batch::History history() { return {*state, *locks}; }

  pipeline::Pipeline pipeline;
  Toolkit toolkit;
  std::shared_ptr<sql::Database> state;
  std::shared_ptr<lock::Backend> locks;
};

}  // namespace

Outcome list_jobs(const BatchList& options, Outside outside) {
  Opened opened(options, outside);
  auto history = opened.history();
  JobsView view{.now = outside.runtime.wall_now(), .waiting = history.waiting()};
  for (const auto& job : opened.pipeline.jobs) {
    const auto newest = history.list({.job = job.name, .limit = 1});
    view.jobs.push_back({.job = &job,
                         .last = newest.empty() ? std::nullopt : std::optional(newest.front()),
                         .next = job.schedule ? job.schedule->next(view.now) : std::nullopt});
  }
  outside.out << (options.json ? jobs_json(view) : jobs_table(view));
  return {};
}

Outcome list_runs(const BatchHistory& options, Outside outside) {
  Opened opened(options, outside);
  if (options.job && opened.pipeline.job(*options.job) == nullptr) {
    std::vector<std::string> known;
    for (const auto& job : opened.pipeline.jobs) known.push_back(job.name);
    throw UsageError(fmt::format("there is no job {}", base::quoted(*options.job)),
                     fmt::format("the jobs are {}", base::listed(known)));
  }
  const auto runs = opened.history().list(
      {.job = options.job, .status = options.status, .died = options.died, .limit = options.limit});
  outside.out << (options.json ? runs_json(runs) : runs_table(runs));
  return {};
}

Outcome show_run(const BatchShow& options, Outside outside) {
  Opened opened(options, outside);
  const auto details = opened.history().show(options.run);
  outside.out << (options.json ? run_json(details) : run_text(details));
  return {};
}

Outcome stop_run(const BatchStop& options, Outside outside) {
  Opened opened(options, outside);
  const bool asked =
      batch::Runs(*opened.state).request_stop(options.run, *opened.locks, outside.runtime.in(std::chrono::seconds(10)));
  if (options.json) {
    outside.out << fmt::format("{{\"run\":{},\"asked\":{}}}\n", options.run, asked);
  } else if (asked) {
    outside.out << fmt::format("run {} was asked to stop; `tidelock batch resume {}` continues it\n", options.run,
                               options.run);
  } else {
    outside.out << fmt::format("run {} does not run: nothing to do\n", options.run);
  }
  return {};
}

}  // namespace tidelock::cli

#include "tidelock/cli/pipeline_run.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <ostream>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/poll.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/signals.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/progress_lines.h"
#include "tidelock/cli/service_process.h"
#include "tidelock/cli/signals.h"
#include "tidelock/cli/wakeup.h"
#include "tidelock/pipeline/lease.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/pipeline/plan.h"
#include "tidelock/pipeline/publishing.h"
#include "tidelock/pipeline/supervisor.h"
#include "tidelock/toolkit/toolkit.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

// What runs get to end by themselves once somebody hurries.
constexpr base::Duration kHurry = 5s;

// Beside this program, then in PATH.
std::vector<base::Path> program_folders(base::Files& files) {
  std::vector<base::Path> folders{files.read_symlink("/proc/self/exe").parent_path()};
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const auto end = rest.find(':');
    if (end != 0) folders.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return folders;
}

// The pipeline in a task of its own, while this one listens to signals.
class PipelineTask {
 public:
  using Body = std::function<pipeline::Summary(const std::stop_token& drain, const std::stop_token& hurry)>;

  PipelineTask(Outside outside, base::ProgramSignals& signals, Body body) : outside_(outside), signals_(signals) {
    task_ = outside.runtime.spawn("pipeline", [this, body = std::move(body)](const std::stop_token&) {
      try {
        summary_ = body(drain_.get_token(), hurry_.get_token());
      } catch (const Error&) {
        failure_ = std::current_exception();
      }
      done_.wake();
    });
  }

  pipeline::Summary wait() {
    while (!over(base::Deadline::never())) {
      const auto signal = signals_.next(base::Instant::min());
      if (!signal) continue;
      if (!drain_.stop_requested()) {
        outside_.err << "tidelock: " << ::strsignal(*signal) << ": draining; once more to hurry" << std::endl;
        drain_.request_stop();
        continue;
      }
      hurry_.request_stop();
      if (!over(outside_.runtime.in(kHurry), false)) end_by_signal(*signal);  // As after kill -9: nothing is lost.
    }
    task_.join();
    if (failure_) std::rethrow_exception(failure_);
    return summary_;
  }

 private:
  // False at the deadline, or, if they are listened to, when there is a signal.
  bool over(base::Deadline deadline, bool listen = true) {
    base::Poll poll(outside_.runtime);
    const auto done = poll.add(done_.descriptor());
    if (listen) poll.add(signals_.descriptor());
    poll.wait(deadline);
    return poll.ready(done);
  }

  Outside outside_;
  base::ProgramSignals& signals_;
  std::stop_source drain_;
  std::stop_source hurry_;
  Wakeup done_;
  pipeline::Summary summary_;
  std::exception_ptr failure_;
  base::Task task_;
};

Outcome fail(const PipelineRun& options, Outside outside, const Failure& failure) {
  outside.err << (options.json ? failure.json() : failure.line()) << std::endl;
  return {failure.exit, std::nullopt};
}

Outcome refuse(const PipelineRun& options, Outside outside, const pipeline::InvalidPipeline& invalid) {
  if (options.json) {
    outside.err << pipeline::to_json(invalid) << std::endl;
  } else {
    for (const auto& line : invalid.lines()) outside.err << line << "\n";
    outside.err << "tidelock: nothing was started: " << invalid.lines().size()
                << (invalid.lines().size() == 1 ? " mistake" : " mistakes") << std::endl;
  }
  return {number(Exit::usage), std::nullopt};
}

Outcome run_checked(const PipelineRun& options, Outside outside, const pipeline::Pipeline& pipeline,
                    base::ProgramSignals& signals) {
  pipeline::SupervisorOptions how{.replay = std::nullopt, .standby = options.standby};
  if (options.replay) how.replay = pipeline::Replay::parse(*options.replay, options.day, pipeline.settings.timezone);
  using Amount = ProgressLines::Amount;
  const bool few = options.replay && !options.verbose;
  ProgressLines lines(outside.runtime, outside.err,
                      options.quiet ? Amount::warnings
                      : few         ? Amount::usual
                                    : Amount::everything,
                      pipeline.settings.timezone);
  Toolkit toolkit(outside.runtime, outside.files);
  ServiceProcesses services(outside.runtime, outside.files);
  pipeline::Publishing publishing(toolkit, pipeline);
  pipeline::Supervisor supervisor(
      pipeline,
      {.toolkit = toolkit,
       .services = services,
       .publish = [&](const pipeline::Replica& replica, sql::Database& owner,
                      const std::stop_token& stop) { return publishing.publish(replica, owner, stop); },
       .process_alive = [](std::int64_t pid) { return base::process_exists(static_cast<pid_t>(pid)); },
       .say = [&](const pipeline::Progress& progress) { lines(progress); }},
      std::move(how));
  const auto summary = PipelineTask(outside, signals, [&](const std::stop_token& drain, const std::stop_token& hurry) {
                         return options.once     ? supervisor.run_once(*options.once, drain, hurry)
                                : options.resume ? supervisor.resume(*options.resume, drain, hurry)
                                                 : supervisor.run(drain, hurry);
                       }).wait();
  outside.out << (options.json ? summary.to_json() + "\n" : summary.to_text());
  const auto all = summary.all();
  const bool one = options.once || options.resume;
  const bool was_to_succeed = one || options.replay;
  const bool failed = was_to_succeed && (all.failed > 0 || (one && all.completed == 0 && summary.complete));
  return {number(failed ? Exit::failed : Exit::ok), std::nullopt};
}

}  // namespace

Outcome run_pipeline(const PipelineRun& options, Outside outside) {
  base::ProgramSignals signals(outside.runtime, {SIGTERM, SIGINT, SIGHUP});
  try {
    const auto pipeline =
        pipeline::load(outside.files, options.file,
                       {.from = outside.files.read_symlink("/proc/self/cwd"),
                        .work = options.work ? std::optional<base::Path>(*options.work) : std::nullopt,
                        .program_folders = program_folders(outside.files)});
    if (!options.dry_run) return run_checked(options, outside, pipeline, signals);
    const auto plan = pipeline::make_plan(
        pipeline, options.replay
                      ? pipeline::Replay::parse(*options.replay, options.day, pipeline.settings.timezone).begin
                      : outside.runtime.wall_now());
    outside.out << (options.json ? plan.to_json() + "\n" : plan.to_text());
    return {};
  } catch (const pipeline::InvalidPipeline& invalid) {
    return refuse(options, outside, invalid);
  } catch (const pipeline::AlreadyRuns& already) {
    return fail(
        options, outside,
        {.code = already.code(),
         .what = already.what(),
         .next = "stop that one first, wait for its end with --standby, or give this one another [pipeline] name "
                 "or --work",
         .exit = number(Exit::not_acquired)});
  } catch (const Error& error) {
    if (!options.resume || error.code() != Code::already_exists) throw;
    throw AdvisedError(error, fmt::format("see `tidelock batch show {}`", *options.resume));
  }
}

}  // namespace tidelock::cli

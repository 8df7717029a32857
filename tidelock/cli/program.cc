#include "tidelock/cli/program.h"

#include <unistd.h>

#include <csignal>
#include <exception>
#include <ostream>
#include <span>
#include <variant>

#include "tidelock/base/error.h"
#include "tidelock/cli/advice.h"
#include "tidelock/cli/batch_commands.h"
#include "tidelock/cli/command_line.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/lock_commands.h"
#include "tidelock/cli/lock_run.h"
#include "tidelock/cli/output.h"
#include "tidelock/cli/pipeline_run.h"
#include "tidelock/cli/replica_commands.h"
#include "tidelock/cli/service_guard.h"
#include "tidelock/cli/spy_commands.h"
#include "tidelock/cli/sql_commands.h"
#include "tidelock/cli/version.h"
#include "tidelock/replica/helper.h"

namespace tidelock::cli {
namespace {

// What each command does.
struct Dispatch {
  Outside outside;

  template <typename Options>
  Outcome locks(Outcome (*command)(const Options&, Outside), const Options& options) const {
    return advised(lock_advice, [&] { return command(options, outside); });
  }

  Outcome operator()(const ShowVersion&) const {
    outside.out << version_text();
    return {};
  }
  Outcome operator()(const ShowHelp& help) const {
    outside.out << help.text;
    return {};
  }
  Outcome operator()(const LockRun& options) const { return locks(run_under_lock, options); }
  Outcome operator()(const LockList& options) const { return locks(list_locks, options); }
  Outcome operator()(const LockShow& options) const { return locks(show_lock, options); }
  Outcome operator()(const LockBreak& options) const { return locks(break_lock, options); }
  Outcome operator()(const PipelineRun& options) const { return run_pipeline(options, outside); }
  Outcome operator()(const BatchList& options) const { return list_jobs(options, outside); }
  Outcome operator()(const BatchHistory& options) const { return list_runs(options, outside); }
  Outcome operator()(const BatchShow& options) const { return show_run(options, outside); }
  Outcome operator()(const BatchStop& options) const { return stop_run(options, outside); }
  Outcome operator()(const ReplicaPublish& options) const { return publish_replica(options, outside); }
  Outcome operator()(const ReplicaStatus& options) const { return show_replica(options, outside); }
  Outcome operator()(const ReplicaQuery& options) const { return query_replica(options, outside); }
  Outcome operator()(const SqlRun& options) const { return run_sql(options, outside); }
  Outcome operator()(const SqlDelete& options) const { return delete_rows(options, outside); }
  Outcome operator()(const SpyReport& options) const { return report_spy(options, outside); }
};

}  // namespace

Outcome run_program(const std::vector<std::string>& arguments, Outside outside) {
  if (!arguments.empty() && arguments.front() == replica::kHelperCommand) {
    base::Descriptor parent(STDIN_FILENO);
    replica::run_helper(std::span(arguments).subspan(1), outside.runtime, outside.files, parent,
                        [&](const std::string& line) { outside.out << line << std::flush; });
    parent.release();
    return {};
  }
  if (!arguments.empty() && arguments.front() == kServiceGuardCommand) {
    return {run_service_guard({arguments.begin() + 1, arguments.end()}, outside.runtime, outside.files), std::nullopt};
  }
  Failure failure;
  try {
    const auto outcome = std::visit(Dispatch{outside}, parse_command_line(arguments));
    check_output(outside.out.flush());
    return outcome;
  } catch (const OutputLost& lost) {
    if (lost.reader_has_gone()) return {number(Exit::by_signal) + SIGPIPE, SIGPIPE};  // As where nobody ignores it.
    failure = Failure::of(lost);
  } catch (const std::exception& error) {
    failure = Failure::of(error);
  }
  outside.out.flush();
  return tell(failure, arguments, outside.err);
}

Outcome tell(Failure failure, const std::vector<std::string>& arguments, std::ostream& err) {
  if (is_for_monitoring(arguments)) failure.exit = number(Exit::unknown);
  err << (wants_json(arguments) ? failure.json() : failure.line()) << std::endl;
  return {failure.exit, std::nullopt};
}

std::optional<std::string> answer_without_runtime(const std::vector<std::string>& arguments) {
  try {
    const auto command = parse_command_line(arguments);
    if (std::holds_alternative<ShowVersion>(command)) return version_text();
    if (const auto* help = std::get_if<ShowHelp>(&command)) return help->text;
  } catch (const Error&) {  // To be told by whoever runs it.
  }
  return std::nullopt;
}

}  // namespace tidelock::cli

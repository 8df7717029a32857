// The command step: a program in a process group of its own, whose output becomes events of the run.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/process.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/text.h"
#include "tidelock/batch/step_run.h"
#include "tidelock/lock/owner.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::batch {
namespace {

using std::chrono::seconds;

constexpr std::size_t kLineBytesMax = 2000;
constexpr int kLinesMax = 1000;   // Kept of one execution.
constexpr seconds kTimeToEnd{5};  // Between SIGTERM and SIGKILL.
// Who tells a program to end may have told this process too (systemctl stop), which hears of it a little later.
constexpr seconds kHearsay{1};
constexpr std::chrono::milliseconds kLookAtGroup{20};

// One stream of the program, line by line.
class Lines {
 public:
  Lines(const StepRun& run, base::Descriptor& pipe, int& count) : run_(run), pipe_(pipe), count_(count) {}

  // What is there to read now; false once the other side is closed.
  bool read() {
    std::array<char, 4096> buffer{};
    const auto length = ::read(pipe_.get(), buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) return true;
    if (length <= 0) {
      if (!line_.empty()) put();
      return false;
    }
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(length))) {
      if (c == '\n' || line_.size() == kLineBytesMax) put();
      if (c != '\n') line_ += c;
    }
    return true;
  }

 private:
  void put() {
    if (++count_ == kLinesMax + 1) run_.record.output(run_.step.name, "… (more output is not kept)");
    const bool clean = !base::find_invalid_utf8(line_) && line_.find('\0') == std::string::npos;
    if (count_ <= kLinesMax) run_.record.output(run_.step.name, clean ? line_ : base::quoted(line_, kLineBytesMax));
    line_.clear();
  }

  const StepRun& run_;
  base::Descriptor& pipe_;
  int& count_;
  std::string line_;
};

class Program {
 public:
  Program(const StepRun& run, const CommandStep& step)
      : run_(run), runtime_(run.context.runtime), child_(runtime_, command(run, step)) {}

  // Error: cancelled when stop was requested; timeout.
  base::ExitStatus wait(base::Deadline deadline) {
    base::Poll poll(runtime_);
    const std::array<std::size_t, 2> pipes{poll.add(child_.out().get()), poll.add(child_.err().get())};
    const auto ended = poll.add(child_.descriptor());
    std::array<Lines, 2> lines{Lines(run_, child_.out(), count_), Lines(run_, child_.err(), count_)};
    const auto drain = [&] {
      for (std::size_t i = 0; i < pipes.size(); ++i) {
        if (poll.ready(pipes[i]) && !lines[i].read()) poll.ignore(pipes[i]);
      }
      return poll.ready(pipes[0]) || poll.ready(pipes[1]);
    };
    while (poll.wait(deadline, run_.gentle)) {
      const bool more = drain();
      if (poll.ready(ended) && !more) return *child_.wait();
    }
    return end();
  }

 private:
  static base::Command command(const StepRun& run, const CommandStep& step) {
    base::Command command{.argv = step.argv, .folder = step.folder};
    command.group = base::Command::Group::own;
    command.in = base::Stream::null();
    command.out = base::Stream::pipe();
    command.err = base::Stream::pipe();
    const auto text = [](const auto& formatted) { return std::string(formatted.view()); };
    // Its own locks are below the task that holds the slot: what it waits for, the run waits for.
    command.env = {{"TIDELOCK_OWNER", lock::current_owner(run.context.runtime)},
                   {"TIDELOCK_JOB", run.job.name},
                   {"TIDELOCK_RUN", std::to_string(run.record.run().id)},
                   {"TIDELOCK_NOW", text(sql::format_timestamp(run.moment.now, 'T'))},
                   {"TIDELOCK_TODAY", text(sql::format_date(run.moment.today))},
                   {"TIDELOCK_YESTERDAY", text(sql::format_date(run.moment.yesterday))},
                   {"TIDELOCK_FENCING_TOKEN", std::to_string(run.slot_token.value)}};
    for (const auto& [name, value] : step.env) command.env[name] = value;
    return command;
  }

  // SIGTERM, and SIGKILL to who of the group does not listen; at once when the lease is lost.
  [[noreturn]] base::ExitStatus end() {
    const bool asked = run_.gentle.stop_requested();
    child_.signal_group(SIGTERM);
    const auto patience = runtime_.in(run_.hard.stop_requested() ? seconds(0) : kTimeToEnd);
    child_.wait(patience, run_.hard);
    while (!patience.passed(runtime_.now()) && group_runs() && runtime_.sleep_for(kLookAtGroup, run_.hard)) {
    }
    child_.signal_group(SIGKILL);
    child_.wait();
    if (asked) throw Error(Code::cancelled, "the program was ended");
    throw Error(Code::timeout, "the program took too long, and was ended");
  }

  bool group_runs() const {
    try {
      const auto all = base::all_processes(run_.context.files);
      return std::ranges::any_of(all, [&](const auto& each) { return each.group == child_.pid() && !each.ended; });
    } catch (const Error&) {  // The system is out of what it takes to look.
      return true;
    }
  }

  const StepRun& run_;
  base::Runtime& runtime_;
  base::ChildProcess child_;
  int count_ = 0;
};

void run_once(const StepRun& run, const CommandStep& step) {
  auto& runtime = run.context.runtime;
  const auto deadline =
      step.timeout == base::Duration::max() ? base::Deadline::never() : base::Deadline(runtime.in(step.timeout));
  const auto status = Program(run, step).wait(deadline);
  const auto is_told_by = [&](int signal) { return status.shell_code() == 128 + signal; };
  const bool told_to_end = is_told_by(SIGTERM) || is_told_by(SIGINT) || is_told_by(SIGHUP);
  if (told_to_end && !runtime.sleep_for(kHearsay, run.gentle)) {
    throw Error(Code::cancelled, "the program was ended together with the run");
  }
  if (!status.ok()) {
    throw Error(Code::unavailable,
                fmt::format("{} ended with {}", base::quoted(step.argv.front()), status.to_string()));
  }
}

}  // namespace

StepEnd execute_command(const StepRun& run, const CommandStep& step) {
  if (step.argv.empty()) throw Error(Code::invalid_argument, "a command step names no program");
  Attempts attempts(run);
  for (;;) {
    std::optional<Error> failed;
    try {
      run_once(run, step);
      return StepEnd::complete;
    } catch (const Error& error) {
      failed = error;
    }
    if (failed->code() == Code::cancelled && run.gentle.stop_requested() && !run.hard.stop_requested()) {
      return StepEnd::stopped;
    }
    if (failed->disposition() == Disposition::permanent) throw *failed;
    attempts.failed(*failed);
  }
}

}  // namespace tidelock::batch

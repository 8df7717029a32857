#include "tidelock/cli/service_process.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/errno_error.h"
#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/process.h"
#include "tidelock/cli/guard.h"
#include "tidelock/cli/guard_process.h"
#include "tidelock/cli/process_tree.h"
#include "tidelock/cli/service_guard.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kSelf = "/proc/self/exe";  // Also after the file was replaced.
constexpr base::Duration kStartPatience = 30s;
constexpr base::Duration kKillPatience = 2s;
constexpr std::size_t kLineBytesMax = 16 * 1024;

// Gives what comes out of a pipe line by line.
class Lines {
 public:
  explicit Lines(pipeline::ServiceHost::Output output) : output_(std::move(output)) {}
  void take(std::string_view bytes) {
    for (const char c : bytes) {
      if (c == '\n' || line_.size() >= kLineBytesMax) finish();
      if (c != '\n' && c != '\r') line_ += c;
    }
  }
  void finish() {
    if (!line_.empty()) output_(line_);
    line_.clear();
  }

 private:
  pipeline::ServiceHost::Output output_;
  std::string line_;
};

class ServiceProcess final : public pipeline::RunningService {
 public:
  ServiceProcess(base::Runtime& runtime, base::Files& files, const pipeline::Service& service,
                 pipeline::ServiceHost::Output output)
      : runtime_(runtime), files_(files), program_(service.argv.front()) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      throw base::errno_error(errno, {}, "no socket pair could be made");
    }
    socket_.reset(ends[0]);
    base::Descriptor guard_end(ends[1]);
    auto pipe = base::make_pipe();
    base::Command command;
    command.argv = {kSelf, kServiceGuardCommand,
                    fmt::format("{}", std::chrono::ceil<std::chrono::milliseconds>(service.stop_timeout).count())};
    command.argv.insert(command.argv.end(), service.argv.begin(), service.argv.end());
    command.env = service.env;
    command.folder = service.folder;
    command.group = base::Command::Group::own_session;
    command.in = base::Stream::null();
    command.out = base::Stream::to(pipe.write_end);
    command.err = base::Stream::to(pipe.write_end);
    command.pass = {guard_end.get()};
    guard_.emplace(runtime, command);
    guard_end.reset();  // The guard's alone from here on: its end is seen.
    pipe.write_end.reset();
    read(std::move(pipe.read_end), std::move(output));
    order({.kind = GuardOrder::Kind::run, .signal = 0, .expires_ns = base::Instant::max().time_since_epoch().count()});
    await_start();
  }

  ~ServiceProcess() override {
    if (ended_) return;
    order({.kind = GuardOrder::Kind::signal, .signal = SIGKILL, .expires_ns = 0});
    order({.kind = GuardOrder::Kind::end, .signal = 0, .expires_ns = 0});
    try {
      if (!wait(runtime_.in(kKillPatience), {})) kill_session();  // The guard was stopped.
    } catch (const Error&) {
      // The end of the socket tells the guard the same.
    }
  }

  std::int64_t pid() const override { return pid_; }

  std::optional<base::ExitStatus> wait(base::Deadline deadline, const std::stop_token& stop) override {
    base::Poll poll(runtime_);
    poll.add(socket_.get());
    while (!ended_ && poll.wait(deadline, stop)) {
      const auto report = read_report();
      if (!report) {  // The guard was killed, and the kernel killed the program with it.
        kill_session();
        ended_ = base::ExitStatus{0, SIGKILL};
      } else if (report->kind == GuardReport::Kind::ended) {
        ended_ = report->by_signal ? base::ExitStatus{0, report->status} : base::ExitStatus{report->status, 0};
        if (report->start_error != 0) throw_not_started(*report);
      }
    }
    return ended_;
  }

  void end() override { order({.kind = GuardOrder::Kind::end, .signal = 0, .expires_ns = 0}); }

 private:
  // In the place of the guard, whose session it is. What left the session is not found.
  void kill_session() {
    kill_all(runtime_, [&] { return in_session(files_, guard_->pid()); });
  }

  void read(base::Descriptor from, pipeline::ServiceHost::Output output) {
    reader_ =
        runtime_.spawn("output of a service", [this, from = std::make_shared<base::Descriptor>(std::move(from)),
                                               lines = Lines(std::move(output))](const std::stop_token& stop) mutable {
          std::array<std::byte, 8192> buffer{};
          base::Poll poll(runtime_);
          poll.add(from->get());
          while (poll.wait(base::Deadline::never(), stop)) {
            const auto count = base::read_some(*from, buffer);
            if (!count || *count == 0) break;
            lines.take({reinterpret_cast<const char*>(buffer.data()), *count});
          }
          lines.finish();
        });
  }

  void await_start() {
    base::Poll poll(runtime_);
    poll.add(socket_.get());
    const bool heard = poll.wait(runtime_.in(kStartPatience));
    const auto report = heard ? read_report() : std::nullopt;
    if (!report) {  // The program may have been started all the same.
      kill_session();
      throw Error(Code::unavailable, heard ? fmt::format("the guard of {} ended at once", program_)
                                           : fmt::format("{} did not start in time", program_));
    }
    pid_ = report->command;
    // Whether the process became the program, its end says.
    if (report->kind == GuardReport::Kind::ended) throw_not_started(*report);
  }

  [[noreturn]] void throw_not_started(const GuardReport& report) {
    ended_ = base::ExitStatus{1, 0};
    throw base::errno_error(report.start_error != 0 ? report.start_error : EIO, program_, "it could not be started");
  }

  std::optional<GuardReport> read_report() const {
    GuardReport report;
    for (;;) {
      const auto count = ::recv(socket_.get(), &report, sizeof report, 0);
      if (count == sizeof report) return report;
      if (count < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
      return std::nullopt;
    }
  }

  void order(GuardOrder what) const noexcept {
    static_cast<void>(::send(socket_.get(), &what, sizeof what, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  base::Runtime& runtime_;
  base::Files& files_;
  const std::string program_;
  base::Descriptor socket_;
  std::optional<base::ChildProcess> guard_;
  base::Task reader_;
  pid_t pid_ = 0;
  std::optional<base::ExitStatus> ended_;
};

}  // namespace

std::unique_ptr<pipeline::RunningService> ServiceProcesses::start(const pipeline::Service& service, Output output) {
  return std::make_unique<ServiceProcess>(runtime_, files_, service, std::move(output));
}

}  // namespace tidelock::cli

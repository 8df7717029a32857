#include "tidelock/cli/guard.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>

#include "tidelock/base/errno_error.h"
#include "tidelock/cli/guard_process.h"
#include "tidelock/cli/process_tree.h"

namespace tidelock::cli {
namespace {

void send(const base::Descriptor& socket, GuardOrder order, const std::string& variables = {}) {
  std::string message(reinterpret_cast<const char*>(&order), sizeof order);
  message += variables;
  // Never waits: a guard that does not take its orders in is as good as dead, and a later order says as much as this
  // one. SIGPIPE never: a guard that is gone is seen where its reports are read.
  static_cast<void>(::send(socket.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Takes the status of every child that ended.
void reap_ended() {
  for (;;) {
    const auto pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid == 0 || (pid < 0 && errno != EINTR)) return;
  }
}

}  // namespace

Guard::Guard(base::Runtime& runtime, base::Files& files, GuardOptions options, const SignalState& signals)
    : runtime_(runtime), files_(files) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw base::errno_error(errno, {}, "no socket pair could be made");
  }
  socket_.reset(ends[0]);
  base::Descriptor guard_end(ends[1]);
  // What the guard leaves behind should it be killed becomes ours, see kill_everything().
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_ = ::fork();
  if (pid_ < 0) throw base::errno_error(errno, {}, "the guard process could not be started");
  if (pid_ > 0) return;

  int result = 0;
  try {
    socket_.reset();
    GuardProcess(runtime, files, std::move(guard_end), options, signals).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tidelock: the guard process failed: %s\n", error.what());
    result = 1;
  }
  ::_exit(result);  // Not exit(): what the program has to do at its end is not the guard's.
}

Guard::~Guard() {
  socket_.reset();
  if (pid_ <= 0) return;
  ::kill(pid_, SIGCONT);
  reap(pid_);
}

void Guard::run(base::Instant expires, const std::vector<std::string>& environment) {
  std::string variables;
  for (const auto& variable : environment) variables.append(variable).push_back('\0');
  send(socket_, {.kind = GuardOrder::Kind::run, .signal = 0, .expires_ns = expires.time_since_epoch().count()},
       variables);
}

void Guard::extend(base::Instant expires) {
  send(socket_, {.kind = GuardOrder::Kind::extend, .signal = 0, .expires_ns = expires.time_since_epoch().count()});
}

void Guard::send_signal(int signal) {
  send(socket_, {.kind = GuardOrder::Kind::signal, .signal = signal, .expires_ns = 0});
}

void Guard::end() { send(socket_, {.kind = GuardOrder::Kind::end, .signal = 0, .expires_ns = 0}); }

int Guard::kill_everything() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    reap(pid_);
    pid_ = 0;
  }
  return kill_all(runtime_, [&] {
    reap_ended();
    return descendants(files_, ::getpid());
  });
}

std::optional<GuardReport> Guard::read_report() {
  GuardReport report;
  for (;;) {
    const auto count = ::recv(socket_.get(), &report, sizeof report, 0);
    if (count == sizeof report) return report;
    // ECONNRESET: the guard ended with orders unread; its reports come next.
    if (count < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    return std::nullopt;
  }
}

}  // namespace tidelock::cli

#include "tidelock/base/signals.h"

#include <fmt/format.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <span>

#include "tidelock/base/errno_error.h"
#include "tidelock/base/poll.h"

namespace tidelock::base {

namespace {

bool is_ignored(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

}  // namespace

ProgramSignals::ProgramSignals(Runtime& runtime, std::initializer_list<int> signals) : runtime_(runtime) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) {
    if (signal == SIGKILL || signal == SIGSTOP || sigaddset(&set, signal) != 0) {
      throw Error(Code::invalid_argument, fmt::format("signal {} cannot be read by a program", signal));
    }
    if (is_ignored(signal)) sigdelset(&set, signal);  // Blocked, it would be kept and read all the same.
  }
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw errno_error(errno, {}, "signals cannot be read");
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

ProgramSignals::~ProgramSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

std::optional<int> ProgramSignals::next(Deadline deadline, const std::stop_token& stop) {
  Poll poll(runtime_);
  poll.add(signals_.get());
  for (;;) {
    signalfd_siginfo info{};
    if (read_some(signals_, std::as_writable_bytes(std::span(&info, 1)))) return static_cast<int>(info.ssi_signo);
    if (!poll.wait(deadline, stop)) return std::nullopt;
  }
}

}  // namespace tidelock::base

#include "tidelock/cli/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>

#include "tidelock/base/errno_error.h"

namespace tidelock::cli {
namespace {

sigset_t only(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}

bool is_ignored(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigaction(signal, &action, nullptr);
}

}  // namespace

SignalState SignalState::current() {
  SignalState state{};
  pthread_sigmask(SIG_BLOCK, nullptr, &state.blocked);
  sigaction(SIGPIPE, nullptr, &state.pipe);
  sigaction(SIGCHLD, nullptr, &state.child);
  return state;
}

void SignalState::restore() const {
  sigaction(SIGPIPE, &pipe, nullptr);
  sigaction(SIGCHLD, &child, nullptr);
  pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

Signals::Signals() : inherited_(SignalState::current()) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP}) {
    if (!is_ignored(signal)) sigaddset(&set, signal);
  }
  descriptor_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor_) throw base::errno_error(errno, {}, "no descriptor for signals could be made");
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  set_handler(SIGPIPE, SIG_IGN);
  set_handler(SIGCHLD, SIG_DFL);
}

Signals::~Signals() { inherited_.restore(); }

std::optional<int> Signals::read() {
  signalfd_siginfo info{};
  const auto count = base::read_some(descriptor_, std::as_writable_bytes(std::span(&info, 1)));
  if (!count || *count != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

void end_by_signal(int signal) {
  set_handler(signal, SIG_DFL);
  const auto set = only(signal);
  ::raise(signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);  // Delivers it.
  std::_Exit(128 + signal);
}

void stop_here() {
  const auto set = only(SIGTSTP);
  ::raise(SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);  // Delivers it.
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace tidelock::cli

#include "tidelock/cli/signals.h"

#include <pthread.h>

#include <cstdlib>

namespace tidelock::cli {
namespace {

sigset_t only(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
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

Signals::Signals(base::Runtime& runtime)
    : inherited_(SignalState::current()),
      signals_(runtime, {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP}) {
  set_handler(SIGPIPE, SIG_IGN);
  set_handler(SIGCHLD, SIG_DFL);
}

Signals::~Signals() { inherited_.restore(); }

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

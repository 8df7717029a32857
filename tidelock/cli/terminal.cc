#include "tidelock/cli/terminal.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace tidelock::cli {

void open_missing_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest free number, which is `stream`: those below it are open by now.
    if (::fcntl(stream, F_GETFD) < 0 && ::open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0) return;
  }
}

Terminal::Terminal() : tty_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {}

pid_t Terminal::foreground() const {
  const auto group = tty_ ? ::tcgetpgrp(tty_.get()) : -1;
  return group < 0 ? 0 : group;
}

bool Terminal::hand_over(pid_t from, pid_t to) const {
  if (none() || foreground() != from) return false;
  // From the background it would stop the caller with SIGTTOU, unless that is blocked.
  sigset_t ttou;
  sigset_t before;
  sigemptyset(&ttou);
  sigaddset(&ttou, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &ttou, &before);
  const bool done = ::tcsetpgrp(tty_.get(), to) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return done;
}

}  // namespace tidelock::cli

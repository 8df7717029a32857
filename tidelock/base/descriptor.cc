#include "tidelock/base/descriptor.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "tidelock/base/errno_error.h"

namespace tidelock::base {
namespace {

// A write to a pipe that nobody reads any more sends SIGPIPE to this thread, which would end the program. It is held
// back for the scope, and taken if it came meanwhile and was not pending before.
class SigpipeHeldBack {
 public:
  SigpipeHeldBack() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~SigpipeHeldBack() {
    const int saved = errno;
    const timespec at_once{};
    if (!was_pending_) {
      while (sigtimedwait(&sigpipe_, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = saved;
  }
  SigpipeHeldBack(const SigpipeHeldBack&) = delete;
  SigpipeHeldBack& operator=(const SigpipeHeldBack&) = delete;

 private:
  sigset_t sigpipe_;
  sigset_t before_;
  bool was_pending_;
};

}  // namespace

void Descriptor::reset(int number) {
  // Not repeated on EINTR: Linux has released the number by then, and another thread may own it already.
  if (number_ >= 0) ::close(number_);
  number_ = number;
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error(errno, {}, "no pipe could be made");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::optional<std::size_t> read_some(const Descriptor& from, std::span<std::byte> out) {
  for (;;) {
    const auto count = ::read(from.get(), out.data(), out.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN) return std::nullopt;
    if (errno != EINTR) throw errno_error(errno, {}, "a descriptor could not be read");
  }
}

void write_all(const Descriptor& to, std::string_view data) {
  const SigpipeHeldBack held_back;
  while (!data.empty()) {
    const auto count = ::write(to.get(), data.data(), data.size());
    if (count >= 0) {
      data.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd writable{to.get(), POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      throw errno_error(errno, {}, errno == EPIPE ? "nobody reads the pipe any more" : "a pipe could not be written");
    }
  }
}

}  // namespace tidelock::base

#include "tidelock/cli/input.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "tidelock/base/errno_error.h"

namespace tidelock::cli {
namespace {

base::Descriptor open_to_read(const base::Path& path) {
  for (;;) {
    base::Descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (opened) return opened;
    if (errno != EINTR) throw base::errno_error(errno, path, "it could not be opened");
  }
}

}  // namespace

Input::Input(base::Runtime& runtime) : from_(STDIN_FILENO), owns_(false), poll_(runtime) { poll_.add(from_.get()); }

Input::Input(base::Runtime& runtime, const base::Path& path) : from_(open_to_read(path)), owns_(true), poll_(runtime) {
  poll_.add(from_.get());
}

Input::~Input() {
  if (!owns_) from_.release();
}

std::size_t Input::read(std::span<std::byte> out, const std::stop_token& stop) {
  std::size_t size = 0;
  while (!ended_ && size < out.size() && poll_.wait(base::Deadline::never(), stop)) {
    const auto part = base::read_some(from_, out.subspan(size));
    ended_ = part == 0U;
    size += part.value_or(0);
  }
  return size;
}

}  // namespace tidelock::cli

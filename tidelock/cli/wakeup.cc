#include "tidelock/cli/wakeup.h"

#include <sys/eventfd.h>

#include <cerrno>

#include "tidelock/base/errno_error.h"

namespace tidelock::cli {

Wakeup::Wakeup() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw base::errno_error(errno, {}, "no event descriptor could be made");
}

void Wakeup::wake() { ::eventfd_write(event_.get(), 1); }

void Wakeup::reset() {
  eventfd_t count = 0;
  ::eventfd_read(event_.get(), &count);
}

}  // namespace tidelock::cli

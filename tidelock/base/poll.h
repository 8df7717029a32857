// Waits until one of several descriptors is ready: pipes, processes, signals, changes of files.
#pragma once

#include <poll.h>

#include <cstddef>
#include <stop_token>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/runtime.h"

namespace tidelock::base {

// Waits in the kernel, so it serves real programs only, not a World. Used by one task at a time; borrows the
// descriptors.
class Poll {
 public:
  explicit Poll(Runtime& runtime) : runtime_(runtime) {}

  // Returns the index to ask ready() with. `events` as for poll(2).
  std::size_t add(int descriptor, short events = POLLIN);
  // Waits for this instead from here on.
  void change(std::size_t index, int descriptor, short events) { entries_[index] = {descriptor, events, 0}; }
  // No longer waits for it; ready() is false from here on.
  void ignore(std::size_t index);

  // True when at least one is ready, also when its other end has gone; false at the deadline or when `stop` is
  // requested. Errors: misuse for a descriptor that is not open.
  bool wait(Deadline deadline, const std::stop_token& stop = {});

  // Of the last wait().
  bool ready(std::size_t index) const { return entries_[index].revents != 0; }

 private:
  bool wait_in_slices(std::vector<pollfd>& entries, Deadline deadline, const std::stop_token& stop);

  Runtime& runtime_;
  std::vector<pollfd> entries_;
};

}  // namespace tidelock::base

#include "tidelock/base/poll.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include "tidelock/base/errno_error.h"
#include "tidelock/base/local_mutex.h"

namespace tidelock::base {

std::size_t Poll::add(int descriptor, short events) {
  entries_.push_back({descriptor, events, 0});
  return entries_.size() - 1;
}

void Poll::ignore(std::size_t index) { entries_[index] = {-1, 0, 0}; }

bool Poll::wait(Deadline deadline, const std::stop_token& stop) {
  check_no_local_mutex_held("a task waits for descriptors");
  for (auto& entry : entries_) entry.revents = 0;
  if (stop.stop_requested()) return false;
  if (!stop.stop_possible()) return wait_in_slices(entries_, deadline, stop);

  const Descriptor wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) throw errno_error(errno, {}, "no event descriptor could be made");
  auto entries = entries_;
  entries.push_back({wake.get(), POLLIN, 0});
  {
    const std::stop_callback on_stop(stop, [&] {
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof one);
    });
    wait_in_slices(entries, deadline, stop);
  }
  std::copy(entries.begin(), entries.end() - 1, entries_.begin());
  return std::any_of(entries_.begin(), entries_.end(), [](const pollfd& entry) { return entry.revents != 0; });
}

bool Poll::wait_in_slices(std::vector<pollfd>& entries, Deadline deadline, const std::stop_token& stop) {
  for (;;) {
    // poll() counts CLOCK_MONOTONIC, which stands still while the machine is suspended, and a deadline does not: in
    // slices, a resumed laptop notices after a second at most.
    constexpr std::chrono::nanoseconds kSlice = std::chrono::seconds(1);
    const auto left = deadline.is_never() ? kSlice : std::min(deadline.left(runtime_.now()), kSlice);
    const timespec timeout{left / std::chrono::seconds(1), (left % std::chrono::seconds(1)).count()};
    const int count = ::ppoll(entries.data(), entries.size(), deadline.is_never() ? nullptr : &timeout, nullptr);
    if (count > 0) {
      const bool closed = std::any_of(entries.begin(), entries.end(),
                                      [](const pollfd& entry) { return (entry.revents & POLLNVAL) != 0; });
      if (closed) throw Error(Code::misuse, "a descriptor that is not open was waited for");
      return true;
    }
    if (count < 0 && errno != EINTR) throw errno_error(errno, {}, "waiting for descriptors failed");
    if (stop.stop_requested() || (!deadline.is_never() && deadline.passed(runtime_.now()))) return false;
  }
}

}  // namespace tidelock::base

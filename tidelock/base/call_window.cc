#include "tidelock/base/call_window.h"

#include <algorithm>

namespace tidelock::base {

CallTally& CallTally::operator+=(const CallTally& other) {
  calls += other.calls;
  failed += other.failed;
  slow += other.slow;
  slow_failed += other.slow_failed;
  return *this;
}

CallTally& CallTally::operator-=(const CallTally& other) {
  calls -= other.calls;
  failed -= other.failed;
  slow -= other.slow;
  slow_failed -= other.slow_failed;
  return *this;
}

void CallWindow::add(bool failed, bool slow, Instant now) {
  if (type_ == SlidingWindowType::count_based) {
    drop_oldest();
  } else {
    move_to(now);
  }
  const CallTally call{
      .calls = 1, .failed = failed ? 1U : 0U, .slow = slow ? 1U : 0U, .slow_failed = failed && slow ? 1U : 0U};
  parts_[newest_] += call;
  total_ += call;
}

const CallTally& CallWindow::total(Instant now) {
  if (type_ == SlidingWindowType::time_based) move_to(now);
  return total_;
}

void CallWindow::move_to(Instant now) {
  const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  const auto passed = std::min(second - second_, static_cast<std::int64_t>(parts_.size()));
  for (std::int64_t i = 0; i < passed; ++i) drop_oldest();
  second_ = std::max(second, second_);
}

void CallWindow::drop_oldest() {
  newest_ = (newest_ + 1) % parts_.size();
  total_ -= parts_[newest_];
  parts_[newest_] = {};
}

}  // namespace tidelock::base

// What happens at a moment of virtual time. Internal to the World.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tidelock/base/time.h"

namespace tidelock::world {

// Virtual time: since the World began. Machines' clocks are derived from it.
using Time = base::Duration;
inline constexpr Time kNever = Time::max();

class Timer {
 public:
  virtual void fire() = 0;  // Must not switch.
  bool armed() const { return index_ != kUnarmed; }

 protected:
  ~Timer() = default;

 private:
  friend class TimerHeap;
  static constexpr std::size_t kUnarmed = SIZE_MAX;
  std::size_t index_ = kUnarmed;
};

// A binary heap that knows where each timer stands, so that one can be taken out. Equal moments fire in order of
// arming.
class TimerHeap {
 public:
  bool empty() const { return heap_.empty(); }
  Time next() const { return heap_.empty() ? kNever : heap_.front().at; }

  void arm(Timer& timer, Time at) {
    disarm(timer);
    heap_.push_back({at, armed_++, &timer});
    rise(heap_.size() - 1);
  }

  void disarm(Timer& timer) {
    if (!timer.armed()) return;
    const auto hole = std::exchange(timer.index_, Timer::kUnarmed);
    const auto last = heap_.back();
    heap_.pop_back();
    if (hole == heap_.size()) return;
    place(hole, last);
    if (sink(hole) == hole) rise(hole);
  }

  Timer& pop() {
    auto& timer = *heap_.front().timer;
    disarm(timer);
    return timer;
  }

 private:
  struct Entry {
    Time at;
    std::uint64_t order;
    Timer* timer;
    bool before(const Entry& other) const { return at != other.at ? at < other.at : order < other.order; }
  };

  void place(std::size_t index, const Entry& entry) {
    heap_[index] = entry;
    entry.timer->index_ = index;
  }

  void rise(std::size_t index) {
    const auto entry = heap_[index];
    for (; index > 0 && entry.before(heap_[(index - 1) / 2]); index = (index - 1) / 2) {
      place(index, heap_[(index - 1) / 2]);
    }
    place(index, entry);
  }

  std::size_t sink(std::size_t index) {
    const auto entry = heap_[index];
    for (;;) {
      auto child = 2 * index + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) ++child;
      if (!heap_[child].before(entry)) break;
      place(index, heap_[child]);
      index = child;
    }
    place(index, entry);
    return index;
  }

  std::vector<Entry> heap_;
  std::uint64_t armed_ = 0;
};

}  // namespace tidelock::world

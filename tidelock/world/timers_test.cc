#include "tidelock/world/timers.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "tidelock/world/random.h"

namespace tidelock::world {
namespace {

struct Marked final : Timer {
  void fire() override {}
};

TEST(TimerHeap, FiresInOrderOfMomentThenOfArmingWhateverIsTakenOut) {
  Random random(1);
  TimerHeap heap;
  std::vector<Marked> timers(200);
  std::map<std::pair<Time, std::uint64_t>, Marked*> expected;
  std::map<Marked*, std::pair<Time, std::uint64_t>> keys;
  std::uint64_t armed = 0;
  for (int step = 0; step < 20'000; ++step) {
    auto& timer = timers[random.below(200)];
    const auto choice = random.below(4);
    if (choice < 2) {
      if (timer.armed()) expected.erase(keys[&timer]);
      keys[&timer] = {Time(random.below(50)), armed++};
      expected[keys[&timer]] = &timer;
      heap.arm(timer, keys[&timer].first);
    } else if (choice == 2) {
      if (timer.armed()) expected.erase(keys[&timer]);
      heap.disarm(timer);
    } else if (!expected.empty()) {
      ASSERT_EQ(heap.next(), expected.begin()->first.first);
      ASSERT_EQ(&heap.pop(), expected.begin()->second);
      expected.erase(expected.begin());
    }
    ASSERT_EQ(heap.empty(), expected.empty());
  }
}

TEST(TimerHeap, AnEmptyOneIsNeverDue) { EXPECT_EQ(TimerHeap().next(), kNever); }

}  // namespace
}  // namespace tidelock::world

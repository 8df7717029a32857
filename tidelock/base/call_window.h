// How the last calls went: the sliding window of a CircuitBreaker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tidelock/base/time.h"

namespace tidelock::base {

enum class SlidingWindowType : std::uint8_t { count_based, time_based };

// What a number of calls came to.
struct CallTally {
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
  std::uint64_t slow = 0;         // Failed or not.
  std::uint64_t slow_failed = 0;  //

  CallTally& operator+=(const CallTally& other);
  CallTally& operator-=(const CallTally& other);
  friend bool operator==(const CallTally&, const CallTally&) = default;
};

// The last `size` calls, or the calls of the last `size` seconds, the one that runs included. Adding and asking take
// constant time per call and second passed. Used by one task at a time.
class CallWindow {
 public:
  CallWindow(SlidingWindowType type, std::size_t size) : type_(type), parts_(size) {}

  // Instants that go back, as those of two tasks may, count as the latest one.
  void add(bool failed, bool slow, Instant now);
  const CallTally& total(Instant now);

 private:
  void move_to(Instant now);
  void drop_oldest();  // Its part becomes the newest.

  SlidingWindowType type_;
  std::vector<CallTally> parts_;  // A ring: one call each, or one second each.
  std::size_t newest_ = 0;
  std::int64_t second_ = 0;  // Of the newest part.
  CallTally total_;
};

}  // namespace tidelock::base

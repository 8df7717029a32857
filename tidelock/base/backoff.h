// How long to wait before each further attempt: exponential or fixed, with jitter so that many who failed at once do
// not come back at once.
#pragma once

#include <chrono>
#include <cstdint>

#include "tidelock/base/time.h"

namespace tidelock::base {

// With v = min(cap, base * factor^n) before retry n (from 0), and U uniform (M. Brooker, "Exponential Backoff And
// Jitter", 2015):
enum class Jitter {
  none,          // v
  full,          // U(0, v)
  equal,         // v/2 + U(0, v/2)
  decorrelated,  // min(cap, U(base, 3 * the last one)), the last one being base at first; without factor.
};

struct BackoffOptions {
  Duration base = std::chrono::milliseconds(100);
  double factor = 2;  // 1: the same each time.
  Duration cap = std::chrono::seconds(10);
  Jitter jitter = Jitter::full;

  static BackoffOptions fixed(Duration each) { return {each, 1, each, Jitter::none}; }
};

// One wait, with Jitter::equal: between half of `most` and all of it. `random` as of Backoff::next().
Duration jittered(Duration most, std::uint64_t random);

// The sequence of waits. A pure value: it is given its randomness and never waits itself.
class Backoff {
 public:
  // Error: invalid_argument unless 0 <= base <= cap and 1 <= factor.
  explicit Backoff(BackoffOptions options);

  // `random`: 64 uniform bits, as of Runtime::random(). Never more than the cap.
  Duration next(std::uint64_t random);
  // Begins anew, as after a success.
  void reset();

 private:
  BackoffOptions options_;
  Duration grown_;  // v, or the last wait when decorrelated.
};

}  // namespace tidelock::base

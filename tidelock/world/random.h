// The random numbers of a World: fast, and the same for the same seed everywhere. Not for secrets.
#pragma once

#include <bit>
#include <cstdint>

#include "tidelock/base/time.h"

namespace tidelock::world {

// splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): spreads a number over 64 bits.
constexpr std::uint64_t scramble(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// Both ends included.
struct TimeRange {
  base::Duration low;
  base::Duration high;
};

// xoshiro256++ (Blackman, Vigna: Scrambled Linear Pseudorandom Number Generators, 2019).
class Random {
 public:
  // Streams of one seed are independent of each other.
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) {
    std::uint64_t value = scramble(seed) ^ scramble(~stream);
    for (auto& word : state_) word = value = scramble(value);
  }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // 0 to bound - 1, by the multiplication of Lemire (2019) without its rejection: the bias is below bound / 2^32.
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32); }

  // 0 to below 1.
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }

  base::Duration between(TimeRange range) {
    const auto width = static_cast<double>((range.high - range.low).count() + 1);
    return range.low + base::Duration(static_cast<std::int64_t>(unit() * width));
  }

 private:
  std::uint64_t state_[4];
};

}  // namespace tidelock::world

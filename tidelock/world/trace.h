// What happened in a World, as one number and, when asked for, as the last lines of a story. Internal to the World.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "tidelock/world/timers.h"

namespace tidelock::world {

class Trace {
 public:
  explicit Trace(std::size_t keep) : keep_(keep) {}

  // Folds a value into the hash. Two runs agree on hash() only if they folded the same values in the same order.
  void fold(std::uint64_t value) { hash_ = (std::rotl(hash_, 23) ^ value) * 0x9fb21c651e98df25; }
  void fold(std::string_view bytes);
  std::uint64_t hash() const { return hash_ ^ (hash_ >> 32); }

  bool keeps_log() const { return keep_ != 0; }
  void log(Time at, std::string line);
  std::string text() const;

 private:
  std::size_t keep_;
  std::uint64_t hash_ = 0x243f6a8885a308d3;
  std::deque<std::string> lines_;
};

// "3.250015s": for people.
std::string format_time(Time time);

}  // namespace tidelock::world

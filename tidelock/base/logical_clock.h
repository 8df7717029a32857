// Clocks that order events without trusting anybody's time: Lamport, vector and hybrid logical clocks.
//
//   LamportClock  if a happened before b, then stamp(a) < stamp(b). One number; the order says nothing more.
//   VectorClock   a happened before b if and only if stamp(a) < stamp(b). A number for each node; tells what is
//                 concurrent.
//   HybridClock   as Lamport's, and the stamp is close to the time of day. Two numbers, whatever the nodes.
//
// Call tick() for an event of one's own, a message to be sent included, and send the stamp along; call receive() with
// the stamp of a message. All three are thread-safe. A remote stamp that cannot be right is refused as invalid_argument
// and changes nothing: one bad message must not spoil the clock of everybody.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/time.h"

namespace tidelock::base {

// L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978. For a total order compare
// (stamp, node).
class LamportClock {
 public:
  using Stamp = std::uint64_t;

  // Goes on after `last`, where a node kept one. A remote stamp that is more than `max_jump` ahead is refused.
  explicit LamportClock(Stamp last = 0, std::uint64_t max_jump = std::uint64_t{1} << 40)
      : last_(last), max_jump_(max_jump) {}

  // Error: too_large when the numbers have run out.
  Stamp tick() TIDELOCK_EXCLUDES(mutex_);
  // The stamp of the receipt. Errors: invalid_argument, too_large.
  Stamp receive(Stamp remote) TIDELOCK_EXCLUDES(mutex_);
  Stamp last() const TIDELOCK_EXCLUDES(mutex_);

 private:
  Stamp advance(Stamp from) TIDELOCK_REQUIRES(mutex_);

  mutable LocalMutex mutex_;
  Stamp last_ TIDELOCK_GUARDED_BY(mutex_);
  const std::uint64_t max_jump_;
};

// How many events of each node are known. A node that is not there has 0.
class VectorStamp {
 public:
  VectorStamp() = default;
  explicit VectorStamp(std::map<std::string, std::uint64_t, std::less<>> events);  // Entries of 0 are left out.

  std::uint64_t operator[](std::string_view node) const;
  const std::map<std::string, std::uint64_t, std::less<>>& events() const { return events_; }

  // Less: happened before. Unordered: concurrent.
  friend std::partial_ordering operator<=>(const VectorStamp& a, const VectorStamp& b);
  friend bool operator==(const VectorStamp&, const VectorStamp&) = default;

  // Both together: the least stamp that is not before either.
  void merge(const VectorStamp& other);

 private:
  friend class VectorClock;
  std::map<std::string, std::uint64_t, std::less<>> events_;
};

// C. Fidge, "Timestamps in Message-Passing Systems That Preserve the Partial Ordering", 1988; F. Mattern, "Virtual Time
// and Global States of Distributed Systems", 1989.
class VectorClock {
 public:
  // `node`: one that nobody else uses, also not this one after it has lost its last stamp.
  explicit VectorClock(std::string node, VectorStamp last = {}) : node_(std::move(node)), last_(std::move(last)) {}

  // Error: too_large when the numbers have run out.
  VectorStamp tick() TIDELOCK_EXCLUDES(mutex_);
  // Errors: invalid_argument for a stamp that knows more of this node than there is, which means that another node
  // uses its name or that this one has lost its state; too_large.
  VectorStamp receive(const VectorStamp& remote) TIDELOCK_EXCLUDES(mutex_);
  VectorStamp last() const TIDELOCK_EXCLUDES(mutex_);

 private:
  std::uint64_t next() const TIDELOCK_REQUIRES(mutex_);

  const std::string node_;
  mutable LocalMutex mutex_;
  VectorStamp last_ TIDELOCK_GUARDED_BY(mutex_);
};

// A time of day that never goes back and that no two events of a node share.
struct HybridStamp {
  WallTime time{};            // "l": the latest time of day that is known of, on any node.
  std::uint32_t counter = 0;  // "c": tells events of the same time apart.

  friend auto operator<=>(const HybridStamp&, const HybridStamp&) = default;

  // 25 characters that sort as stamps do: "000645a1b2c3d4e5.0000000f", microseconds since 1970 and the counter.
  std::string to_string() const;
  static HybridStamp parse(std::string_view text);  // Error: invalid_argument.
};

struct HybridClockOptions {
  // How far the clocks of the nodes may be apart; a remote stamp that is further ahead of the local clock is refused.
  Duration max_offset = std::chrono::milliseconds(500);
};

// S. Kulkarni, M. Demirbas, D. Madappa, B. Avva, M. Leone: "Logical Physical Clocks", OPODIS 2014, the algorithm of
// figure 5. What they prove, pt being a node's time of day (Runtime::wall_now()) and e the greatest difference between
// two nodes' clocks:
//   - a happened before b: stamp(a) < stamp(b);
//   - pt <= stamp.time <= pt + e at every event, as long as no clock is set back; a node whose clock is set back goes
//     on stamping its own events with the time it had reached, until its clock is there again;
//   - stamp.counter is at most the number of events that happened before and bear the same time: few, unless a clock
//     stands still. Behind 2^31 of them the time is a microsecond later than any clock.
class HybridClock {
 public:
  // Goes on after `last`, where a node kept one: after a restart its stamps must not go back either. Borrows the
  // runtime. Error: invalid_argument for an offset below 0.
  explicit HybridClock(Runtime& runtime, HybridClockOptions options = {}, HybridStamp last = {});

  HybridStamp tick() TIDELOCK_EXCLUDES(mutex_);
  // Error: invalid_argument when the stamp is further ahead than max_offset, and says how far, or when its counter is
  // above 2^31, which no clock gives.
  HybridStamp receive(const HybridStamp& remote) TIDELOCK_EXCLUDES(mutex_);
  HybridStamp last() const TIDELOCK_EXCLUDES(mutex_);

 private:
  WallTime time_of_day();
  HybridStamp advance(HybridStamp from, WallTime now) TIDELOCK_REQUIRES(mutex_);

  Runtime& runtime_;
  const HybridClockOptions options_;
  mutable LocalMutex mutex_;
  HybridStamp last_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::base

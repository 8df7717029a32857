// What a lock gives: a lease that expires, and a token that lets the guarded resource refuse a stale holder.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "tidelock/base/time.h"
#include "tidelock/base/uuid.h"

namespace tidelock::lock {

// Strictly increasing per key, also after the arbiter lost its state: max(previous + 1, the arbiter's wall clock in
// µs).
struct FencingToken {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(FencingToken, FencingToken) = default;
};

struct LeaseOptions {
  // The backend frees the key this long after the last renewal. At most 365 days.
  std::chrono::milliseconds ttl{10'000};
  std::chrono::milliseconds margin{500};  // The holder stops this much sooner. Requires 0 <= margin < ttl.
  // Who holds and waits, in the deadlock graph: one activity, which cannot go on while it waits. At most 1024 bytes.
  // Empty: the owner of the current task (see owner.h).
  std::string owner{};
};

// One holding of a key. Plain data: copying it shares it, dropping it frees nothing.
struct Lease {
  std::optional<FencingToken> token;  // Greater than every earlier one on this key; empty where the backend has none.
  base::Instant expires;              // Stop acting here: the margin is off already. On the Runtime's monotonic clock.
  base::Uuid claim;                   // Which acquisition this is; the proof of ownership, with the token.

  bool valid(base::Instant now) const { return now < expires; }
};

}  // namespace tidelock::lock

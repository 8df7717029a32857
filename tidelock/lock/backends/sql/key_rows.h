// The holders and waiters of one key, as one look at the database shows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/base/uuid.h"

namespace tidelock::lock {

struct KeyRows {
  struct Row {
    base::Uuid claim;
    std::string owner;
    std::uint32_t permits;
    base::Instant expires;  // On the clock of this process.
    std::int64_t token;     // Of a lease.
    std::int64_t presence;  // Of a waiter; see Presence.
  };

  const Row* find_holder(const base::Uuid& claim) const;
  std::size_t find_waiter(const base::Uuid& claim) const;  // waiters.size() when it is none.
  // Whether the waiter with this number, or a newcomer behind all, may have one of the free permits.
  bool is_turn_of(std::size_t place, std::uint32_t permits) const { return holders.size() + place < permits; }
  // When a holder, or a waiter before this one, expires.
  base::Instant next_expiry(std::size_t place) const;
  // Takes a waiter out; those behind it move up.
  void drop_waiter(std::size_t place) { waiters.erase(waiters.begin() + static_cast<std::ptrdiff_t>(place)); }

  std::vector<Row> holders;      // Those whose time is not over.
  std::vector<Row> waiters;      // The same, in their order.
  bool any_lease_over = false;   // There are rows to sweep.
  bool any_waiter_over = false;  //
};

}  // namespace tidelock::lock

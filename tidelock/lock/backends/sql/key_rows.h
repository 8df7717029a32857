// The holders and waiters of one key, as one look at the database shows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/base/uuid.h"
#include "tidelock/lock/backends/sql/statements.h"
#include "tidelock/sql/executor.h"

namespace tidelock::lock {

// By which a row is judged: an expiry of another boot is over.
struct BootTime {
  std::string_view boot;
  base::Instant now;

  bool over(std::string_view other_boot, std::int64_t expires_boot_ns) const {
    return other_boot != boot || expires_boot_ns <= in_ns(now);
  }
  static std::int64_t in_ns(base::Instant moment) { return moment.time_since_epoch().count(); }
};

struct KeyRows {
  struct Row {
    base::Uuid claim;
    std::string owner;
    std::uint32_t permits;
    base::Instant expires;
    std::int64_t token;     // Of a lease.
    std::int64_t presence;  // Of a waiter.
  };

  static KeyRows read(sql::Executor& executor, const Statements& statements, std::string_view key,
                      const BootTime& time);

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

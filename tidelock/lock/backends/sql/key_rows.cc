#include "tidelock/lock/backends/sql/key_rows.h"

#include <algorithm>

namespace tidelock::lock {

const KeyRows::Row* KeyRows::find_holder(const base::Uuid& claim) const {
  const auto found = std::ranges::find(holders, claim, &Row::claim);
  return found == holders.end() ? nullptr : &*found;
}

std::size_t KeyRows::find_waiter(const base::Uuid& claim) const {
  return static_cast<std::size_t>(std::ranges::find(waiters, claim, &Row::claim) - waiters.begin());
}

base::Instant KeyRows::next_expiry(std::size_t place) const {
  auto next = base::Instant::max();
  for (const auto& holder : holders) next = std::min(next, holder.expires);
  for (std::size_t i = 0; i < std::min(place, waiters.size()); ++i) next = std::min(next, waiters[i].expires);
  return next;
}

}  // namespace tidelock::lock

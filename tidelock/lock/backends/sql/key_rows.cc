#include "tidelock/lock/backends/sql/key_rows.h"

#include <algorithm>

namespace tidelock::lock {
namespace {

// True when rows were left out because their time is over.
bool read_rows(std::vector<KeyRows::Row>& out, sql::Rows rows, const BootTime& time) {
  bool any_over = false;
  for (const auto row : rows) {
    const auto expires_boot_ns = row.get<std::int64_t>(4);
    if (time.over(row.get<std::string_view>(3), expires_boot_ns)) {
      any_over = true;
      continue;
    }
    out.push_back({.claim = row.get<base::Uuid>(0),
                   .owner = row.get<std::string>(1),
                   .permits = row.get<std::uint32_t>(2),
                   .expires = base::Instant(base::Duration(expires_boot_ns)),
                   .token = row.get<std::int64_t>(5),
                   .presence = row.get<std::int64_t>(5)});
  }
  return any_over;
}

}  // namespace

KeyRows KeyRows::read(sql::Executor& executor, const Statements& statements, std::string_view key,
                      const BootTime& time) {
  KeyRows found;
  found.any_lease_over = read_rows(found.holders, executor.query(statements.leases_of_key, key), time);
  found.any_waiter_over = read_rows(found.waiters, executor.query(statements.waiters_of_key, key), time);
  return found;
}

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

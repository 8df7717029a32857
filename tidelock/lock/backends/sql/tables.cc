#include "tidelock/lock/backends/sql/tables.h"

#include <utility>

namespace tidelock::lock {

void Tables::Collector::add(ClaimState claim, std::vector<ClaimState> KeyState::*list) {
  auto& of_key = keys_[claim.key];
  of_key.key = claim.key;
  (of_key.*list).push_back(std::move(claim));
}

std::vector<KeyState> Tables::Collector::sorted() && {
  std::vector<KeyState> sorted;
  for (auto& [name, of_key] : keys_) sorted.push_back(std::move(of_key));
  return sorted;
}

}  // namespace tidelock::lock

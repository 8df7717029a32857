#include "tidelock/lock/backend.h"

namespace tidelock::lock {

bool Backend::break_key(std::string_view key, base::Deadline deadline) {
  std::vector<base::Uuid> holders;
  for (const auto& state : snapshot(key, deadline)) {
    for (const auto& holder : state.holders) {
      if (holder.expires_in > base::Duration::zero()) holders.push_back(holder.id);
    }
  }
  return !holders.empty() && break_claims(key, holders, deadline) != 0;
}

}  // namespace tidelock::lock

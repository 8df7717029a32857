#include "tidelock/lock/refusals.h"

#include <fmt/format.h>

#include "tidelock/base/text.h"

namespace tidelock::lock {

Error lease_lost(std::string_view key) {
  return Error(
      Code::lease_lost,
      fmt::format("the lease on {} is held no longer: it expired, was released or was broken", base::quoted(key)));
}

Error not_holder(std::string_view key, std::string_view holder, std::string_view asker) {
  return Error(Code::not_holder, fmt::format("the lease on {} belongs to {}, and {} does not act for it",
                                             base::quoted(key), base::quoted(holder), base::quoted(asker)));
}

Error permits_differ(std::string_view key, std::uint32_t theirs, std::string_view holder, std::uint32_t ours,
                     std::string_view asker) {
  return Error(Code::permits_differ,
               fmt::format("{} has {} permits for {} and {} permits for {}: all must name the same number",
                           base::quoted(key), theirs, base::quoted(holder), ours, base::quoted(asker)));
}

}  // namespace tidelock::lock

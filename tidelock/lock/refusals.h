// The errors that every backend words alike.
#pragma once

#include <cstdint>
#include <string_view>

#include "tidelock/base/error.h"

namespace tidelock::lock {

Error lease_lost(std::string_view key);
Error not_holder(std::string_view key, std::string_view holder, std::string_view asker);
Error permits_differ(std::string_view key, std::uint32_t theirs, std::string_view holder, std::uint32_t ours,
                     std::string_view asker);

}  // namespace tidelock::lock

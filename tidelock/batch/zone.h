// Time zones of the system's database, for the sources of this room.
#pragma once

#include <date/tz.h>

#include <chrono>
#include <string_view>

#include "tidelock/base/time.h"

namespace tidelock::batch {

// By its IANA name. Error: invalid_argument, which suggests the nearest name.
const date::time_zone& find_zone(std::string_view name);

// The library has time types of its own.
inline date::sys_seconds to_date(base::WallTime moment) {
  return date::sys_seconds(std::chrono::floor<std::chrono::seconds>(moment.time_since_epoch()));
}

}  // namespace tidelock::batch

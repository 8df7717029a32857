// Durations as people write them: "250ms", "5m", "1h30m", "1.5s".
#pragma once

#include <string>
#include <string_view>

#include "tidelock/base/time.h"

namespace tidelock::base {

// Whole numbers with a unit (d, h, m, s, ms, us, ns), largest unit first, each unit once. The last number may have a
// decimal fraction, as long as it is not finer than a nanosecond: "1.5s" is "1s500ms". A unit is always written, also
// with 0; there are no signs and no spaces. At most 106751d23h47m16.854775807s.
// Error: invalid_argument, which says what is wrong and shows how to write it.
Duration parse_duration(std::string_view text);

// The shortest such text without fractions: "1h30m", "0s". parse_duration() reads it back. A negative duration, which
// only a message can hold, starts with '-'.
std::string format_duration(Duration duration);

}  // namespace tidelock::base

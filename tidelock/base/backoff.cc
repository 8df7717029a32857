#include "tidelock/base/backoff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"

namespace tidelock::base {
namespace {

Duration multiplied(Duration duration, double factor, Duration cap) {
  const double product = static_cast<double>(duration.count()) * factor;
  return product < static_cast<double>(cap.count()) ? Duration(static_cast<std::int64_t>(product)) : cap;
}

// Between low and high, which must not be less.
Duration uniform(Duration low, Duration high, std::uint64_t random) {
  const double share = static_cast<double>(random >> 11) * 0x1p-53;  // 0 to below 1.
  return std::min(high, low + Duration(static_cast<std::int64_t>(share * static_cast<double>((high - low).count()))));
}

}  // namespace

Duration jittered(Duration most, std::uint64_t random) { return uniform(most - most / 2, most, random); }

Backoff::Backoff(BackoffOptions options) : options_(options), grown_(options.base) {
  const bool ordered = Duration::zero() <= options.base && options.base <= options.cap;
  if (!ordered || !(options.factor >= 1) || !std::isfinite(options.factor)) {
    throw Error(Code::invalid_argument,
                fmt::format("a backoff from {} to {} growing by {}: the base must lie between 0s and the cap, and the "
                            "factor be 1 or more",
                            format_duration(options.base), format_duration(options.cap), options.factor));
  }
}

Duration Backoff::next(std::uint64_t random) {
  if (options_.jitter == Jitter::decorrelated) {
    const auto reach = multiplied(grown_, 3, options_.cap);
    grown_ = uniform(std::min(options_.base, reach), reach, random);
    return grown_;
  }
  const auto value = grown_;
  grown_ = multiplied(grown_, options_.factor, options_.cap);
  switch (options_.jitter) {
    case Jitter::none:
      return value;
    case Jitter::full:
      return uniform(Duration::zero(), value, random);
    case Jitter::equal:
      return jittered(value, random);
    case Jitter::decorrelated:
      break;
  }
  return value;
}

void Backoff::reset() { grown_ = options_.base; }

}  // namespace tidelock::base

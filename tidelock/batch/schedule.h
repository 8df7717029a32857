// When a job is due: a cron expression in a time zone, or every so often.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "tidelock/base/time.h"
#include "tidelock/batch/cron.h"

namespace tidelock::batch {

// Immutable. The calendar is the system's time zone database.
//
// When the local clock is set forward or back (daylight saving), the rule of cronie applies: a job at fixed times of
// day that falls into the skipped hour runs at once when the clock has moved, and one that falls into the repeated hour
// runs the first time only; a job with a star in minute or hour simply runs at each matching minute that the clock
// shows.
class Schedule {
 public:
  // cron: see Cron::parse(). zone: an IANA name such as "America/New_York". Error: invalid_argument.
  static Schedule cron(std::string_view text, std::string_view zone = "UTC");
  // interval: at least one second; counted from the epoch, so that every process finds the same moments.
  static Schedule every(base::Duration interval);

  // The first moment after `after`; empty when there is none within 8 years.
  std::optional<base::WallTime> next(base::WallTime after) const;

  // As it was written: `0 0 * * * (America/New_York)`, `every 5m`.
  const std::string& text() const { return text_; }

 private:
  struct InZone {
    Cron cron;
    std::string zone;
  };

  Schedule(std::variant<InZone, base::Duration> rule, std::string text);
  std::variant<InZone, base::Duration> rule_;
  std::string text_;
};

}  // namespace tidelock::batch

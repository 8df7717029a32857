// A cron expression: which minutes of the local calendar it names. No time zones here; see schedule.h.
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tidelock::batch {

// Minutes of a calendar without zone.
using LocalMinutes = std::chrono::local_time<std::chrono::minutes>;

// Five fields: minute hour day-of-month month day-of-week, each `*`, numbers, names (jan–dec, sun–sat), ranges `1-5`,
// lists `1,15`, steps `*/10`, `8-18/2`; `?` is `*` in the two day fields; Sunday is 0 and 7. As in Vixie cron, when
// both day fields are restricted a day that matches either counts. Or a nickname: @yearly @annually @monthly @weekly
// @daily @midnight
// @hourly. Immutable.
class Cron {
 public:
  // Error: invalid_argument, which names the field, what is wrong with it and what would be right; also for a date that
  // never comes (30 February).
  static Cron parse(std::string_view text);

  bool matches(LocalMinutes moment) const;
  // The first match after `moment`. Empty when there is none within 8 years (29 February between 2096 and 2104 is the
  // longest wait there is).
  std::optional<LocalMinutes> next(LocalMinutes moment) const;

  // True when it names fixed times of day: neither minute nor hour is `*` or `*/n`. Such a job must run once on a day
  // whose clock is set forward or back; the others follow the elapsed time.
  bool fixed_time() const { return fixed_time_; }

 private:
  bool matches_day(std::chrono::local_days day_of_calendar) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;
  bool any_weekday_ = false;
  bool fixed_time_ = false;
};

}  // namespace tidelock::batch

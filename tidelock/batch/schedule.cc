#include "tidelock/batch/schedule.h"

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/batch/zone.h"

namespace tidelock::batch {
namespace {

using std::chrono::floor;
using std::chrono::minutes;
using std::chrono::seconds;

// Longer than any daylight saving change.
constexpr std::chrono::hours kLongestChange{3};

// The library has time types of its own.
using batch::to_date;
date::local_time<minutes> to_date(LocalMinutes moment) { return date::local_time<minutes>(moment.time_since_epoch()); }

// Each local minute that the cron names stands for one moment: the first of two, or the end of the gap it falls into.
std::optional<base::WallTime> next_fixed(const Cron& cron, const date::time_zone& zone, base::WallTime after) {
  const auto offset = zone.get_info(to_date(after)).offset;
  // A little early, since a gap maps a local minute to a later moment.
  LocalMinutes local(floor<minutes>(after.time_since_epoch() + offset) - kLongestChange);
  while (const auto candidate = cron.next(local)) {
    const auto info = zone.get_info(to_date(*candidate));
    const base::WallTime moment = info.result == date::local_info::nonexistent
                                      ? base::WallTime(info.second.begin.time_since_epoch())
                                      : base::WallTime(candidate->time_since_epoch() - info.first.offset);
    if (moment > after) return moment;
    local = *candidate;
  }
  return std::nullopt;
}

// Each minute that the clock shows and the cron names, also when it shows it twice.
std::optional<base::WallTime> next_repeating(const Cron& cron, const date::time_zone& zone, base::WallTime after) {
  for (;;) {
    const auto period = zone.get_info(to_date(after));
    const auto candidate = cron.next(LocalMinutes(floor<minutes>(after.time_since_epoch() + period.offset)));
    if (!candidate) return std::nullopt;
    const base::WallTime moment(candidate->time_since_epoch() - period.offset);
    const base::WallTime end(period.end.time_since_epoch());
    if (moment < end) return moment;
    // The clock is set at `end`: look at the minute it shows there, then go on.
    const auto next_offset = zone.get_info(period.end).offset;
    const LocalMinutes first(floor<minutes>(end.time_since_epoch() + next_offset));
    if (cron.matches(first)) return end;
    after = end;
  }
}

}  // namespace

Schedule::Schedule(std::variant<InZone, base::Duration> rule, std::string text)
    : rule_(std::move(rule)), text_(std::move(text)) {}

Schedule Schedule::cron(std::string_view text, std::string_view zone) {
  auto cron = Cron::parse(text);
  find_zone(zone);
  return Schedule(InZone{std::move(cron), std::string(zone)}, std::string(text) + " (" + std::string(zone) + ")");
}

Schedule Schedule::every(base::Duration interval) {
  if (interval < seconds{1}) {
    throw Error(Code::invalid_argument, "every = \"" + base::format_duration(interval) + "\" is shorter than 1s");
  }
  return Schedule(interval, "every " + base::format_duration(interval));
}

std::optional<base::WallTime> Schedule::next(base::WallTime after) const {
  if (const auto* interval = std::get_if<base::Duration>(&rule_)) {
    const auto step = std::chrono::ceil<std::chrono::microseconds>(*interval);
    const auto since = after.time_since_epoch();
    const auto passed = since / step - (since % step < std::chrono::microseconds::zero() ? 1 : 0);
    return base::WallTime(step * (passed + 1));
  }
  const auto& [cron, zone_name] = std::get<InZone>(rule_);
  const auto& zone = find_zone(zone_name);

  return cron.fixed_time() ? next_fixed(cron, zone, after) : next_repeating(cron, zone, after);
}

}  // namespace tidelock::batch

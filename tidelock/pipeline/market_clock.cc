#include "tidelock/pipeline/market_clock.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::pipeline {
namespace {

using std::chrono::microseconds;
constexpr std::chrono::hours kDay{24};

date::sys_time<microseconds> to_date(base::WallTime moment) {
  return date::sys_time<microseconds>(moment.time_since_epoch());
}

const date::time_zone& find_zone(std::string_view name) {
  try {
    return *date::locate_zone(std::string(name));
  } catch (const std::runtime_error&) {
    throw Error(Code::invalid_argument, "time zone " + base::quoted(name) + " is not known");
  }
}

std::string formatted(base::WallTime moment, std::string_view zone, const char* format) {
  const auto local = find_zone(zone).to_local(date::floor<std::chrono::minutes>(to_date(moment)));
  return date::format(format, local);
}

date::local_days parse_day(std::string_view text) {
  std::istringstream in{std::string(text)};
  date::local_days day;
  in >> date::parse("%F", day);
  if (in.fail() || in.peek() != std::istringstream::traits_type::eof() || date::format("%F", day) != text) {
    throw Error(Code::invalid_argument, base::quoted(text) + " is no day; write it as 2018-01-03");
  }
  return day;
}

base::WallTime midnight_of(date::local_days day, const date::time_zone& zone) {
  // Where the clock skips midnight, the day begins when it has; where it repeats it, the first time.
  const auto moment = zone.to_sys(day, date::choose::earliest);
  return base::WallTime(microseconds(moment.time_since_epoch()));
}

}  // namespace

base::WallTime midnight(std::string_view date, std::string_view zone) {
  return midnight_of(parse_day(date), find_zone(zone));
}

std::string local_time(base::WallTime moment, std::string_view zone) { return formatted(moment, zone, "%F %R"); }
std::string local_date(base::WallTime moment, std::string_view zone) { return formatted(moment, zone, "%F"); }

Replay Replay::parse(std::string_view days, base::Duration day, std::string_view zone) {
  const auto dots = days.find("..");
  if (dots == std::string_view::npos) {
    throw Error(Code::invalid_argument, base::quoted(days) +
                                            " are no days; write the first and the last as "
                                            "2018-01-03..2018-02-08");
  }
  Replay replay;
  replay.first = days.substr(0, dots);
  replay.last = days.substr(dots + 2);
  replay.day = day;
  const auto& in = find_zone(zone);
  const auto first = parse_day(replay.first);
  const auto last = parse_day(replay.last);
  if (last < first) throw Error(Code::invalid_argument, base::quoted(days) + " ends before it begins");
  replay.begin = midnight_of(first, in);
  replay.end = midnight_of(last + date::days(1), in);
  return replay;
}

base::WallTime MarketClock::now() const {
  if (!day_) return runtime_.wall_now();
  if (!since_) return shown_;
  const double days = static_cast<double>((runtime_.now() - *since_).count()) / static_cast<double>(day_->count());
  return shown_ + microseconds(std::llround(days * static_cast<double>(microseconds(kDay).count())));
}

base::Instant MarketClock::when(base::WallTime moment) const {
  if (!day_) return base::later(runtime_.now(), moment - runtime_.wall_now());
  if (moment <= shown_) return since_.value_or(runtime_.now());
  if (!since_) return base::Instant::max();
  const double days = static_cast<double>((moment - shown_).count()) / static_cast<double>(microseconds(kDay).count());
  return base::later(*since_, base::Duration(std::llround(days * static_cast<double>(day_->count()))));
}

void MarketClock::go(base::WallTime moment) {
  shown_ = moment;
  since_ = runtime_.now();
}

void MarketClock::stand(base::WallTime moment) {
  shown_ = moment;
  since_.reset();
}

}  // namespace tidelock::pipeline

#include "tidelock/batch/cron.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <span>
#include <vector>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::batch {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;

constexpr int kYearsAhead = 8;

struct Field {
  std::string_view name;
  int first;
  int last;
  std::span<const std::string_view> names;  // Of first, first + 1, …
};

constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

constexpr std::array<Field, 5> kFields{{{"minute", 0, 59, {}},
                                        {"hour", 0, 23, {}},
                                        {"day of month", 1, 31, {}},
                                        {"month", 1, 12, kMonths},
                                        {"day of week", 0, 7, kWeekdays}}};

struct Nickname {
  std::string_view name;
  std::string_view fields;
};
constexpr std::array<Nickname, 7> kNicknames{{{"@yearly", "0 0 1 1 *"},
                                              {"@annually", "0 0 1 1 *"},
                                              {"@monthly", "0 0 1 * *"},
                                              {"@weekly", "0 0 * * 0"},
                                              {"@daily", "0 0 * * *"},
                                              {"@midnight", "0 0 * * *"},
                                              {"@hourly", "0 * * * *"}}};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || separators.find(text[i]) != std::string_view::npos) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  return parts;
}

[[noreturn]] void refuse(const Field& field, std::string_view text, const std::string& why) {
  throw Error(Code::invalid_argument, "cron: " + std::string(field.name) + " " + base::quoted(text) + " " + why);
}

std::string range_text(const Field& field) {
  std::string text = std::to_string(field.first) + " to " + std::to_string(field.last);
  if (!field.names.empty()) {
    text += " or " + std::string(field.names.front()) + " to " + std::string(field.names.back());
  }
  return text;
}

int parse_number(const Field& field, std::string_view text, std::string_view whole) {
  const std::string word = base::ascii::lower(text);
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (word == field.names[i]) return field.first + static_cast<int>(i);
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < field.first || value > field.last) {
    refuse(field, whole, "must be made of " + range_text(field));
  }
  return value;
}

// The values of one field as bits; `any` tells whether it begins with a star.
std::uint64_t parse_field(const Field& field, std::string_view text, bool& any) {
  std::uint64_t bits = 0;
  any = false;
  for (const auto part : split(text, ",")) {
    const auto slash = part.find('/');
    const auto range = part.substr(0, slash);
    int first = field.first;
    int last = field.last;
    if (range == "*" || (range == "?" && field.name.starts_with("day"))) {
      any = true;
    } else if (const auto dash = range.find('-'); dash != std::string_view::npos) {
      first = parse_number(field, range.substr(0, dash), text);
      last = parse_number(field, range.substr(dash + 1), text);
      if (first > last) refuse(field, text, "has a range that ends before it begins");
    } else {
      first = parse_number(field, range, text);
      if (slash == std::string_view::npos) last = first;
    }
    int step = 1;
    if (slash != std::string_view::npos) {
      const auto digits = part.substr(slash + 1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
      if (error != std::errc() || end != digits.data() + digits.size() || step < 1) {
        refuse(field, text, "has a step that is not a positive number, as in */10");
      }
    }
    for (int value = first; value <= last; value += step) bits |= std::uint64_t{1} << value;
  }
  return bits;
}

}  // namespace

Cron Cron::parse(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const auto part : split(text, " \t")) {
    if (!part.empty()) fields.push_back(part);
  }
  if (fields.size() == 1 && fields[0].starts_with('@')) {
    std::vector<std::string> known;
    for (const auto& nickname : kNicknames) {
      if (base::ascii::lower(fields[0]) == nickname.name) return parse(nickname.fields);
      known.emplace_back(nickname.name);
    }
    throw Error(Code::invalid_argument,
                "cron: " + base::quoted(fields[0]) + " is not one of " + base::listed(known) + " (or every = \"5m\")");
  }
  if (fields.size() != kFields.size()) {
    throw Error(Code::invalid_argument,
                "cron: " + base::quoted(text) + " has " + std::to_string(fields.size()) +
                    " fields, not the five of minute hour day-of-month month day-of-week, as in "
                    "\"30 2 * * mon-fri\"");
  }

  Cron cron;
  bool any_minute = false;
  bool any_hour = false;
  bool any_month = false;
  cron.minutes_ = parse_field(kFields[0], fields[0], any_minute);
  cron.hours_ = parse_field(kFields[1], fields[1], any_hour);
  cron.days_ = parse_field(kFields[2], fields[2], cron.any_day_);
  cron.months_ = parse_field(kFields[3], fields[3], any_month);
  const auto weekdays = parse_field(kFields[4], fields[4], cron.any_weekday_);
  cron.weekdays_ = (weekdays | (weekdays >> 7)) & 0x7f;  // 7 is Sunday too.
  cron.fixed_time_ = !any_minute && !any_hour;

  const LocalMinutes leap_year = local_days(std::chrono::year{2096} / 1 / 1);  // No February 29 from here until 2104.
  if (!cron.next(leap_year - minutes{1})) {
    throw Error(Code::invalid_argument, "cron: " + base::quoted(text) + " names a date that never comes");
  }
  return cron;
}

bool Cron::matches_day(std::chrono::local_days day_of_calendar) const {
  const std::chrono::year_month_day date(day_of_calendar);
  if (!months_[static_cast<unsigned>(date.month())]) return false;
  const bool day = days_[static_cast<unsigned>(date.day())];
  const bool weekday = weekdays_[std::chrono::weekday(day_of_calendar).c_encoding()];
  // Vixie cron: a star in either field means that both must match; otherwise either will do.
  return any_day_ || any_weekday_ ? day && weekday : day || weekday;
}

bool Cron::matches(LocalMinutes moment) const {
  const auto day = floor<days>(moment);
  const auto time = moment - day;
  return matches_day(day) && hours_[static_cast<std::size_t>(time / hours{1})] &&
         minutes_[static_cast<std::size_t>(time % hours{1} / minutes{1})];
}

std::optional<LocalMinutes> Cron::next(LocalMinutes moment) const {
  const LocalMinutes from = moment + minutes{1};
  const auto first_day = floor<days>(from);
  const auto last_day = first_day + days{kYearsAhead * 366};
  for (auto day = first_day; day <= last_day; day += days{1}) {
    if (!matches_day(day)) continue;
    const auto begin = day == first_day ? from - first_day : minutes{0};
    for (auto hour = static_cast<std::size_t>(begin / hours{1}); hour < hours_.size(); ++hour) {
      if (!hours_[hour]) continue;
      const bool first_hour = day == first_day && hour == static_cast<std::size_t>(begin / hours{1});
      const auto first_minute = first_hour ? static_cast<std::size_t>(begin % hours{1} / minutes{1}) : 0;
      for (auto minute = first_minute; minute < minutes_.size(); ++minute) {
        if (minutes_[minute]) return day + hours{hour} + minutes{minute};
      }
    }
  }
  return std::nullopt;
}

}  // namespace tidelock::batch

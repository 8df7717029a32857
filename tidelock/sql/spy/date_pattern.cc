#include "tidelock/sql/spy/date_pattern.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql::spy {
namespace {

using std::chrono::seconds;

constexpr std::string_view kLetters = "GyMLdDFEuaHkKhmsSzZX";
constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                "Thursday", "Friday", "Saturday"};

using base::ascii::is_letter;

[[noreturn]] void refuse(std::string_view pattern, std::size_t at, const std::string& what) {
  throw Error(Code::invalid_argument,
              fmt::format("date format {}: {} at character {}; letters that stand for something "
                          "are {}, other text goes in quotes: yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                          base::quoted(pattern), what, at + 1, kLetters));
}

const date::time_zone* this_machines_zone() {
  const char* tz = std::getenv("TZ");
  std::string_view name = tz != nullptr ? tz : "";
  if (name.starts_with(':')) name.remove_prefix(1);
  try {
    if (!name.empty()) return date::locate_zone(std::string(name));
    return date::current_zone();
  } catch (const std::runtime_error&) {  // No such file, or a rule in TZ instead of a name.
    return date::locate_zone("UTC");
  }
}

const date::time_zone* find_zone(std::string_view name) {
  if (name.empty()) return this_machines_zone();
  try {
    return date::locate_zone(std::string(name));
  } catch (const std::runtime_error&) {
    throw Error(Code::invalid_argument,
                "time zone " + base::quoted(name) + " is not known: use an IANA name such as \"Europe/Berlin\"");
  }
}

void append_padded(std::string& out, std::int64_t number, int digits) {
  fmt::format_to(std::back_inserter(out), "{:0{}}", number, digits);
}

// The whole word from four letters on, else the first three.
void append_word(std::string& out, std::string_view word, int count) { out += count >= 4 ? word : word.substr(0, 3); }

void append_offset(std::string& out, seconds offset, bool colon, bool minutes) {
  const auto value = std::chrono::abs(offset).count();
  out += offset < seconds::zero() ? '-' : '+';
  append_padded(out, value / 3600, 2);
  if (!minutes) return;
  if (colon) out += ':';
  append_padded(out, value / 60 % 60, 2);
}

}  // namespace

// The moment on the clock of the zone.
struct DatePattern::Local {
  std::int64_t year;
  unsigned month, day, weekday;  // Sunday: 0.
  std::int64_t day_of_year;
  std::int64_t hour, minute, second, micros;
  seconds offset;
  const std::string& zone;
};

DatePattern::DatePattern(std::string_view pattern, std::string_view zone) : zone_(find_zone(zone)) {
  const auto text = [&]() -> std::string& {
    if (pieces_.empty() || pieces_.back().letter != 0) pieces_.push_back({0, 0, {}});
    return pieces_.back().text;
  };
  for (std::size_t i = 0; i < pattern.size();) {
    const char c = pattern[i];
    if (c == '\'') {
      const auto begin = i++;
      if (i < pattern.size() && pattern[i] == '\'') {
        text() += '\'';
        ++i;
        continue;
      }
      for (;; ++i) {
        if (i >= pattern.size()) refuse(pattern, begin, "a quote that does not end");
        if (pattern[i] == '\'' && (i + 1 >= pattern.size() || pattern[i + 1] != '\'')) break;
        if (pattern[i] == '\'') ++i;
        text() += pattern[i];
      }
      ++i;
    } else if (is_letter(c)) {
      if (kLetters.find(c) == kLetters.npos) refuse(pattern, i, fmt::format("the letter {}", c));
      auto end = i;
      while (end < pattern.size() && pattern[end] == c) ++end;
      if (end - i > (c == 'X' ? 3 : 9)) refuse(pattern, i, fmt::format("{} times {}", end - i, c));
      pieces_.push_back({c, static_cast<int>(end - i), {}});
      i = end;
    } else {
      text() += c;
      ++i;
    }
  }
}

DatePattern::Local DatePattern::local(base::WallTime moment) const {
  if (moment < known_from_ || moment >= known_to_) {
    const auto info = zone_->get_info(std::chrono::floor<seconds>(moment));
    // The table reaches further than microseconds do.
    const auto clamp = [](date::sys_seconds at, base::WallTime limit) {
      const auto inside = at > std::chrono::ceil<seconds>(base::WallTime::min()) &&
                          at < std::chrono::floor<seconds>(base::WallTime::max());
      return inside ? base::WallTime(at) : limit;
    };
    known_from_ = clamp(info.begin, base::WallTime::min());
    known_to_ = clamp(info.end, base::WallTime::max());
    offset_ = info.offset;
    zone_name_ = info.abbrev;
  }
  const auto shown = moment + offset_;
  const auto day = std::chrono::floor<std::chrono::days>(shown);
  const std::chrono::year_month_day date(day);
  const auto first = std::chrono::sys_days(date.year() / std::chrono::January / 1);
  const auto micros = (shown - day).count();
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .weekday = std::chrono::weekday(day).c_encoding(),
          .day_of_year = (day - first).count() + 1,
          .hour = micros / 3'600'000'000,
          .minute = micros / 60'000'000 % 60,
          .second = micros / 1'000'000 % 60,
          .micros = micros % 1'000'000,
          .offset = offset_,
          .zone = zone_name_};
}

void DatePattern::append(std::string& out, base::WallTime moment) const {
  const auto at = local(moment);
  for (const auto& piece : pieces_) {
    if (piece.letter == 0) {
      out += piece.text;
    } else {
      append_piece(out, piece, at);
    }
  }
}

void DatePattern::append_piece(std::string& out, const Piece& piece, const Local& at) {
  const int count = piece.count;
  switch (piece.letter) {
    case 'G':
      out += at.year > 0 ? "AD" : "BC";
      return;
    case 'y': {
      const auto year = at.year > 0 ? at.year : 1 - at.year;
      return append_padded(out, count == 2 ? year % 100 : year, count);
    }
    case 'M':
    case 'L':
      return count > 2 ? append_word(out, kMonths.at(at.month - 1), count) : append_padded(out, at.month, count);
    case 'd':
      return append_padded(out, at.day, count);
    case 'D':
      return append_padded(out, at.day_of_year, count);
    case 'F':
      return append_padded(out, (at.day - 1) / 7 + 1, count);
    case 'E':
      return append_word(out, kDays.at(at.weekday), count);
    case 'u':
      return append_padded(out, at.weekday == 0 ? 7 : at.weekday, count);
    case 'a':
      out += at.hour < 12 ? "AM" : "PM";
      return;
    case 'H':
      return append_padded(out, at.hour, count);
    case 'k':
      return append_padded(out, at.hour == 0 ? 24 : at.hour, count);
    case 'K':
      return append_padded(out, at.hour % 12, count);
    case 'h':
      return append_padded(out, at.hour % 12 == 0 ? 12 : at.hour % 12, count);
    case 'm':
      return append_padded(out, at.minute, count);
    case 's':
      return append_padded(out, at.second, count);
    case 'S': {
      if (count <= 3) return append_padded(out, at.micros / 1000, count);
      const auto digits = fmt::format("{:06}000", at.micros);
      out.append(digits, 0, static_cast<std::size_t>(count));
      return;
    }
    case 'z':
      out += at.zone;
      return;
    case 'Z':
      return append_offset(out, at.offset, false, true);
    default:  // X
      if (at.offset == seconds::zero()) {
        out += 'Z';
        return;
      }
      return append_offset(out, at.offset, count == 3, count > 1);
  }
}

}  // namespace tidelock::sql::spy

#include "examples/market/report/text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace market {
namespace {

constexpr std::string_view kMinus = "\u2212";
constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

std::string_view month_of(Date date) {
  return kMonths[static_cast<unsigned>(std::chrono::year_month_day(date).month()) - 1];
}
std::string_view weekday_of(Date date) { return kWeekdays[std::chrono::weekday(date).c_encoding()]; }
unsigned day_of(Date date) { return static_cast<unsigned>(std::chrono::year_month_day(date).day()); }

// Digits with a comma between thousands; never negative.
std::string magnitude(double value, int decimals) {
  std::string digits = fmt::format("{:.{}f}", std::abs(value), decimals);
  const auto point = digits.find('.');
  auto place = static_cast<std::ptrdiff_t>(point == std::string::npos ? digits.size() : point) - 3;
  for (; place > 0; place -= 3) digits.insert(static_cast<std::size_t>(place), ",");
  return digits;
}

// What rounds to nothing has no sign.
bool rounds_to_zero(std::string_view digits) { return digits.find_first_of("123456789") == std::string_view::npos; }

std::string with_sign(double value, int decimals, std::string_view plus) {
  std::string digits = magnitude(value, decimals);
  if (rounds_to_zero(digits)) return digits;
  return std::string(value < 0 ? kMinus : plus) + digits;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string grouped(double value, int decimals) { return with_sign(value, decimals, ""); }
std::string signed_grouped(double value, int decimals) { return with_sign(value, decimals, "+"); }
std::string percent(double fraction, int decimals) { return grouped(100 * fraction, decimals) + "%"; }
std::string signed_percent(double fraction, int decimals) { return signed_grouped(100 * fraction, decimals) + "%"; }

std::string short_amount(double value) {
  const double size = std::abs(value);
  if (size >= 999.5e6) return grouped(value / 1e9, 1) + " B";
  if (size >= 999.5e3) return grouped(value / 1e6, 1) + " M";
  if (size >= 1e3) return grouped(value / 1e3, 1) + " K";
  return grouped(value);
}

std::string long_date(Date date) {
  return fmt::format("{}, {} {} {}", weekday_of(date), day_of(date), month_of(date),
                     static_cast<int>(std::chrono::year_month_day(date).year()));
}
std::string short_date(Date date) {
  return fmt::format("{} {} {}", weekday_of(date).substr(0, 3), day_of(date), month_of(date).substr(0, 3));
}
std::string month_name(Date date) { return std::string(month_of(date).substr(0, 3)); }

}  // namespace market

#include "tidelock/base/duration.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <limits>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};

constexpr std::array<Unit, 7> kUnits{{{"d", 86'400'000'000'000},
                                      {"h", 3'600'000'000'000},
                                      {"m", 60'000'000'000},
                                      {"s", 1'000'000'000},
                                      {"ms", 1'000'000},
                                      {"us", 1'000},
                                      {"ns", 1}}};

using ascii::is_digit;

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(Code::invalid_argument, fmt::format("malformed duration {}: {}; write for example 250ms, 15s, 1h30m",
                                                  base::quoted(text, 40), why));
}

// Takes the leading digits off `rest`.
std::string_view take_digits(std::string_view& rest) {
  std::size_t count = 0;
  while (count < rest.size() && is_digit(rest[count])) ++count;
  const auto digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

// Takes what stands before the next number off `rest`.
std::string_view take_letters(std::string_view& rest) {
  std::size_t count = 0;
  while (count < rest.size() && !is_digit(rest[count])) ++count;
  const auto letters = rest.substr(0, count);
  rest.remove_prefix(count);
  return letters;
}

std::size_t unit_index(std::string_view name) {
  std::size_t i = 0;
  while (i < kUnits.size() && kUnits[i].name != name) ++i;
  return i;
}

}  // namespace

Duration parse_duration(std::string_view text) {
  if (text.empty()) refuse(text, "it is empty");
  if (text.front() == '-' || text.front() == '+') refuse(text, "it has a sign");
  std::int64_t total = 0;
  const auto add = [&](std::string_view digits, std::int64_t nanoseconds_each) {
    std::int64_t amount = 0;
    bool overflow = false;
    for (const char digit : digits) {
      overflow = overflow || __builtin_mul_overflow(amount, 10, &amount) ||
                 __builtin_add_overflow(amount, digit - '0', &amount);
    }
    overflow = overflow || __builtin_mul_overflow(amount, nanoseconds_each, &amount) ||
               __builtin_add_overflow(total, amount, &total);
    if (overflow) refuse(text, "it is longer than 292 years");
  };

  std::size_t next_unit = 0;  // Units before it may not come any more.
  for (auto rest = text; !rest.empty();) {
    const auto whole = take_digits(rest);
    if (whole.empty()) refuse(text, fmt::format("{} stands where a number should", base::quoted(rest, 10)));
    std::string_view fraction;
    const bool has_fraction = rest.starts_with('.');
    if (has_fraction) {
      rest.remove_prefix(1);
      fraction = take_digits(rest);
      if (fraction.empty()) refuse(text, "digits are missing after the point");
    }
    if (rest.empty()) refuse(text, fmt::format("the unit of {} is missing", base::quoted(whole, 20)));

    const auto letters = take_letters(rest);
    const auto unit = unit_index(letters);
    if (unit == kUnits.size()) {
      refuse(text, fmt::format("{} is no unit (they are d, h, m, s, ms, us and ns)", base::quoted(letters, 10)));
    }
    if (unit < next_unit) refuse(text, "units go from large to small, each once");
    next_unit = unit + 1;
    add(whole, kUnits[unit].nanoseconds);
    if (!has_fraction) continue;

    if (!rest.empty()) refuse(text, "only the last number may have a fraction");
    auto each = kUnits[unit].nanoseconds;
    for (const char digit : fraction) {
      if (each % 10 != 0 && digit != '0') refuse(text, "it is finer than a nanosecond");
      each /= 10;
      add({&digit, 1}, each);
    }
  }
  return Duration(total);
}

std::string format_duration(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  const auto count = duration.count();
  // Negated as an unsigned number: the most negative count has no positive twin.
  auto left = count < 0 ? ~static_cast<std::uint64_t>(count) + 1 : static_cast<std::uint64_t>(count);
  std::string out = count < 0 ? "-" : "";
  for (const auto& unit : kUnits) {
    const auto size = static_cast<std::uint64_t>(unit.nanoseconds);
    if (left >= size) out += fmt::format("{}{}", left / size, unit.name);
    left %= size;
  }
  return out;
}

}  // namespace tidelock::base

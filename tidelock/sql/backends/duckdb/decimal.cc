#include "tidelock/sql/backends/duckdb/decimal.h"

#include <algorithm>
#include <cstddef>

namespace tidelock::sql::duckdb {
namespace {

// 10^power, for power up to 38.
Int128 power_of_ten(unsigned power) {
  Int128 result = 1;
  for (unsigned i = 0; i < power; ++i) result *= 10;
  return result;
}

// Writes digits from the back, at least `least` of them, with a point before the last `scale`.
std::string_view format(Uint128 magnitude, bool negative, unsigned scale, DecimalText& out) {
  char* const end = out.data() + out.size();
  char* front = end;
  unsigned digits = 0;
  // In pieces of 64 bits: dividing 128 bits is slow.
  constexpr std::uint64_t kPiece = 10'000'000'000'000'000'000U;
  constexpr unsigned kPieceDigits = 19;
  const auto push = [&](std::uint64_t digit) {
    if (digits == scale && scale != 0) *--front = '.';
    *--front = static_cast<char>('0' + digit);
    ++digits;
  };
  while (magnitude >> 64 != 0) {
    auto piece = static_cast<std::uint64_t>(magnitude % kPiece);
    magnitude /= kPiece;
    for (unsigned i = 0; i < kPieceDigits; ++i, piece /= 10) push(piece % 10);
  }
  auto rest = static_cast<std::uint64_t>(magnitude);
  while (rest != 0 || digits <= scale) {
    push(rest % 10);
    rest /= 10;
  }
  if (negative) *--front = '-';
  return {front, static_cast<std::size_t>(end - front)};
}

}  // namespace

std::optional<DecimalNumber> parse_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  DecimalNumber number{0, 0, 0};
  bool point = false;
  bool digit_before = false;
  bool digit_after = false;
  for (const char c : text) {
    if (c == '.' && !point && digit_before) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    (point ? digit_after : digit_before) = true;
    number.scale += point ? 1 : 0;
    if (number.unscaled != 0 || c != '0') ++number.width;
    if (std::max(number.width, number.scale) > kDecimalWidthMax) return std::nullopt;
    number.unscaled = number.unscaled * 10 + (c - '0');
  }
  if (!digit_before || (point && !digit_after)) return std::nullopt;
  number.width = std::max({number.width, number.scale, 1U});
  if (negative) number.unscaled = -number.unscaled;
  return number;
}

std::optional<Int128> rescale(const DecimalNumber& number, unsigned width, unsigned scale) {
  Int128 unscaled = number.unscaled;
  if (scale < number.scale) {
    const auto divisor = power_of_ten(number.scale - scale);
    if (unscaled % divisor != 0) return std::nullopt;
    unscaled /= divisor;
  } else if (scale > number.scale) {
    if (__builtin_mul_overflow(unscaled, power_of_ten(scale - number.scale), &unscaled)) return std::nullopt;
  }
  const auto limit = power_of_ten(width);
  if (unscaled >= limit || unscaled <= -limit) return std::nullopt;
  return unscaled;
}

std::string_view format_decimal(Int128 unscaled, unsigned scale, DecimalText& out) {
  const bool negative = unscaled < 0;
  const auto magnitude = negative ? Uint128{0} - static_cast<Uint128>(unscaled) : static_cast<Uint128>(unscaled);
  return format(magnitude, negative, scale, out);
}

std::string_view format_unsigned(Uint128 value, DecimalText& out) { return format(value, false, 0, out); }

}  // namespace tidelock::sql::duckdb

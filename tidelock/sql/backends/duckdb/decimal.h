// Decimal numbers and 128-bit integers as DuckDB stores them, and as text. Exact both ways, without allocation.
#pragma once

#include <duckdb.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tidelock::sql::duckdb {

__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

// The largest DECIMAL of the engine.
inline constexpr unsigned kDecimalWidthMax = 38;

inline Int128 to_int128(duckdb_hugeint value) {
  return static_cast<Int128>(static_cast<Uint128>(static_cast<std::uint64_t>(value.upper)) << 64 | value.lower);
}
inline duckdb_hugeint to_hugeint(Int128 value) {
  const auto bits = static_cast<Uint128>(value);
  return {static_cast<std::uint64_t>(bits), static_cast<std::int64_t>(static_cast<std::uint64_t>(bits >> 64))};
}

// unscaled / 10^scale.
struct DecimalNumber {
  Int128 unscaled;
  unsigned scale;  // Digits after the point.
  unsigned width;  // Digits in all, at least 1 and at least scale.
};

// Reads plain notation: -12.50 is unscaled -1250, scale 2, width 4. Zeros before the number do not count, those behind
// the point do. Empty when it is no plain notation or has more than kDecimalWidthMax digits.
std::optional<DecimalNumber> parse_decimal(std::string_view text);

// The same number as DECIMAL(width, scale); empty when it does not fit without rounding.
std::optional<Int128> rescale(const DecimalNumber& number, unsigned width, unsigned scale);

// Room for every number there is: 39 digits, sign, point, and a zero before it.
using DecimalText = std::array<char, 44>;

// unscaled / 10^scale in plain notation with exactly `scale` digits after the point. The view is into `out`.
std::string_view format_decimal(Int128 unscaled, unsigned scale, DecimalText& out);
std::string_view format_unsigned(Uint128 value, DecimalText& out);

}  // namespace tidelock::sql::duckdb

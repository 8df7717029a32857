// Comparing values of a row.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "tidelock/batch/condition.h"
#include "tidelock/sql/convert.h"

namespace tidelock::batch {
namespace {

using sql::Kind;
using std::strong_ordering;

// mantissa * 10^-scale
struct Scaled {
  std::int64_t mantissa;
  int scale;
};

// Empty when it has more digits than an int64.
std::optional<Scaled> scaled(std::string_view text) {
  Scaled result{0, 0};
  const bool negative = text.starts_with('-');
  bool fraction = false;
  for (const char c : text.substr(negative ? 1 : 0)) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    if (__builtin_mul_overflow(result.mantissa, std::int64_t{10}, &result.mantissa) ||
        __builtin_add_overflow(result.mantissa, std::int64_t{c - '0'}, &result.mantissa)) {
      return std::nullopt;
    }
    if (fraction) ++result.scale;
  }
  if (negative) result.mantissa = -result.mantissa;
  return result;
}

// False when it does not fit.
bool rescale(Scaled& number, int scale) {
  for (; number.scale < scale; ++number.scale) {
    if (__builtin_mul_overflow(number.mantissa, std::int64_t{10}, &number.mantissa)) return false;
  }
  return true;
}

// Of numbers in plain notation of any length.
struct Digits {
  explicit Digits(std::string_view text) : negative(text.starts_with('-')) {
    if (negative) text.remove_prefix(1);
    const auto point = std::min(text.find('.'), text.size());
    whole = text.substr(0, point);
    whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.size()));
    if (point < text.size()) fraction = text.substr(point + 1);
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
    if (whole.empty() && fraction.empty()) negative = false;
  }
  strong_ordering compare_size(const Digits& other) const {
    if (const auto length = whole.size() <=> other.whole.size(); length != 0) return length;
    if (const auto digits = whole <=> other.whole; digits != 0) return digits;
    return fraction <=> other.fraction;
  }
  bool negative;
  std::string_view whole;
  std::string_view fraction;
};

strong_ordering compare_long(std::string_view a, std::string_view b) {
  const Digits x(a);
  const Digits y(b);
  if (x.negative != y.negative) return x.negative ? strong_ordering::less : strong_ordering::greater;
  return x.negative ? y.compare_size(x) : x.compare_size(y);
}

strong_ordering compare_decimals(std::string_view a, std::string_view b) {
  auto x = scaled(a);
  auto y = scaled(b);
  if (!x || !y) return compare_long(a, b);
  const int scale = std::max(x->scale, y->scale);
  if (!rescale(*x, scale) || !rescale(*y, scale)) return compare_long(a, b);
  return x->mantissa <=> y->mantissa;
}

bool is_number(Kind kind) { return kind == Kind::int64 || kind == Kind::decimal || kind == Kind::real; }

std::optional<strong_ordering> compare_reals(double x, double y) {
  if (std::isnan(x) || std::isnan(y)) return std::nullopt;
  return x < y ? strong_ordering::less : x > y ? strong_ordering::greater : strong_ordering::equal;
}

double as_real(const sql::ValueView& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::strtod(std::string(std::get<sql::DecimalView>(value).text).c_str(), nullptr);
}

std::optional<strong_ordering> compare_numbers(const sql::ValueView& a, const sql::ValueView& b) {
  if (std::holds_alternative<double>(a) || std::holds_alternative<double>(b)) {
    return compare_reals(as_real(a), as_real(b));
  }
  const auto* x = std::get_if<std::int64_t>(&a);
  const auto* y = std::get_if<std::int64_t>(&b);
  if (x != nullptr && y != nullptr) return *x <=> *y;
  if (x != nullptr) return compare_decimals(std::to_string(*x), std::get<sql::DecimalView>(b).text);
  if (y != nullptr) return compare_decimals(std::get<sql::DecimalView>(a).text, std::to_string(*y));
  return compare_decimals(std::get<sql::DecimalView>(a).text, std::get<sql::DecimalView>(b).text);
}

}  // namespace

std::optional<strong_ordering> compare(const sql::ValueView& a, const sql::ValueView& b) {
  if (is_number(kind(a)) && is_number(kind(b))) return compare_numbers(a, b);
  if (kind(a) != kind(b)) return std::nullopt;
  switch (kind(a)) {
    case Kind::boolean:
      return std::get<bool>(a) <=> std::get<bool>(b);
    case Kind::text:
      return std::get<std::string_view>(a) <=> std::get<std::string_view>(b);
    case Kind::date:
      return std::get<sql::Date>(a) <=> std::get<sql::Date>(b);
    case Kind::time:
      return std::get<sql::TimeOfDay>(a) <=> std::get<sql::TimeOfDay>(b);
    case Kind::timestamp:
      return std::get<sql::Timestamp>(a) <=> std::get<sql::Timestamp>(b);
    case Kind::uuid:
      return std::get<base::Uuid>(a) <=> std::get<base::Uuid>(b);
    case Kind::null:
    case Kind::int64:
    case Kind::real:
    case Kind::decimal:
    case Kind::blob:
    case Kind::json:
      break;
  }
  return std::nullopt;
}

}  // namespace tidelock::batch

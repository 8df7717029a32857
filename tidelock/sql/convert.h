// How C++ values become parameters, and columns become C++ values.
//
// Nothing is converted with a loss:
//   bool            from boolean; int64 that is 0 or 1
//   integers        from int64 and decimal that fit; boolean as 0 and 1
//   double          from double; decimal to the nearest; int64 that a double holds exactly
//   Decimal         from decimal; int64; text in plain notation
//   std::string     from text, decimal and json (also std::string_view, which borrows)
//   Blob            from blob (also BlobView, which borrows)
//   Date, TimeOfDay, Timestamp, base::Uuid
//                   from their kind and from text in the form that to_text() prints; a Uuid also from 16 bytes
//   Json            from json and text
//   Value           from anything (also ValueView, which borrows)
//   std::optional   from null, and from what its type takes. Everything else refuses null.
// A parameter may also be a base::Secret: text that no observer and no message sees.
// What borrows is valid until the next row is asked for.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tidelock/base/secret.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql {

template <typename T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
                  !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

namespace convert {

[[noreturn]] void throw_too_large(std::uint64_t value);
// Cold: what column `column`, named `name`, holds is not a `wanted`.
[[noreturn]] void throw_mismatch(const ValueView& value, std::string_view wanted, std::size_t column,
                                 std::string_view name);

// Empty when the value is not convertible. Slow paths, out of line.
std::optional<bool> to_bool(const ValueView& value);
std::optional<std::int64_t> to_int64(const ValueView& value);
std::optional<double> to_double(const ValueView& value);
std::optional<Decimal> to_decimal(const ValueView& value);
std::optional<std::string_view> to_string_view(const ValueView& value);
std::optional<Date> to_date(const ValueView& value);
std::optional<TimeOfDay> to_time(const ValueView& value);
std::optional<Timestamp> to_timestamp(const ValueView& value);
std::optional<base::Uuid> to_uuid(const ValueView& value);
std::optional<Json> to_json(const ValueView& value);

}  // namespace convert

// Parameters. All borrow: the argument must live until the statement was started.
inline ValueView to_view(Null) { return Null{}; }
inline ValueView to_view(std::nullptr_t) { return Null{}; }
inline ValueView to_view(std::nullopt_t) { return Null{}; }
inline ValueView to_view(std::same_as<bool> auto value) { return ValueView(value); }
inline ValueView to_view(Integer auto value) {
  if constexpr (std::unsigned_integral<decltype(value)> && sizeof(value) >= sizeof(std::int64_t)) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) convert::throw_too_large(value);
  }
  return ValueView(static_cast<std::int64_t>(value));
}
inline ValueView to_view(std::floating_point auto value) {
  static_assert(sizeof(value) <= sizeof(double), "a database has no long double");
  return ValueView(static_cast<double>(value));
}
inline ValueView to_view(std::string_view value) { return ValueView(value); }
inline ValueView to_view(const std::string& value) { return ValueView(std::string_view(value)); }
inline ValueView to_view(const char* value) { return ValueView(std::string_view(value)); }
inline ValueView to_view(const base::Secret& value) { return ValueView(std::string_view(value.reveal())); }
inline ValueView to_view(const Decimal& value) { return ValueView(DecimalView{value.text()}); }
inline ValueView to_view(const Json& value) { return ValueView(JsonView{value.text}); }
inline ValueView to_view(const Blob& value) { return ValueView(BlobView(value)); }
inline ValueView to_view(BlobView value) { return ValueView(value); }
inline ValueView to_view(Date value) { return ValueView(value); }
inline ValueView to_view(TimeOfDay value) { return ValueView(value); }
inline ValueView to_view(Timestamp value) { return ValueView(value); }
inline ValueView to_view(const base::Uuid& value) { return ValueView(value); }
inline ValueView to_view(const ValueView& value) { return value; }
inline ValueView to_view(const std::same_as<Value> auto& value) { return view(value); }
template <typename T>
ValueView to_view(const std::optional<T>& value) {
  return value ? to_view(*value) : ValueView(Null{});
}

template <typename... Args>
std::array<ValueView, sizeof...(Args)> bind(const Args&... args) {
  return {to_view(args)...};
}

// Values, and which of them are a base::Secret: no observer and no message sees those. Borrows: for the call only.
class Values {
 public:
  template <typename Range>
    requires std::convertible_to<const Range&, std::span<const ValueView>>
  Values(const Range& values, std::uint64_t secrets = 0)  // NOLINT(google-explicit-constructor): a list of values.
      : values_(values), secrets_(secrets) {}

  std::span<const ValueView> get() const { return values_; }
  std::size_t size() const { return values_.size(); }
  bool has_secrets() const { return secrets_ != 0; }
  bool is_secret(std::size_t i) const { return (secrets_ >> std::min(i, kLastBit) & 1) != 0; }

  static constexpr std::size_t kLastBit = 63;  // Of `secrets`: stands for all values from there on.

 private:
  std::span<const ValueView> values_;
  std::uint64_t secrets_;
};

template <typename T>
inline constexpr bool kIsSecret = std::same_as<T, base::Secret>;
template <typename T>
inline constexpr bool kIsSecret<std::optional<T>> = kIsSecret<T>;

// Which of these arguments are secret, as Values wants it.
template <typename... Args>
constexpr std::uint64_t secrets_of() {
  std::uint64_t bits = 0;
  std::size_t i = 0;
  ((bits |= std::uint64_t{kIsSecret<Args>} << std::min(i++, Values::kLastBit)), ...);
  return bits;
}

// True for types that point into the row they came from.
template <typename T>
inline constexpr bool kBorrows =
    std::same_as<T, std::string_view> || std::same_as<T, BlobView> || std::same_as<T, ValueView>;
template <typename T>
inline constexpr bool kBorrows<std::optional<T>> = kBorrows<T>;

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

// Columns. Empty when `value` is not convertible to T without a loss.
template <typename T>
std::optional<T> try_convert(const ValueView& value) {
  if constexpr (std::same_as<T, ValueView>) {
    return value;
  } else if constexpr (std::same_as<T, Value>) {
    return to_value(value);
  } else if constexpr (std::same_as<T, bool>) {
    if (const auto* exact = std::get_if<bool>(&value)) return *exact;
    return convert::to_bool(value);
  } else if constexpr (Integer<T>) {
    const auto* exact = std::get_if<std::int64_t>(&value);
    const auto wide = exact != nullptr ? std::optional(*exact) : convert::to_int64(value);
    if (!wide || !std::in_range<T>(*wide)) return std::nullopt;
    return static_cast<T>(*wide);
  } else if constexpr (std::same_as<T, double>) {
    if (const auto* exact = std::get_if<double>(&value)) return *exact;
    return convert::to_double(value);
  } else if constexpr (std::same_as<T, Decimal>) {
    return convert::to_decimal(value);
  } else if constexpr (std::same_as<T, std::string_view> || std::same_as<T, std::string>) {
    if (const auto* exact = std::get_if<std::string_view>(&value)) return T(*exact);
    const auto text = convert::to_string_view(value);
    return text ? std::optional<T>(T(*text)) : std::nullopt;
  } else if constexpr (std::same_as<T, BlobView> || std::same_as<T, Blob>) {
    const auto* exact = std::get_if<BlobView>(&value);
    return exact != nullptr ? std::optional<T>(T(exact->begin(), exact->end())) : std::nullopt;
  } else if constexpr (std::same_as<T, Date>) {
    return convert::to_date(value);
  } else if constexpr (std::same_as<T, TimeOfDay>) {
    return convert::to_time(value);
  } else if constexpr (std::same_as<T, Timestamp>) {
    return convert::to_timestamp(value);
  } else if constexpr (std::same_as<T, base::Uuid>) {
    return convert::to_uuid(value);
  } else {
    static_assert(std::same_as<T, Json>, "no column is converted to this type; see the list in convert.h");
    return convert::to_json(value);
  }
}

template <typename T>
inline constexpr std::string_view kTypeName = std::same_as<T, bool>         ? "bool"
                                              : Integer<T>                  ? "integer of this size"
                                              : std::same_as<T, double>     ? "double"
                                              : std::same_as<T, Decimal>    ? "Decimal"
                                              : std::same_as<T, BlobView>   ? "BlobView"
                                              : std::same_as<T, Blob>       ? "Blob"
                                              : std::same_as<T, Date>       ? "Date"
                                              : std::same_as<T, TimeOfDay>  ? "TimeOfDay"
                                              : std::same_as<T, Timestamp>  ? "Timestamp"
                                              : std::same_as<T, base::Uuid> ? "Uuid"
                                              : std::same_as<T, Json>       ? "Json"
                                                                            : "string";

}  // namespace tidelock::sql

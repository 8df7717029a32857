// The values that go into and come out of a database, the same for every engine.
//
//   engine-neutral   C++                          notes
//   null             Null, or std::optional<T>
//   bool             bool
//   int64            std::int64_t
//   double           double                       NaN and infinities where the engine has them
//   decimal          Decimal                      exact, as text; never through double
//   text             std::string                  UTF-8 without NUL
//   blob             Blob
//   date             Date                         days of the proleptic Gregorian calendar
//   time             TimeOfDay                    microseconds since midnight, no zone
//   timestamp        Timestamp                    microseconds, UTC
//   uuid             base::Uuid
//   json             Json                         text; not parsed here
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/base/uuid.h"

namespace tidelock::sql {

struct Null {
  friend constexpr auto operator<=>(Null, Null) = default;
};

// Whether it is a decimal number in plain notation.
bool is_plain_decimal(std::string_view text);

// An exact decimal number in plain notation: optional '-', digits, optional '.' and digits; no exponent.
class Decimal {
 public:
  Decimal() : text_("0") {}
  // Error: invalid_argument when it is not in plain notation.
  explicit Decimal(std::string text);
  const std::string& text() const { return text_; }
  // Equal as numbers: 1.50 == 1.5.
  friend bool operator==(const Decimal& a, const Decimal& b);

 private:
  std::string text_;
};

struct Json {
  std::string text;
  friend auto operator<=>(const Json&, const Json&) = default;
};

struct TimeOfDay {
  std::chrono::microseconds since_midnight{0};  // 0 up to and excluding 24 h.
  friend constexpr auto operator<=>(TimeOfDay, TimeOfDay) = default;
};

using Blob = std::vector<std::byte>;
using Date = std::chrono::sys_days;
using Timestamp = base::WallTime;

// Borrowed forms, so that binding and reading copy nothing.
struct DecimalView {
  std::string_view text;
};
struct JsonView {
  std::string_view text;
};
using BlobView = std::span<const std::byte>;

// The order is that of Kind.
using ValueView = std::variant<Null, bool, std::int64_t, double, DecimalView, std::string_view, BlobView, Date,
                               TimeOfDay, Timestamp, base::Uuid, JsonView>;
using Value = std::variant<Null, bool, std::int64_t, double, Decimal, std::string, Blob, Date, TimeOfDay, Timestamp,
                           base::Uuid, Json>;

enum class Kind : std::uint8_t {
  null,
  boolean,
  int64,
  real,
  decimal,
  text,
  blob,
  date,
  time,
  timestamp,
  uuid,
  json,
};

inline Kind kind(const ValueView& value) { return static_cast<Kind>(value.index()); }
std::string_view name(Kind kind);

Value to_value(const ValueView& view);  // Copies what is borrowed.
ValueView view(const Value& value);     // Borrows; valid while `value` lives unchanged.

// For people and logs: NULL, 42, 'it''s', x'00ff', 2024-02-29, 12:00:00.000001, 2024-02-29T12:00:00.000001Z …
std::string to_text(const ValueView& value);

}  // namespace tidelock::sql

#include "tidelock/sql/backends/postgres/codec.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/postgres/bytes.h"
#include "tidelock/sql/backends/postgres/numeric.h"
#include "tidelock/sql/backends/postgres/oids.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql::postgres {
namespace {

using std::chrono::days;
using std::chrono::microseconds;

// PostgreSQL counts from 2000-01-01.
constexpr days kEpochDays{10'957};
constexpr microseconds kEpoch = kEpochDays;
constexpr microseconds kDay = days(1);
// 4713-11-24 BC to 5874897-12-31 AD, and to the end of what a Timestamp counts.
constexpr Date kFirstDate{days(-2'440'588)};
constexpr Date kLastDate{days(2'145'042'905)};
constexpr Timestamp kFirstTimestamp{kFirstDate.time_since_epoch()};

std::string_view view_of(const BlobView& blob) { return {reinterpret_cast<const char*>(blob.data()), blob.size()}; }

template <typename T>
T read_exactly(std::string_view bytes) {
  if (bytes.size() != sizeof(T)) throw Error(Code::internal, "a value of PostgreSQL has an unexpected size");
  return read_network<T>(bytes.data());
}

void check(Date date) {
  if (date < kFirstDate || date > kLastDate) {
    throw Error(Code::invalid_argument, "PostgreSQL has no day " + std::string(format_date(date).view()) +
                                            ": its days are from 4713-11-24 BC to 5874897-12-31");
  }
}
void check(Timestamp timestamp) {
  if (timestamp < kFirstTimestamp) {
    throw Error(Code::invalid_argument, "PostgreSQL has no moment " +
                                            std::string(format_timestamp(timestamp, 'T').view()) +
                                            ": it begins with 4713-11-24 BC");
  }
}

std::int32_t date_number(Date date) {
  check(date);
  return static_cast<std::int32_t>((date.time_since_epoch() - kEpochDays).count());
}
std::int64_t timestamp_number(Timestamp timestamp) {
  check(timestamp);
  return (timestamp.time_since_epoch() - kEpoch).count();
}

ValueView decode_date(std::int32_t number, std::string& scratch) {
  if (number == std::numeric_limits<std::int32_t>::max()) return std::string_view(scratch = "infinity");
  if (number == std::numeric_limits<std::int32_t>::min()) return std::string_view(scratch = "-infinity");
  return Date(days(number) + kEpochDays);
}
ValueView decode_timestamp(std::int64_t number, std::string& scratch) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (number == Limits::max()) return std::string_view(scratch = "infinity");
  if (number == Limits::min()) return std::string_view(scratch = "-infinity");
  if (number > Limits::max() - kEpoch.count()) return std::string_view(scratch = "294276");
  return Timestamp(microseconds(number) + kEpoch);
}
ValueView decode_time(std::int64_t number, std::string& scratch) {
  if (number >= kDay.count()) return std::string_view(scratch = "24:00:00");
  return TimeOfDay{microseconds(number)};
}
ValueView decode_numeric(std::string_view bytes, std::string& scratch) {
  scratch.clear();
  append_numeric_text(scratch, bytes);
  if (scratch == "NaN" || scratch.ends_with('y')) return std::string_view(scratch);
  return DecimalView{scratch};
}
ValueView decode_uuid(std::string_view bytes) {
  if (bytes.size() != 16) throw Error(Code::internal, "a uuid of PostgreSQL has an unexpected size");
  base::Uuid uuid;
  std::memcpy(uuid.bytes.data(), bytes.data(), uuid.bytes.size());
  return uuid;
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Both forms that the setting bytea_output knows: \x and hexadecimal digits, and bytes with \\ and \ooo among them.
ValueView decode_bytea(std::string_view text, std::string& scratch) {
  scratch.clear();
  if (text.starts_with("\\x")) {
    for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
      scratch += static_cast<char>(base::ascii::hex_value(text[i]) * 16 + base::ascii::hex_value(text[i + 1]));
    }
  } else {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        scratch += text[i];
      } else if (i + 3 < text.size() && text[i + 1] != '\\') {
        scratch += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
        i += 3;
      } else {
        scratch += text[++i];
      }
    }
  }
  return BlobView(reinterpret_cast<const std::byte*>(scratch.data()), scratch.size());
}

void append_double(std::string& out, double number) {
  if (std::isnan(number)) {
    out += "NaN";
  } else if (std::isinf(number)) {
    out += number < 0 ? "-Infinity" : "Infinity";
  } else {
    std::array<char, 32> text;
    const auto result = std::to_chars(text.data(), text.data() + text.size(), number);
    out.append(text.data(), result.ptr);
  }
}

// As PostgreSQL's input functions read it.
void append_text(std::string& out, const ValueView& value) {
  std::visit(
      [&]<typename T>(const T& known) {
        if constexpr (std::is_same_v<T, bool>) {
          out += known ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          out += std::to_string(known);
        } else if constexpr (std::is_same_v<T, double>) {
          append_double(out, known);
        } else if constexpr (std::is_same_v<T, DecimalView> || std::is_same_v<T, JsonView>) {
          out += known.text;
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          out += known;
        } else if constexpr (std::is_same_v<T, Date>) {
          check(known);
          out += format_date(known).view();
        } else if constexpr (std::is_same_v<T, TimeOfDay>) {
          out += format_time(known).view();
        } else if constexpr (std::is_same_v<T, Timestamp>) {
          check(known);
          out += format_timestamp(known, ' ').view();
          out += "+00";
        } else if constexpr (std::is_same_v<T, base::Uuid>) {
          out += format_uuid(known).view();
        } else if constexpr (std::is_same_v<T, BlobView>) {
          throw Error(Code::statement_invalid, "a blob goes only where PostgreSQL takes bytea");
        }
      },
      value);
}

// A whole number; of a double, where no bit of it is lost.
std::optional<std::int64_t> whole_number(const ValueView& value) {
  if (const auto* known = std::get_if<std::int64_t>(&value)) [[likely]]
    return *known;
  const auto* real = std::get_if<double>(&value);
  if (real == nullptr || !(*real >= -0x1p63 && *real < 0x1p63) || std::trunc(*real) != *real) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

// A double that a float of four bytes holds, to the nearest.
std::optional<float> short_float(double number) {
  constexpr double kMost = std::numeric_limits<float>::max();
  if (std::isfinite(number) && (number > kMost || number < -kMost)) return std::nullopt;
  const auto nearest = static_cast<float>(number);
  if (nearest == 0 && number != 0) return std::nullopt;
  return nearest;
}

// What std::to_chars() makes of a finite double, without an exponent: 1e+05 as 100000.
std::string without_exponent(double number) {
  std::array<char, 32> text;
  const auto result = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::scientific);
  const std::string_view all(text.data(), static_cast<std::size_t>(result.ptr - text.data()));
  const auto e = all.find('e');
  const bool is_negative = all.front() == '-';
  std::string digits;
  for (const char c : all.substr(0, e)) {
    if (base::ascii::is_digit(c)) digits += c;
  }
  int exponent = 0;
  const auto sign_or_digit = all.data() + e + 1;
  std::from_chars(sign_or_digit + (*sign_or_digit == '+' ? 1 : 0), result.ptr, exponent);
  const auto before = exponent + 1;  // Digits before the point.
  const auto count = static_cast<int>(digits.size());
  if (before <= 0) {
    digits.insert(0, "0." + std::string(static_cast<std::size_t>(-before), '0'));
  } else if (before < count) {
    digits.insert(static_cast<std::size_t>(before), ".");
  } else {
    digits.append(static_cast<std::size_t>(before - count), '0');
  }
  return (is_negative ? "-" : "") + digits;
}

template <typename T>
bool append_integer(std::string& out, std::int64_t number) {
  if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) return false;
  append_network(out, static_cast<T>(number));
  return true;
}

// Where the kind of the value is the column's own. False: there is no such form.
bool append_binary(std::string& out, const ValueView& value, Oid type) {
  switch (type) {
    case kBool:
      if (const auto* known = std::get_if<bool>(&value)) return append_network(out, std::int8_t{*known}), true;
      return false;
    case kInt8:
      if (const auto known = whole_number(value)) return append_network(out, *known), true;
      return false;
    case kInt4:
      if (const auto known = whole_number(value)) return append_integer<std::int32_t>(out, *known);
      return false;
    case kInt2:
      if (const auto known = whole_number(value)) return append_integer<std::int16_t>(out, *known);
      return false;
    case kOid:
      if (const auto known = whole_number(value)) return append_integer<std::uint32_t>(out, *known);
      return false;
    case kFloat4:
      if (const auto* known = std::get_if<double>(&value)) {
        const auto nearest = short_float(*known);
        if (nearest) append_network(out, std::bit_cast<std::int32_t>(*nearest));
        return nearest.has_value();
      }
      return false;
    case kFloat8:
      if (const auto* known = std::get_if<double>(&value)) {
        return append_network(out, std::bit_cast<std::int64_t>(*known)), true;
      }
      return false;
    case kBytea:
      if (const auto* known = std::get_if<BlobView>(&value)) return out += view_of(*known), true;
      return false;
    case kDate:
      if (const auto* known = std::get_if<Date>(&value)) return append_network(out, date_number(*known)), true;
      return false;
    case kTime:
      if (const auto* known = std::get_if<TimeOfDay>(&value)) {
        return append_network(out, std::int64_t{known->since_midnight.count()}), true;
      }
      return false;
    case kTimestamp:
    case kTimestamptz:
      if (const auto* known = std::get_if<Timestamp>(&value)) {
        return append_network(out, timestamp_number(*known)), true;
      }
      return false;
    case kUuid:
      if (const auto* known = std::get_if<base::Uuid>(&value)) {
        const auto& raw = known->bytes;
        out.append(reinterpret_cast<const char*>(raw.data()), raw.size());
        return true;
      }
      return false;
    default:
      return false;
  }
}

bool is_integer(Oid type) { return type == kInt8 || type == kInt4 || type == kInt2 || type == kOid; }

// The binary form of these is the text itself.
bool is_text(Oid type) {
  return type == kText || type == kVarchar || type == kBpchar || type == kName || type == kChar || type == kUnknown;
}

[[noreturn]] void refuse_column(const ValueView& value, std::string_view column) {
  throw Error(Code::statement_invalid, "a " + std::string(name(kind(value))) + " does not go into the column " +
                                           base::quoted(column) + ": " + base::quoted(to_text(value)));
}

[[noreturn]] void refuse_range(const ValueView& value, std::string_view column) {
  throw Error(Code::too_large, "a number is out of the range of the column " + base::quoted(column) + ": " +
                                   base::quoted(to_text(value)));
}

// The value as the column's kind, read from its text where that is one; empty: it is none.
std::optional<ValueView> converted(const ValueView& value, Oid type, std::string_view text) {
  switch (type) {
    case kBool:
      if (text == "true" || text == "t") return ValueView(true);
      if (text == "false" || text == "f") return ValueView(false);
      return std::nullopt;
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      if (std::holds_alternative<bool>(value)) return std::nullopt;
      if (const auto number = parse_number<std::int64_t>(text)) return ValueView(*number);
      return std::nullopt;
    case kFloat4:
      if (const auto number = parse_number<float>(text)) return ValueView(double{*number});
      [[fallthrough]];  // More than it holds.
    case kFloat8:
      if (const auto number = parse_number<double>(text)) return ValueView(*number);
      return std::nullopt;
    case kDate:
      if (const auto date = parse_date(text)) return ValueView(*date);
      return std::nullopt;
    case kTime:
      if (const auto time = parse_time(text)) return ValueView(*time);
      return std::nullopt;
    case kTimestamp:
    case kTimestamptz:
      if (const auto moment = parse_timestamp(text)) return ValueView(*moment);
      if (const auto date = parse_date(text)) return ValueView(Timestamp(*date));
      return std::nullopt;
    case kUuid:
      if (const auto uuid = base::Uuid::try_parse(text)) return ValueView(*uuid);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

bool has_binary_form(Oid type) {
  switch (type) {
    case kBool:
    case kBytea:
    case kChar:
    case kName:
    case kInt8:
    case kInt2:
    case kInt4:
    case kText:
    case kOid:
    case kJson:
    case kFloat4:
    case kFloat8:
    case kUnknown:
    case kBpchar:
    case kVarchar:
    case kDate:
    case kTime:
    case kTimestamp:
    case kTimestamptz:
    case kNumeric:
    case kVoid:
    case kUuid:
    case kJsonb:
      return true;
    default:
      return false;
  }
}

bool takes_binary_form(Oid type) { return has_binary_form(type) && type != kVoid; }

ValueView decode_binary(Oid type, std::string_view bytes, std::string& scratch) {
  switch (type) {
    case kBool:
      return read_exactly<std::int8_t>(bytes) != 0;
    case kInt8:
      return read_exactly<std::int64_t>(bytes);
    case kInt4:
      return std::int64_t{read_exactly<std::int32_t>(bytes)};
    case kInt2:
      return std::int64_t{read_exactly<std::int16_t>(bytes)};
    case kOid:
      return std::int64_t{read_exactly<std::uint32_t>(bytes)};
    case kFloat8:
      return std::bit_cast<double>(read_exactly<std::int64_t>(bytes));
    case kFloat4:
      return double{std::bit_cast<float>(read_exactly<std::int32_t>(bytes))};
    case kNumeric:
      return decode_numeric(bytes, scratch);
    case kBytea:
      return BlobView(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
    case kDate:
      return decode_date(read_exactly<std::int32_t>(bytes), scratch);
    case kTime:
      return decode_time(read_exactly<std::int64_t>(bytes), scratch);
    case kTimestamp:
    case kTimestamptz:
      return decode_timestamp(read_exactly<std::int64_t>(bytes), scratch);
    case kUuid:
      return decode_uuid(bytes);
    case kJson:
      return JsonView{bytes};
    case kJsonb:
      return JsonView{bytes.substr(std::min<std::size_t>(1, bytes.size()))};  // After the version of its form.
    case kVoid:
      return Null{};
    default:
      return bytes;
  }
}

ValueView decode_text(Oid type, std::string_view text, std::string& scratch) {
  switch (type) {
    case kBool:
      return text == "t";
    case kInt8:
    case kInt4:
    case kInt2:
    case kOid:
      if (const auto number = parse_number<std::int64_t>(text)) return *number;
      return text;
    case kFloat8:
      if (const auto number = parse_number<double>(text)) return *number;
      return text;
    case kFloat4:  // The shortest text that is read as this float, not as this double.
      if (const auto number = parse_number<float>(text)) return double{*number};
      return text;
    case kNumeric:
      if (is_plain_decimal(text)) return DecimalView{text};
      return text;
    case kBytea:
      return decode_bytea(text, scratch);
    case kJson:
    case kJsonb:
      return JsonView{text};
    case kVoid:
      return Null{};
    case kDate:
    case kTime:
    case kTimestamp:
    case kTimestamptz:
    case kUuid:
      return converted(text, type, text).value_or(ValueView(text));
    default:
      return text;
  }
}

Form append_parameter(std::string& out, const ValueView& value, Oid type) {
  if (append_binary(out, value, type)) return Form::binary;
  append_text(out, value);
  return Form::text;
}

void append_column(std::string& out, const ValueView& value, Oid type, std::string_view column) {
  if (append_binary(out, value, type)) return;
  if (std::holds_alternative<BlobView>(value)) refuse_column(value, column);
  if (is_text(type)) return append_text(out, value);
  const auto* real = std::get_if<double>(&value);
  const bool is_finite = real != nullptr && std::isfinite(*real);
  if (is_finite && is_integer(type) && std::trunc(*real) == *real) refuse_range(value, column);
  std::string text;
  if (is_finite && type == kNumeric) {
    text = without_exponent(*real);
  } else {
    append_text(text, value);
  }
  if (type == kJson || type == kJsonb) {
    if (type == kJsonb) out += '\1';  // The version of its form.
    out += text;
    return;
  }
  if (type == kNumeric) {
    if (!is_plain_decimal(text)) refuse_column(value, column);
    return append_numeric_binary(out, text);
  }
  const auto known = converted(value, type, text);
  if (!known) refuse_column(value, column);
  if (!append_binary(out, *known, type)) refuse_range(value, column);  // An integer that needs more bytes.
}

std::size_t bytes_of(const ValueView& value) {
  return std::visit(
      []<typename T>(const T& known) -> std::size_t {
        if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, BlobView>) return known.size();
        if constexpr (std::is_same_v<T, JsonView> || std::is_same_v<T, DecimalView>) return known.text.size();
        return 0;
      },
      value);
}

Oid type_hint(const ValueView& value) {
  switch (kind(value)) {
    case Kind::null:
    case Kind::text:
      return 0;
    case Kind::boolean:
      return kBool;
    case Kind::int64:
      return kInt8;
    case Kind::real:
      return kFloat8;
    case Kind::decimal:
      return kNumeric;
    case Kind::blob:
      return kBytea;
    case Kind::date:
      return kDate;
    case Kind::time:
      return kTime;
    case Kind::timestamp:
      return kTimestamptz;
    case Kind::uuid:
      return kUuid;
    case Kind::json:
      return kJson;
  }
  return 0;
}

}  // namespace tidelock::sql::postgres

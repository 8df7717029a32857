#include "tidelock/sql/convert.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql::convert {
namespace {

// The first N bytes of a value's text are enough to recognise it in a message.
constexpr std::size_t kShownBytes = 60;

// The text of text-like kinds.
std::optional<std::string_view> plain_text(const ValueView& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return *text;
  return std::nullopt;
}

template <typename T>
std::optional<T> exact(const ValueView& value) {
  const auto* same = std::get_if<T>(&value);
  return same != nullptr ? std::optional(*same) : std::nullopt;
}

template <typename T>
std::optional<T> parse_or_exact(const ValueView& value, std::optional<T> (*parse)(std::string_view)) {
  if (const auto* same = std::get_if<T>(&value)) return *same;
  const auto text = plain_text(value);
  return text ? parse(*text) : std::nullopt;
}

}  // namespace

void throw_too_large(std::uint64_t value) {
  throw Error(Code::invalid_argument, std::to_string(value) +
                                          " does not fit a 64-bit signed integer, the largest integer "
                                          "of a database: bind it as a Decimal or as text");
}

void throw_mismatch(const ValueView& value, std::string_view wanted, std::size_t column, std::string_view name) {
  std::string message = "column " + std::to_string(column) + " (" + base::quoted(name) + ") holds ";
  if (std::holds_alternative<Null>(value)) {
    message += "a null where a " + std::string(wanted) + " is wanted: ask for std::optional";
  } else {
    auto text = to_text(value);
    if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "…";
    message += "the " + std::string(sql::name(kind(value))) + " " + base::quoted(text) + ", which is no " +
               std::string(wanted);
  }
  throw Error(Code::invalid_argument, std::move(message));
}

std::optional<bool> to_bool(const ValueView& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value); number != nullptr && (*number == 0 || *number == 1)) {
    return *number == 1;
  }
  return exact<bool>(value);
}

std::optional<std::int64_t> to_int64(const ValueView& value) {
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? 1 : 0;
  if (const auto* decimal = std::get_if<DecimalView>(&value)) {
    auto text = decimal->text;
    if (const auto point = text.find('.'); point != text.npos) {
      if (text.find_first_not_of('0', point + 1) != text.npos) return std::nullopt;
      text = text.substr(0, point);
    }
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
    return std::nullopt;
  }
  return exact<std::int64_t>(value);
}

std::optional<double> to_double(const ValueView& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    const auto real = static_cast<double>(*number);
    // 2^63 is a double but no int64: converting it back would be undefined.
    if (real >= 0x1p63 || static_cast<std::int64_t>(real) != *number) return std::nullopt;
    return real;
  }
  if (const auto* decimal = std::get_if<DecimalView>(&value)) {
    double real = 0;
    const auto [end, error] = std::from_chars(decimal->text.data(), decimal->text.data() + decimal->text.size(), real);
    if (error != std::errc()) return std::nullopt;
    return real;
  }
  return exact<double>(value);
}

std::optional<Decimal> to_decimal(const ValueView& value) {
  if (const auto* decimal = std::get_if<DecimalView>(&value)) return Decimal(std::string(decimal->text));
  if (const auto* number = std::get_if<std::int64_t>(&value)) return Decimal(std::to_string(*number));
  const auto text = plain_text(value);
  if (text && is_plain_decimal(*text)) return Decimal(std::string(*text));
  return std::nullopt;
}

std::optional<std::string_view> to_string_view(const ValueView& value) {
  if (const auto* decimal = std::get_if<DecimalView>(&value)) return decimal->text;
  if (const auto* json = std::get_if<JsonView>(&value)) return json->text;
  return plain_text(value);
}

std::optional<Date> to_date(const ValueView& value) { return parse_or_exact<Date>(value, parse_date); }
std::optional<TimeOfDay> to_time(const ValueView& value) { return parse_or_exact<TimeOfDay>(value, parse_time); }
std::optional<Timestamp> to_timestamp(const ValueView& value) {
  return parse_or_exact<Timestamp>(value, parse_timestamp);
}

std::optional<base::Uuid> to_uuid(const ValueView& value) {
  if (const auto* blob = std::get_if<BlobView>(&value); blob != nullptr && blob->size() == 16) {
    base::Uuid uuid;
    std::memcpy(uuid.bytes.data(), blob->data(), 16);
    return uuid;
  }
  if (const auto text = plain_text(value)) return base::Uuid::try_parse(*text);
  return exact<base::Uuid>(value);
}

std::optional<Json> to_json(const ValueView& value) {
  if (const auto* json = std::get_if<JsonView>(&value)) return Json{std::string(json->text)};
  if (const auto text = plain_text(value)) return Json{std::string(*text)};
  return std::nullopt;
}

}  // namespace tidelock::sql::convert

#include "tidelock/sql/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

// What remains when sign and digits that say nothing are taken off: "-", "12", "5" for -012.50.
struct Canonical {
  bool negative;
  std::string_view whole;
  std::string_view fraction;
  friend bool operator==(const Canonical&, const Canonical&) = default;
};

Canonical canonical(std::string_view text) {
  Canonical result{text.starts_with('-'), {}, {}};
  if (result.negative) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  result.whole = text.substr(0, point);
  result.fraction = text.substr(std::min(point + 1, text.size()));
  while (result.whole.starts_with('0')) result.whole.remove_prefix(1);
  while (result.fraction.ends_with('0')) result.fraction.remove_suffix(1);
  if (result.whole.empty() && result.fraction.empty()) result.negative = false;
  return result;
}

std::string quoted_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + '\'';
}

}  // namespace

bool is_plain_decimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  const auto whole = text.substr(0, point);
  if (whole.empty() || !std::ranges::all_of(whole, base::ascii::is_digit)) return false;
  if (point == text.size()) return true;
  const auto fraction = text.substr(point + 1);
  return !fraction.empty() && std::ranges::all_of(fraction, base::ascii::is_digit);
}

Decimal::Decimal(std::string text) : text_(std::move(text)) {
  if (is_plain_decimal(text_)) return;
  throw Error(
      Code::invalid_argument,
      base::quoted(text_) + " is no decimal number: write digits, one '.' at most, '-' before them, no exponent");
}

bool operator==(const Decimal& a, const Decimal& b) { return canonical(a.text_) == canonical(b.text_); }

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "boolean";
    case Kind::int64:
      return "int64";
    case Kind::real:
      return "double";
    case Kind::decimal:
      return "decimal";
    case Kind::text:
      return "text";
    case Kind::blob:
      return "blob";
    case Kind::date:
      return "date";
    case Kind::time:
      return "time";
    case Kind::timestamp:
      return "timestamp";
    case Kind::uuid:
      return "uuid";
    case Kind::json:
      return "json";
  }
  std::terminate();
}

Value to_value(const ValueView& value) {
  return std::visit(Overloaded{[](DecimalView v) -> Value { return Decimal(std::string(v.text)); },
                               [](std::string_view v) -> Value { return std::string(v); },
                               [](BlobView v) -> Value { return Blob(v.begin(), v.end()); },
                               [](JsonView v) -> Value { return Json{std::string(v.text)}; },
                               [](const auto& v) -> Value { return v; }},
                    value);
}

ValueView view(const Value& value) {
  return std::visit(Overloaded{[](const Decimal& v) -> ValueView { return DecimalView{v.text()}; },
                               [](const std::string& v) -> ValueView { return std::string_view(v); },
                               [](const Blob& v) -> ValueView { return BlobView(v); },
                               [](const Json& v) -> ValueView { return JsonView{v.text}; },
                               [](const auto& v) -> ValueView { return v; }},
                    value);
}

std::string to_text(const ValueView& value) {
  return std::visit(
      Overloaded{[](Null) -> std::string { return "NULL"; }, [](bool v) -> std::string { return v ? "true" : "false"; },
                 [](std::int64_t v) { return std::to_string(v); }, [](double v) { return fmt::format("{}", v); },
                 [](DecimalView v) { return std::string(v.text); }, [](std::string_view v) { return quoted_text(v); },
                 [](BlobView v) { return "x'" + format_blob(v) + "'"; },
                 [](Date v) { return std::string(format_date(v).view()); },
                 [](TimeOfDay v) { return std::string(format_time(v).view()); },
                 [](Timestamp v) { return std::string(format_timestamp(v, 'T').view()) + 'Z'; },
                 [](const base::Uuid& v) { return v.to_string(); }, [](JsonView v) { return std::string(v.text); }},
      value);
}

}  // namespace tidelock::sql

#include "tidelock/batch/record.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/uuid.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::batch {
namespace {

using sql::Kind;

struct Type {
  std::string_view name;
  Kind kind;
  std::string_view example;
};
constexpr std::array<Type, 10> kTypes{{{"text", Kind::text, "any text"},
                                       {"integer", Kind::int64, "42"},
                                       {"decimal", Kind::decimal, "12.34"},
                                       {"real", Kind::real, "1.5e3"},
                                       {"boolean", Kind::boolean, "true or false"},
                                       {"date", Kind::date, "2024-02-29"},
                                       {"time", Kind::time, "23:59:59"},
                                       {"timestamp", Kind::timestamp, "2024-02-29T23:59:59"},
                                       {"uuid", Kind::uuid, "01890a5d-ac96-774b-bcce-b302099a8057"},
                                       {"json", Kind::json, R"({"a": 1})"}}};

const Type& type_of(Kind kind) {
  for (const auto& type : kTypes) {
    if (type.kind == kind) return type;
  }
  throw Error(Code::invalid_argument, "a field cannot be of the kind " + std::string(sql::name(kind)));
}

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return base::ascii::is_letter(c) || c == '_'; };
  if (text.empty() || !letter(text[0])) return false;
  for (const char c : text) {
    if (!letter(c) && !base::ascii::is_digit(c)) return false;
  }
  return true;
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> boolean(std::string_view text) {
  if (text == "true" || text == "1" || text == "TRUE" || text == "True") return true;
  if (text == "false" || text == "0" || text == "FALSE" || text == "False") return false;
  return std::nullopt;
}

template <typename T>
std::optional<sql::ValueView> as_value(const std::optional<T>& value) {
  return value ? std::optional<sql::ValueView>(*value) : std::nullopt;
}

std::optional<sql::ValueView> try_value(Kind kind, std::string_view text) {
  switch (kind) {
    case Kind::text:
      return text;
    case Kind::int64:
      return as_value(number<std::int64_t>(text));
    case Kind::decimal:
      return sql::is_plain_decimal(text) ? std::optional<sql::ValueView>(sql::DecimalView{text}) : std::nullopt;
    case Kind::real: {
      const auto value = number<double>(text);
      return value && std::isfinite(*value) ? std::optional<sql::ValueView>(*value) : std::nullopt;
    }
    case Kind::boolean:
      return as_value(boolean(text));
    case Kind::date:
      return as_value(sql::parse_date(text));
    case Kind::time:
      return as_value(sql::parse_time(text));
    case Kind::timestamp:
      return as_value(sql::parse_timestamp(text));
    case Kind::uuid:
      return as_value(base::Uuid::try_parse(text));
    case Kind::json:
      return nlohmann::json::accept(text) ? std::optional<sql::ValueView>(sql::JsonView{text}) : std::nullopt;
    case Kind::null:
    case Kind::blob:
      break;
  }
  return std::nullopt;
}

// Text that cannot be kept by a database.
void check_text(const Field& field, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    throw Error(Code::invalid_argument, fmt::format("{} contains a NUL byte: {}", field.name, base::quoted(text)));
  }
  if (const auto at = base::find_invalid_utf8(text)) {
    throw Error(Code::invalid_argument,
                fmt::format("{} is not UTF-8 from its byte {} on: {}", field.name, *at + 1, base::quoted(text)));
  }
}

}  // namespace

std::string_view type_name(Kind type) { return type_of(type).name; }

Field Field::parse(std::string_view text) {
  const auto space = text.find(' ');
  const auto name = text.substr(0, space);
  auto type = space == std::string_view::npos ? std::string_view() : text.substr(text.find_first_not_of(' ', space));
  const bool nullable = type.ends_with('?');
  if (nullable) type.remove_suffix(1);
  if (!is_name(name) || type.empty()) {
    throw Error(Code::invalid_argument, "field " + base::quoted(text) +
                                            R"( must be a name and a type, as in "price decimal" or "sector text?")");
  }
  std::vector<std::string> known;
  for (const auto& candidate : kTypes) {
    if (candidate.name == type) return {std::string(name), candidate.kind, nullable};
    known.emplace_back(candidate.name);
  }
  const auto nearest = base::nearest_name(type, known);
  throw Error(Code::invalid_argument,
              fmt::format("field {} has the type {}, which is none of {}{}", name, base::quoted(type),
                          base::listed(known), nearest ? "; did you mean " + *nearest + "?" : ""));
}

sql::ValueView parse_value(const Field& field, std::string_view text) {
  if (field.type == Kind::text || field.type == Kind::json) check_text(field, text);
  if (auto value = try_value(field.type, text)) return *value;
  const auto& type = type_of(field.type);
  throw Error(Code::invalid_argument, fmt::format("{} must be of type {} (as {}), not {}", field.name, type.name,
                                                  type.example, base::quoted(text)));
}

}  // namespace tidelock::batch

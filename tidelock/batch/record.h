// What a valid row is: named fields of declared types, and conditions that must hold.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/value.h"

namespace tidelock::batch {

// One field: its column has the same name.
struct Field {
  std::string name{};
  sql::Kind type = sql::Kind::text;
  bool nullable = false;

  // "symbol text", "sector text?" ('?': may be empty). Types: text, integer, decimal, real, boolean, date, time,
  // timestamp, uuid, json. Error: invalid_argument, which says what would be right.
  static Field parse(std::string_view text);
};

// As they are written in Field::parse(): "integer".
std::string_view type_name(sql::Kind type);

// Plain data. See condition.h for `checks`.
struct Record {
  std::string name{};
  std::vector<Field> fields{};
  std::vector<std::string> checks{};  // A row for which one is false does not fit. Unknown (a null) fits, as in SQL.
};

// Reads a field's text as its type. The value borrows `text`. Errors: invalid_argument: "12x is no integer".
sql::ValueView parse_value(const Field& field, std::string_view text);

}  // namespace tidelock::batch

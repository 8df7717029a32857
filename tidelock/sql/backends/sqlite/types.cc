#include "tidelock/sql/backends/sqlite/types.h"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "tidelock/base/ascii.h"

namespace tidelock::sql::sqlite {
namespace {

constexpr std::array<std::pair<std::string_view, Kind>, 13> kKinds = {{
    {"BOOLEAN", Kind::boolean},
    {"BOOL", Kind::boolean},
    {"DECIMAL_TEXT", Kind::decimal},
    {"DECIMAL", Kind::decimal},
    {"NUMERIC", Kind::decimal},
    {"DATE", Kind::date},
    {"TIME", Kind::time},
    {"TIMESTAMP", Kind::timestamp},
    {"DATETIME", Kind::timestamp},
    {"UUID", Kind::uuid},
    {"GUID", Kind::uuid},
    {"JSON_TEXT", Kind::json},
    {"JSON", Kind::json},
}};

}  // namespace

Kind declared_kind(std::string_view type) {
  const auto word = type.substr(0, type.find_first_of(" ("));
  const auto found = std::ranges::find_if(
      kKinds, [&](const auto& known) { return base::ascii::equal_ignoring_case(known.first, word); });
  return found == kKinds.end() ? Kind::null : found->second;
}

std::string column_type(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "BLOB";
    case Kind::boolean:
      return "BOOLEAN";
    case Kind::int64:
      return "INTEGER";
    case Kind::real:
      return "REAL";
    case Kind::decimal:
      return "DECIMAL_TEXT";
    case Kind::text:
      return "TEXT";
    case Kind::blob:
      return "BLOB";
    case Kind::date:
      return "DATE";
    case Kind::time:
      return "TIME";
    case Kind::timestamp:
      return "TIMESTAMP";
    case Kind::uuid:
      return "UUID";
    case Kind::json:
      return "JSON_TEXT";
  }
  std::terminate();
}

}  // namespace tidelock::sql::sqlite

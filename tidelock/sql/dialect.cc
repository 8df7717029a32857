#include "tidelock/sql/dialect.h"

#include <algorithm>
#include <exception>

namespace tidelock::sql {

std::string_view name(Isolation isolation) {
  switch (isolation) {
    case Isolation::read_uncommitted:
      return "read uncommitted";
    case Isolation::read_committed:
      return "read committed";
    case Isolation::repeatable_read:
      return "repeatable read";
    case Isolation::snapshot:
      return "snapshot";
    case Isolation::serializable:
      return "serializable";
  }
  std::terminate();
}

bool Dialect::has(Isolation isolation) const {
  return std::ranges::find(isolation_levels, isolation) != isolation_levels.end();
}

std::string Dialect::quote(std::string_view identifier) const {
  std::string out = "\"";
  for (const char c : identifier) {
    out += c;
    if (c == '"') out += c;
  }
  return out + '"';
}

}  // namespace tidelock::sql

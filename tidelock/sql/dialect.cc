#include "tidelock/sql/dialect.h"

#include <algorithm>
#include <exception>

#include "tidelock/base/error.h"

namespace tidelock::sql {
namespace {

[[noreturn]] void throw_unsupported(const Dialect& dialect, std::string_view what, const std::string& note) {
  throw Error(Code::unsupported,
              "no " + std::string(what) + " on " + dialect.engine + (note.empty() ? "" : ": " + note));
}

}  // namespace

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
  std::string out(1, identifier_quote);
  for (const char c : identifier) {
    out += c;
    if (c == identifier_quote) out += c;
  }
  return out + identifier_quote;
}

void Dialect::require(const Capability& capability, std::string_view what) const {
  if (!capability) throw_unsupported(*this, what, capability.note);
}

const std::string& Dialect::require(const Clause& clause, std::string_view what) const {
  if (!clause) throw_unsupported(*this, what, clause.note);
  return clause.sql;
}

}  // namespace tidelock::sql

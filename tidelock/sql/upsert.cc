#include "tidelock/sql/upsert.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidelock::sql {
namespace {

std::vector<std::string> quoted(const Dialect& dialect, const std::vector<std::string>& names) {
  std::vector<std::string> result;
  for (const auto& name : names) result.push_back(dialect.quote(name));
  return result;
}

std::string changes(const std::vector<std::string>& names, fmt::format_string<const std::string&> change) {
  std::vector<std::string> result;
  for (const auto& name : names) result.push_back(fmt::format(change, name));
  return fmt::format("{}", fmt::join(result, ", "));
}

std::string on_conflict(const Dialect& dialect, const Upsert& upsert) {
  const auto key = quoted(dialect, upsert.key);
  const auto update = quoted(dialect, upsert.update);
  if (dialect.on_duplicate_key) {
    // To leave a row alone is to give a column its own value: `insert ignore` would hide other errors too.
    return " on duplicate key update " +
           (update.empty() ? fmt::format("{0} = {0}", key.front()) : changes(update, "{0} = values({0})"));
  }
  return fmt::format(" on conflict ({}) do ", fmt::join(key, ", ")) +
         (update.empty() ? "nothing" : "update set " + changes(update, "{0} = excluded.{0}"));
}

}  // namespace

std::string upsert_statement(const Dialect& dialect, const Upsert& upsert, std::size_t rows) {
  const auto row = fmt::format("({})", fmt::join(std::vector<std::string_view>(upsert.columns.size(), "?"), ", "));
  return fmt::format("insert into {} ({}) values {}{}", upsert.table, fmt::join(quoted(dialect, upsert.columns), ", "),
                     fmt::join(std::vector(rows, row), ", "), on_conflict(dialect, upsert));
}

}  // namespace tidelock::sql

#include "tidelock/sql/versioned.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "tidelock/base/text.h"
#include "tidelock/sql/row_key.h"

namespace tidelock::sql {
namespace {

std::string key_text(ColumnValues key) {
  std::string text;
  for (const auto& [column, value] : key) {
    text += (text.empty() ? "" : ", ") + std::string(column) + " = " + to_text(value);
  }
  return text;
}

// "id" = ? and "item" = ?
std::string condition(const Dialect& dialect, ColumnValues key, std::vector<ValueView>& values) {
  std::string text;
  for (const auto& [column, value] : key) {
    text += (text.empty() ? "" : " and ") + dialect.quote(column) + " = ?";
    values.push_back(value);
  }
  return text;
}

// Sets the columns and the version, where it is still the one that was seen.
void update_if_unchanged(Executor& on, std::string_view table, ColumnValues key, ColumnValues set,
                         std::string_view version_column, const ValueView& seen, const ValueView& next) {
  if (key.size() == 0) throw Error(Code::invalid_argument, "name the key of the row of " + base::quoted(table));
  const auto& dialect = on.dialect();
  std::vector<ValueView> values;
  std::string sql = "update " + quoted_table_name(table, dialect) + " set ";
  for (const auto& [column, value] : set) {
    sql += dialect.quote(column) + " = ?, ";
    values.push_back(value);
  }
  sql += dialect.quote(version_column) + " = ?";
  values.push_back(next);
  sql += " where " + condition(dialect, key, values) + " and " + dialect.quote(version_column) + " = ?";
  values.push_back(seen);

  const auto changed = on.execute_values(sql, values);
  if (changed == 1) return;
  if (changed > 1) {
    throw Error(Code::invalid_argument, std::to_string(changed) + " rows of " + base::quoted(table) + " have the key " +
                                            key_text(key) + ": name all of it, and roll back");
  }
  values.clear();
  const auto exists =
      "select 1 from " + quoted_table_name(table, dialect) + " where " + condition(dialect, key, values);
  const bool there = on.query_values(exists, values).next();
  const auto row = "the row of " + base::quoted(table) + " with " + key_text(key);
  if (!there) throw Error(Code::not_found, row + " is not there");
  throw Error(Code::stale_version, row + " was changed since it was read at " + std::string(version_column) + " " +
                                       to_text(seen) + ": read it again");
}

// How far the next moment must be from one that was read, to differ from it in the column as well: that one shows how
// many digits the column keeps at least. No more than a second is thought to be cut.
std::chrono::microseconds grain(Timestamp seen) {
  std::chrono::microseconds grain(1);
  while (grain < std::chrono::seconds(1) && seen.time_since_epoch() % (grain * 10) == grain.zero()) grain *= 10;
  return grain;
}

}  // namespace

std::int64_t update_versioned(Executor& on, std::string_view table, ColumnValues key, std::int64_t seen,
                              ColumnValues set, std::string_view version_column) {
  const std::int64_t next = seen + 1;
  update_if_unchanged(on, table, key, set, version_column, ValueView(seen), ValueView(next));
  return next;
}

Timestamp update_stamped(Executor& on, std::string_view table, ColumnValues key, Timestamp seen, ColumnValues set,
                         std::string_view moment_column) {
  const Timestamp next = std::max(on.runtime().wall_now(), seen + grain(seen));
  update_if_unchanged(on, table, key, set, moment_column, ValueView(seen), ValueView(next));
  return next;
}

}  // namespace tidelock::sql

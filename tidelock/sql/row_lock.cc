#include "tidelock/sql/row_lock.h"

#include "tidelock/sql/row_key.h"

namespace tidelock::sql {
namespace {

std::string lock_clause(const Dialect& dialect, const Clause& lock, std::string_view what, IfLocked if_locked) {
  auto text = " " + dialect.require(lock, what);
  if (if_locked == IfLocked::skip) text += " " + dialect.require(dialect.row_locks.skip_locked, "skipping locked rows");
  if (if_locked == IfLocked::fail) text += " " + dialect.require(dialect.row_locks.nowait, "failing on locked rows");
  return text;
}

}  // namespace

std::string for_update(const Executor& on, IfLocked if_locked) {
  const auto& dialect = on.dialect();
  return lock_clause(dialect, dialect.row_locks.for_update, "lock of rows for an update", if_locked);
}

std::string for_share(const Executor& on, IfLocked if_locked) {
  const auto& dialect = on.dialect();
  return lock_clause(dialect, dialect.row_locks.for_share, "shared lock of rows", if_locked);
}

void lock_table(Transaction& transaction, std::string_view table) {
  const auto& dialect = transaction.dialect();
  auto statement = dialect.require(dialect.row_locks.lock_table, "lock of a table");
  const auto at = statement.find("{}");
  if (at != statement.npos) statement.replace(at, 2, quoted_table_name(table, dialect));
  transaction.execute(statement);
}

}  // namespace tidelock::sql

#include "tidelock/lock/backends/sql/state.h"

#include <fmt/format.h>

#include "tidelock/base/error.h"
#include "tidelock/sql/schema.h"

namespace tidelock::lock {
namespace {

// Tables that only have our names are found out here.
template <typename Body>
void check_names(const sql::Database& database, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code() != Code::statement_invalid) throw;
    throw Error(Code::not_a_database, fmt::format("{} has tables named as those of Tidelock that are others: {}",
                                                  database.name(), error.what()));
  }
}

void check_tables(sql::Database& database, const Tables& tables, base::Deadline deadline) {
  auto connection = database.connect(deadline);
  tables.check(connection);
}

}  // namespace

void make_tables(sql::Database& database, const Tables& tables, base::Deadline deadline) {
  check_names(database, [&] {
    sql::migrate(database, tables.schema(), deadline);
    check_tables(database, tables, deadline);
  });
}

bool find_tables(sql::Database& database, const Tables& tables, base::Deadline deadline) {
  if (!sql::has_tables(database, tables.schema(), deadline)) return false;
  check_names(database, [&] { check_tables(database, tables, deadline); });
  return true;
}

}  // namespace tidelock::lock

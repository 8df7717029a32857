#include "tidelock/lock/backends/sql/statements.h"

#include "tidelock/base/error.h"

namespace tidelock::lock {

const Statements& statements_for(const sql::Dialect& dialect) {
  if (dialect.engine == "sqlite") return kSqliteStatements;
  throw Error(Code::unsupported, "locks cannot be kept in " + dialect.engine + ": use sqlite:path");
}

}  // namespace tidelock::lock

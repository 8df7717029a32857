// Owners of what libpq hands out.
#pragma once

#include <libpq-fe.h>

#include <memory>

namespace tidelock::sql::postgres {

struct ClearResult {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, ClearResult>;

struct FinishConnection {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
using ConnectionHandle = std::unique_ptr<PGconn, FinishConnection>;

}  // namespace tidelock::sql::postgres

// Reads what the report shows from the market database.
#pragma once

#include <optional>

#include "examples/market/report/model.h"
#include "tidelock/sql/executor.h"

namespace market {

// The last closed day; empty when there is none. Give it a transaction, so that all of it is of one moment.
// Errors: those of sql::Executor.
std::optional<Report> read_report(tidelock::sql::Executor& sql);

}  // namespace market

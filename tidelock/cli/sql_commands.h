// `tidelock sql`.
#pragma once

#include "tidelock/cli/program.h"
#include "tidelock/cli/sql_options.h"

namespace tidelock::cli {

// Call them while the process has one thread: they listen to signals.
Outcome run_sql(const SqlRun& options, Outside outside);
Outcome delete_rows(const SqlDelete& options, Outside outside);

}  // namespace tidelock::cli

// `tidelock spy report`.
#pragma once

#include "tidelock/cli/program.h"
#include "tidelock/cli/spy_options.h"
#include "tidelock/sql/spy/report.h"

namespace tidelock::cli {

// Errors: those of the file; invalid_argument when no line of it can be read.
Outcome report_spy(const SpyReport& options, Outside outside);

// What it prints.
std::string spy_report_text(const sql::spy::Summary& summary);
std::string spy_report_json(const sql::spy::Summary& summary, std::uint64_t unreadable);

}  // namespace tidelock::cli

// `tidelock batch list`, `history`, `show` and `stop`: looking at the runs of a pipeline.
#pragma once

#include "tidelock/cli/batch_options.h"
#include "tidelock/cli/program.h"

namespace tidelock::cli {

// Errors: pipeline::InvalidPipeline; not_found when nothing has run yet, or for such a run; those of the state.
Outcome list_jobs(const BatchList& options, Outside outside);
Outcome list_runs(const BatchHistory& options, Outside outside);
Outcome show_run(const BatchShow& options, Outside outside);
Outcome stop_run(const BatchStop& options, Outside outside);

}  // namespace tidelock::cli

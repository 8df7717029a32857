// `tidelock run`: a pipeline, kept going.
#pragma once

#include "tidelock/cli/pipeline_options.h"
#include "tidelock/cli/program.h"

namespace tidelock::cli {

// Call it while the process has one thread. Errors: pipeline::InvalidPipeline; those of Supervisor::run().
Outcome run_pipeline(const PipelineRun& options, Outside outside);

}  // namespace tidelock::cli

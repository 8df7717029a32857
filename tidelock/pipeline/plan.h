// What a pipeline would do: for `tidelock run --dry-run`.
#pragma once

#include <string>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/batch/scheduler.h"
#include "tidelock/pipeline/mistakes.h"
#include "tidelock/pipeline/pipeline.h"

namespace tidelock::pipeline {

// Borrows the pipeline.
struct Plan {
  const Pipeline& pipeline;
  std::vector<batch::Upcoming> next;  // Runs, in order.

  std::string to_text() const;
  std::string to_json() const;
};

// Reads and changes nothing. now: of the market.
Plan make_plan(const Pipeline& pipeline, base::WallTime now, std::size_t runs = 10);

// {"error":{…,"mistakes":["file:line: …", …]}}
std::string to_json(const InvalidPipeline& invalid);

}  // namespace tidelock::pipeline

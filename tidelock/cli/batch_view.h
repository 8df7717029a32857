// Jobs and runs as they are shown: tables for people, JSON for programs. docs/batch.md describes the fields.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tidelock/batch/history.h"
#include "tidelock/batch/job.h"

namespace tidelock::cli {

struct JobLine {
  const batch::Job* job;
  std::optional<batch::RunSummary> last;
  std::optional<base::WallTime> next;
};
struct JobsView {
  base::WallTime now;
  std::vector<batch::Waiting> waiting;
  std::vector<JobLine> jobs{};
};

std::string jobs_table(const JobsView& view);
std::string jobs_json(const JobsView& view);
std::string runs_table(const std::vector<batch::RunSummary>& runs);
std::string runs_json(const std::vector<batch::RunSummary>& runs);
std::string run_text(const batch::RunDetails& details);
std::string run_json(const batch::RunDetails& details);

}  // namespace tidelock::cli

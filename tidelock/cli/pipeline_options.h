// The command line of `tidelock run`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "tidelock/base/time.h"

namespace CLI {
class App;
}

namespace tidelock::cli {

struct PipelineRun {
  std::string file = "pipeline.toml";
  std::optional<std::string> work;
  std::optional<std::string> once;     // Name of a job.
  std::optional<std::int64_t> resume;  // Number of a run: `tidelock batch resume`.
  std::optional<std::string> replay;   // "2018-01-03..2018-02-08"
  base::Duration day = std::chrono::seconds(2);
  bool standby = false;
  bool dry_run = false;
  bool json = false;
  bool verbose = false;
  bool quiet = false;
};

// Adds the command to the program's, and reads it.
class PipelineOptions {
 public:
  explicit PipelineOptions(CLI::App& program);  // Borrowed.
  const CLI::App* app() const { return app_; }
  // What was typed. Error: UsageError.
  PipelineRun command() const;

 private:
  CLI::App* app_;
  PipelineRun typed_;
  std::string work_, once_, replay_, day_;
};

}  // namespace tidelock::cli

// The command lines of `tidelock batch`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "tidelock/batch/run.h"
#include "tidelock/cli/pipeline_options.h"

namespace CLI {
class App;
}

namespace CLI {
class App;
}

namespace tidelock::cli {

// Whose runs are meant.
struct BatchState {
  std::string file = "pipeline.toml";
  std::optional<std::string> work;
  bool json = false;
};
struct BatchList : BatchState {};
struct BatchHistory : BatchState {
  std::optional<std::string> job;
  std::optional<batch::RunStatus> status;
  bool died = false;  // Only those whose process is gone.
  std::size_t limit = 20;
};
struct BatchShow : BatchState {
  batch::RunId run = 0;
};
struct BatchStop : BatchState {
  batch::RunId run = 0;
};

// Adds the commands to the program's, and reads them.
class BatchOptions {
 public:
  // check, run and resume are other words for `tidelock run`.
  using Typed = std::variant<PipelineRun, BatchList, BatchHistory, BatchShow, BatchStop>;

  explicit BatchOptions(CLI::App& program);  // Borrowed.
  bool has(const CLI::App* app) const;
  // What was typed for one of them. Error: UsageError.
  Typed command(const CLI::App* app) const;

 private:
  CLI::App* add(const char* name, const char* what, const char* footer);
  void add_file(CLI::App* app);
  void add_run_number(CLI::App* app);
  BatchState state(const CLI::App* app) const;
  PipelineRun pipeline(const CLI::App* app) const;
  batch::RunId run_number(const CLI::App* app) const;

  CLI::App* batch_;
  CLI::App* check_;
  CLI::App* run_;
  CLI::App* list_;
  CLI::App* history_;
  CLI::App* show_;
  CLI::App* stop_;
  CLI::App* resume_;
  std::string file_ = "pipeline.toml", work_, job_, status_, number_;
  std::size_t limit_ = 20;
  bool json_ = false;
};

}  // namespace tidelock::cli

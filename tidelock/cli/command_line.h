// What a command line asks for. Pure: reads nothing but its arguments.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/cli/batch_options.h"
#include "tidelock/cli/pipeline_options.h"
#include "tidelock/cli/replica_options.h"
#include "tidelock/cli/spy_options.h"
#include "tidelock/cli/sql_options.h"

namespace tidelock::cli {

// Where locks live when no --on says otherwise.
inline constexpr const char* kDefaultState = "sqlite:.tidelock/state.db";

struct ShowVersion {};
struct ShowHelp {
  std::string text;
};
struct LockRun {
  std::string name;
  std::string group;  // Of a pipeline, when the name stands for one of its slots; see group_lock.h.
  std::string on = kDefaultState;
  bool on_given = false;
  std::optional<std::string> file;  // The pipeline of the group.
  std::chrono::milliseconds ttl{15'000};
  std::chrono::milliseconds margin{};  // The command is dead this long before the ttl ends.
  std::chrono::milliseconds grace{};   // Between SIGTERM and SIGKILL. Always ttl > margin + grace.
  std::optional<base::Duration> wait;  // Empty: for as long as it takes. Zero: one attempt.
  std::uint32_t permits = 1;
  bool permits_given = false;
  bool verbose = false;
  bool leave_background = false;  // What the command left running is left alone when it ends.
  std::vector<std::string> command;
};
struct LockList {
  std::string on = kDefaultState;
  bool json = false;
};
struct LockShow {
  std::string name;
  std::string on = kDefaultState;
  bool json = false;
};
struct LockBreak {
  std::string name;
  std::optional<std::int64_t> token;  // Only from the holder who has this one.
  std::string on = kDefaultState;
  bool yes = false;
  bool json = false;
};
using Command =
    std::variant<ShowVersion, ShowHelp, LockRun, LockList, LockShow, LockBreak, PipelineRun, BatchList, BatchHistory,
                 BatchShow, BatchStop, ReplicaPublish, ReplicaStatus, ReplicaQuery, SqlRun, SqlDelete, SpyReport>;

// The parts of a ttl that are used when the command line does not say: a tenth, at most 500ms, and a fifth, at most 5s.
std::chrono::milliseconds default_margin(std::chrono::milliseconds ttl);
std::chrono::milliseconds default_grace(std::chrono::milliseconds ttl);

// `arguments` without the program's name. Errors: UsageError.
Command parse_command_line(const std::vector<std::string>& arguments);

// Whether errors are to be printed as JSON; also known when the command line cannot be parsed.
bool wants_json(const std::vector<std::string>& arguments);

// Whether it is `replica status`, whose exit codes are those of monitoring plugins; also known when the command line
// cannot be parsed.
bool is_for_monitoring(const std::vector<std::string>& arguments);

}  // namespace tidelock::cli

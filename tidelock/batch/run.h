// A run of a job, as it stands in the state database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/base/time.h"

namespace tidelock::batch {

using RunId = std::int64_t;  // A number for people; grows.

// Persisted by name: never change one.
enum class RunStatus {
  queued,       // Nobody has begun it yet.
  waiting,      // For its slot.
  running,      //
  completed,    //
  failed,       // A step failed for good; `batch resume` continues it.
  stopped,      // By an operator; `batch resume` continues it.
  interrupted,  // Its process was told to end; the next one continues it.
  skipped,      // Its slot was taken before it had begun, and its overlap is skip.
  missed,       // Nobody was there when it was due.
};
std::string_view name(RunStatus status);
RunStatus parse_run_status(std::string_view text);  // Error: corrupt.
bool is_over(RunStatus status);                     // Completed, skipped or missed: nothing can follow.
bool waits_for_operator(RunStatus status);          // Failed or stopped: nobody else continues it.

// Why a run came to be. Persisted by name: never change one.
enum class Cause { schedule, first, hand, trigger };
std::string_view name(Cause cause);
Cause parse_cause(std::string_view text);  // Error: corrupt.

// A run to be.
struct NewRun {
  std::string job;
  Cause cause = Cause::hand;
  base::WallTime scheduled;          // $now of the run: the moment it stands for.
  std::string caused_by{};           // "run 12 of close_day"; for people.
  std::optional<std::string> key{};  // There is one run of a key, whoever asks; empty: always a new one.
};

// One run per job and scheduled moment, on any number of machines: "close_day@2018-01-03T05:00:00.000000Z".
std::string schedule_key(std::string_view job, base::WallTime scheduled);
// One run per step that triggers it. `uuid`: of the run with this step, `place`: of the step.
std::string trigger_key(std::string_view job, std::string_view uuid, std::size_t place);
std::string_view triggered_by(std::string_view key);  // The UUID in it; empty when it is no such key.

}  // namespace tidelock::batch

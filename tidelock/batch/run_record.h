// One execution of a run as it is written into the state database.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/retry.h"
#include "tidelock/batch/checkpoint.h"
#include "tidelock/batch/context.h"
#include "tidelock/batch/row_reader.h"
#include "tidelock/batch/run.h"
#include "tidelock/sql/executor.h"

namespace tidelock::batch {

// A row of tidelock_run.
struct RunRow {
  RunId id = 0;
  std::string uuid;
  std::string job;
  RunStatus status = RunStatus::queued;
  Cause cause = Cause::hand;
  base::WallTime scheduled;
  int executions = 0;
  bool stop_requested = false;
  bool by_operator = false;  // Who executes it now does so for an operator: earlier requests to stop are over.
};
std::optional<RunRow> find_run(sql::Database& state, RunId id);
// Empty when there is a run of its key already.
std::optional<RunId> insert_run(sql::Executor& state, const NewRun& run, RunStatus status, std::string_view reason);
std::string run_key(std::string_view uuid);  // Of the lock that says that a run is being executed.

// For `status in (…)`: runs that go on without an operator's word.
inline constexpr std::string_view kUnfinished = "'queued', 'waiting', 'running', 'interrupted'";

inline std::int64_t in_us(base::WallTime moment) { return moment.time_since_epoch().count(); }
inline base::WallTime from_us(std::int64_t us) { return base::WallTime(std::chrono::microseconds(us)); }

// For what may be asked of the state or a store again: a server that is started anew, or a standby that is to be its
// primary, is no reason for a run to fail.
inline constexpr base::RetryPolicy kStatePatience{
    .max_attempts = 100,
    .backoff = {.base = std::chrono::milliseconds(50), .cap = std::chrono::seconds(2)},
    .total_limit = std::chrono::seconds(20),
    .idempotent = true,
    .patient = true};

// What a step has done so far.
struct StepCounts {
  Checkpoint checkpoint;
  std::uint64_t attempts = 0;
  std::uint64_t rollbacks = 0;
};

// What it writes about the run and its steps is refused from the moment on that another execution has taken the run
// over (Error: fenced), but for the end, which is the other's to tell, and events, which only tell what happened. A
// state that cannot be reached is asked again for a while, and no more from the moment on that `hard` is requested
// (Error: cancelled); what is said after it, about the end, has one attempt. All that is written bears repetition (an
// event may then stand there twice). Used by the task of the run; stop_requested() and event() by any.
class RunRecord {
 public:
  RunRecord(const Context& context, RunRow run, std::int64_t token, std::stop_token hard);

  const RunRow& run() const { return run_; }
  std::int64_t token() const { return token_; }

  bool begun();                             // Waiting for its slot. False: it was stopped just before, and stays so.
  void waits_since(base::WallTime moment);  // The slot is taken by somebody else.
  void got_slot(std::string_view key, std::string_view claim);
  void ended(RunStatus status, const std::string& reason, bool leaves_checkpoints);
  bool stop_requested(const std::stop_token& end) const;  // Not waited for once `end` is requested.

  std::string step_status(std::size_t place) const;  // Empty: it was not begun.
  void step_begun(std::size_t place, std::string_view name, std::string_view kind);
  void step_progress(std::size_t place, const StepCounts& counts);
  void step_ended(std::size_t place, std::string_view status, const std::string& error);

  Checkpoint all_rows() const;  // Of all steps; `position` is what they have read.

  void add_skips(std::size_t place, std::span<const BadRow> rows);
  void drop_skips_behind(std::size_t place, std::uint64_t position);

  // For people, now and later. `step` may be empty.
  void event(std::string_view step, base::LogLevel level, const std::string& text) const;
  void output(std::string_view step, const std::string& text) const;  // Of a command.
  // Kept only: whoever executes the run is told by its result.
  void failed(std::string_view step, const std::string& reason) const;

  // Complete runs of the job whose checkpoints are still in its store.
  std::vector<std::string> left_checkpoints() const;
  void forgot_checkpoints(std::span<const std::string> runs) const;

 private:
  template <typename Fn>
  auto ask(base::Duration limit, const std::stop_token& stop, Fn&& fn) const;
  template <typename Fn>
  auto patiently(Fn&& fn) const;
  template <typename... Args>
  void write(std::string_view sql, const Args&... args) const;
  template <typename Fn>
  void write_as_owner(Fn&& fn) const;
  template <typename... Args>
  void write_step(std::string_view changes, std::size_t place, const Args&... args) const;
  void require_own(sql::Executor& on) const;
  std::string share() const;
  void add_event(std::string_view step, std::string_view level, const std::string& text) const;
  base::WallTime now() const { return context_.runtime.wall_now(); }

  const Context& context_;
  const RunRow run_;
  const std::int64_t token_;
  const std::stop_token hard_;
};

}  // namespace tidelock::batch

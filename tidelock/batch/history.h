// What the state database tells about runs, for people and programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/batch/run.h"
#include "tidelock/lock/backend.h"
#include "tidelock/sql/database.h"

namespace tidelock::batch {

struct RunSummary {
  RunId id = 0;
  std::string job;
  RunStatus status = RunStatus::queued;
  bool held = false;  // A process executes it now.
  bool died = false;  // It says waiting or running, but its process is gone.
  Cause cause = Cause::hand;
  std::string caused_by;
  base::WallTime scheduled;
  base::WallTime queued;
  std::optional<base::WallTime> started;  // The first time.
  std::optional<base::WallTime> ended;
  int executions = 0;  // How often it was begun or continued.
  std::string reason;  // Why it failed, was stopped, skipped or missed.
  std::string host;    // Who executes it, or did last.
  std::int64_t pid = 0;
  std::uint64_t rows_read = 0;
  std::uint64_t rows_written = 0;
  std::uint64_t rows_skipped = 0;
  std::uint64_t rows_passed_over = 0;
};

struct StepState {
  std::string name;
  std::string kind;    // See kind_name().
  std::string status;  // "running", "completed", "failed", "stopped"
  int attempts = 0;    // Transactions that failed and were tried again are counted too.
  std::uint64_t rows_read = 0;
  std::uint64_t rows_written = 0;
  std::uint64_t rows_skipped = 0;
  std::uint64_t rows_passed_over = 0;
  std::uint64_t commits = 0;
  std::uint64_t rollbacks = 0;
  std::optional<base::WallTime> started;
  std::optional<base::WallTime> ended;
  std::string error;
};

struct Skip {
  std::string step;
  std::uint64_t position = 0;  // Of the row in its source, from 1.
  std::string place;           // "ohlcv.csv.zst:4711", or "row 12 of sql/day_bars.sql"
  std::string record;          // The row, as it was read.
  std::string error;           // What is wrong with it.
};

struct Event {
  base::WallTime at;
  std::string step;   // Empty: of the run.
  std::string level;  // "info", "warning", "error", "output"
  std::string text;
};

struct RunDetails {
  RunSummary run;
  std::vector<StepState> steps;
  std::vector<Skip> skips;
  std::vector<Event> events;
};

// Who waits for a slot, and for whom.
struct Waiting {
  std::string key;                   // "group/market-stats"
  std::string who;                   // "run 13 of refresh", or a foreign program: "process 4711 on host (…)"
  base::WallTime since;              //
  std::vector<std::string> holders;  // The same of those who have it.
};

struct HistoryFilter {
  std::optional<std::string> job{};
  std::optional<RunStatus> status{};
  std::optional<Cause> cause{};
  bool died = false;       // Only those whose process is gone, instead of a status.
  std::size_t limit = 20;  // The newest.
};

// Thread-safe. Borrows both. Errors of all calls: those of sql::Database and of the arbiter.
class History {
 public:
  // Error: as Runs.
  History(sql::Database& state, lock::Backend& locks);

  std::vector<RunSummary> list(const HistoryFilter& filter = {});  // Newest first.
  RunSummary find(RunId id);                                       // Error: not_found.
  RunDetails show(RunId id);                                       // The same, with what belongs to it.
  std::vector<Waiting> waiting();

  struct Totals {
    std::uint64_t runs = 0;          // That began.
    std::uint64_t slot_waits = 0;    // Runs that found their slot taken, and waited.
    std::uint64_t rows_written = 0;  //
    std::uint64_t rows_skipped = 0;
    std::uint64_t failed = 0;
    std::uint64_t skipped = 0;
    std::uint64_t missed = 0;
  };
  Totals totals();

  // Since a moment: runs that were recorded as missed, and those that found their slot taken.
  struct Recent {
    std::uint64_t missed = 0;
    std::uint64_t slot_waits = 0;
  };
  Recent since(base::WallTime moment);

 private:
  sql::Database& state_;
  lock::Backend& locks_;
};

}  // namespace tidelock::batch

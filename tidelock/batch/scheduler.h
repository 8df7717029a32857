// Decides which runs are due, from a clock that the caller supplies: the real one, or one that replays historic time.
//
//   for (;;) {
//     for (const auto& run : scheduler.decide(clock())) start(run);
//     wait_until(scheduler.next(clock()));
//   }
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidelock/batch/job.h"
#include "tidelock/batch/runs.h"

namespace tidelock::batch {

struct SchedulerOptions {
  // A moment that lies further back when somebody looks was missed: Job::missed says what becomes of it.
  base::Duration tolerance = std::chrono::minutes(1);
  // Where a job begins that was never scheduled before: moments after this one count. Empty: the time of the first
  // decide().
  std::optional<base::WallTime> begin{};
};

// A run that was queued, and is to be executed now.
struct Due {
  RunId id;
  std::string job;
  base::WallTime scheduled;
};

// What was decided stands in the state database, so that a moment is decided once, by whichever process comes first.
// Used by one task at a time. Borrows jobs and state.
class Scheduler {
 public:
  Scheduler(std::span<const Job> jobs, sql::Database& state, SchedulerOptions options = {});

  // Queues what is due at `now` and records what was missed. While a job with `first` is not complete, only that is
  // queued (once), and the moments of the others wait.
  std::vector<Due> decide(base::WallTime now);

  // The next moment at which decide() has something to do; empty when there is none.
  std::optional<base::WallTime> next(base::WallTime now) const;

 private:
  bool first_jobs_done(base::WallTime now, std::vector<Due>& due);
  std::optional<base::WallTime> decided_until(const Job& job) const;
  void decide(const Job& job, base::WallTime now, std::vector<Due>& due);

  std::vector<const Job*> scheduled_;
  std::vector<const Job*> first_;
  sql::Database& state_;
  SchedulerOptions options_;
};

// The next `count` moments of all jobs that have a schedule, in order: what `tidelock batch check` prints.
struct Upcoming {
  base::WallTime at;
  std::string job;
};
std::vector<Upcoming> upcoming(std::span<const Job> jobs, base::WallTime after, std::size_t count);

}  // namespace tidelock::batch

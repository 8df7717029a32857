// What runs of a pipeline's jobs need, put together: state, locks, stores, runner, lanes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/batch/history.h"
#include "tidelock/batch/runner.h"
#include "tidelock/pipeline/lanes.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/pipeline/stores.h"
#include "tidelock/pipeline/summary.h"
#include "tidelock/pipeline/supervisor.h"

namespace tidelock::pipeline {

// Used by one task; its lanes have tasks of their own. Borrows everything.
class Engine {
 public:
  // Makes the work folder and the state where they are missing. Errors: of the state database.
  Engine(const Pipeline& pipeline, const Surroundings& surroundings);
  ~Engine();

  // The summary begins here.
  void count_from_now();

  base::Runtime& runtime() { return runtime_; }
  sql::Database& database() { return *database_; }
  lock::Backend& locks() { return *locks_; }
  batch::Runs& runs() { return runner_.runs(); }
  Lanes& lanes() { return *lanes_; }
  Stores& stores() { return stores_; }
  // Notified when a run is over, another one was queued, or a store is no longer used.
  base::Signal& changed() { return *changed_; }

  // Hands to the lanes what wants to be executed: queued and interrupted runs, and those whose process died. Looks when
  // a run was queued here, or after a while.
  void take_up_pending();
  // The same for runs that were queued here alone. Whether there was one.
  bool take_up_queued();
  // For a process that waits for its runs: those that another process takes up are looked after from here on.
  void follow_others();
  // Reports which of these are over, and takes back what its process has left. When to look again; never: all are over.
  base::Deadline look_at_others() TIDELOCK_EXCLUDES(mutex_);
  // Runs that are not over, of whichever process; those that wait to be continued by an operator are not meant.
  bool has_unfinished();
  base::Deadline next_look() const { return next_look_; }

  // A job with "@first" whose run of that cause is not complete (one by hand does not stand for it); the run, if it
  // failed or was stopped.
  struct Unfinished {
    const batch::Job* job;
    std::optional<batch::RunSummary> halted;
  };
  std::optional<Unfinished> unfinished_first();

  // At the start: continues what earlier processes left, also a failed run of a job with "@first": whoever starts the
  // pipeline again has mended it.
  void continue_runs();

  // Removes some of the runs that were over long ago from the state. Whether there may be more of them.
  bool forget_old_runs();

  // Runs end at once, from here on, instead of after their chunk.
  void hurry() { hurry_.request_stop(); }

  Summary summary();
  JobSummary counts() const { return counting_.so_far().all(); }

 private:
  struct Queued {
    batch::RunId run;
    std::string job;
  };
  std::vector<Queued> take_queued() TIDELOCK_EXCLUDES(mutex_);

  void executed(const Executed& executed) TIDELOCK_EXCLUDES(mutex_);
  void report(const Executed& executed);
  batch::Context context();
  std::shared_ptr<sql::spy::Spy> make_spy();
  std::string publish(const std::string& replica, const std::stop_token& stop);
  void note(Progress::Kind kind, base::LogLevel level, const std::string& about, std::string text);

  const Pipeline& pipeline_;
  const Surroundings& surroundings_;
  base::Runtime& runtime_;
  base::Instant began_;
  base::WallTime began_at_;
  std::unique_ptr<base::Signal> changed_;
  std::stop_source hurry_;
  base::LocalMutex mutex_;
  std::vector<Queued> queued_ TIDELOCK_GUARDED_BY(mutex_);
  bool follows_others_ TIDELOCK_GUARDED_BY(mutex_) = false;
  std::map<batch::RunId, base::Instant> others_ TIDELOCK_GUARDED_BY(mutex_);  // Runs that others have, and since when.
  base::Deadline next_look_;
  std::shared_ptr<lock::Backend> locks_;  // First: where there is no state file, this is who knows how to make one.
  std::shared_ptr<sql::Database> database_;
  std::shared_ptr<sql::spy::Spy> spy_;  // Null when the pipeline has none.
  Counting counting_;
  Stores stores_;
  batch::Runner runner_;
  batch::History history_;
  std::unique_ptr<Lanes> lanes_;  // Ends first: its tasks use the rest.
};

}  // namespace tidelock::pipeline

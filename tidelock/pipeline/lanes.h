// Executes runs: those of one job one after the other, those of different jobs side by side.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/batch/job.h"
#include "tidelock/batch/runner.h"

namespace tidelock::pipeline {

// A run that was executed here, or that could not be.
struct Executed {
  batch::RunId run = 0;
  const batch::Job& job;
  base::WallTime scheduled;
  std::optional<batch::RunResult> result;  // Empty: somebody else has it, or `error` says what is wrong.
  std::optional<Error> error;              // Of the state database: the run stays as it is, to be taken up again.
  base::Duration took{};                   // Waiting included.
};

// One task a job. Thread-safe, but add() and stop() are for one task. Borrows everything.
class Lanes {
 public:
  // executed: called by the task of the job after each run; then `changed` is notified.
  Lanes(batch::Runner& runner, std::span<const batch::Job> jobs, std::function<void(const Executed&)> executed,
        base::Signal& changed);
  ~Lanes();  // As stop().
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // A run that Runs::pending() finds, or did. False when it is here already, or its job is unknown.
  bool add(batch::RunId run, std::string_view job, base::WallTime scheduled) TIDELOCK_EXCLUDES(mutex_) {
    return put(job, {run, scheduled, false});
  }
  // The same on behalf of an operator: also one that failed or was stopped.
  bool resume(batch::RunId run, std::string_view job, base::WallTime scheduled) TIDELOCK_EXCLUDES(mutex_) {
    return put(job, {run, scheduled, true});
  }
  // No further run begins; those that go on end as interrupted after their chunk. Waits for that.
  void stop();

  bool idle() const TIDELOCK_EXCLUDES(mutex_);
  // What the oldest run stands for that is here and not over. Empty when idle.
  std::optional<base::WallTime> oldest() const TIDELOCK_EXCLUDES(mutex_);
  bool has(std::string_view job) const TIDELOCK_EXCLUDES(mutex_);

 private:
  struct Item {
    batch::RunId run;
    base::WallTime scheduled;
    bool by_operator;
  };
  struct Lane {
    const batch::Job* job = nullptr;
    std::deque<Item> queue{};  // The front one is being executed.
    std::unique_ptr<base::Signal> more{};
    base::Task task{};
  };
  // A run that is to be skipped when its job is at work: it cannot wait for its turn to find out.
  struct Aside {
    Item item;
    const batch::Job* job;
    bool over = false;
    base::Task task{};
  };

  bool put(std::string_view job, const Item& item) TIDELOCK_EXCLUDES(mutex_);
  void work(Lane& lane, const std::stop_token& stop);
  void execute(const batch::Job& job, const Item& item, const std::stop_token& stop);
  void add_aside(const batch::Job& job, const Item& item);
  void forget_ended_asides();

  batch::Runner& runner_;
  base::Runtime& runtime_;
  std::function<void(const Executed&)> executed_;
  base::Signal& changed_;
  mutable base::LocalMutex mutex_;
  std::deque<Lane> lanes_ TIDELOCK_GUARDED_BY(mutex_);
  std::list<Aside> asides_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::pipeline

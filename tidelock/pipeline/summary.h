// What came of running a pipeline: counted while it runs, printed at its end.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/time.h"
#include "tidelock/batch/job.h"
#include "tidelock/pipeline/lanes.h"

namespace tidelock::pipeline {

// Of the runs that this process executed, or whose end in another one it waited for.
struct JobSummary {
  std::uint64_t runs = 0;  // The sum of the next five.
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;       // Or could not be executed: then the next process takes them up.
  std::uint64_t stopped = 0;      // By an operator.
  std::uint64_t interrupted = 0;  // Continued by the next process.
  std::uint64_t skipped = 0;
  std::uint64_t rows_read = 0;  // Of continued runs: since their beginning.
  std::uint64_t rows_written = 0;
  std::uint64_t rows_skipped = 0;
  base::Duration longest{};  // Waiting included.

  void add(const JobSummary& other);
};

// Plain data.
struct Summary {
  std::string pipeline;
  std::map<std::string, JobSummary> jobs;
  std::uint64_t missed = 0;       // Runs that were due while nobody was there, and are not made up for.
  std::uint64_t group_waits = 0;  // Runs that found their group, or an earlier run of their job, at work.
  std::uint64_t replicas_published = 0;
  std::uint64_t service_restarts = 0;
  std::uint64_t days = 0;  // Replayed.
  bool complete = false;   // The replay or the one job came to its end; else: it was told to stop.
  base::Duration took{};

  JobSummary all() const;
  // docs/pipeline.md describes the fields.
  std::string to_json() const;
  // A table for people.
  std::string to_text() const;
};

// Counts from several tasks. Thread-safe.
class Counting {
 public:
  void count(const Executed& executed) TIDELOCK_EXCLUDES(mutex_);
  void count_publication() TIDELOCK_EXCLUDES(mutex_);
  Summary so_far() const TIDELOCK_EXCLUDES(mutex_);
  // The same with what could not be executed, and was not executed later, counted as failed.
  Summary at_end() const TIDELOCK_EXCLUDES(mutex_);

 private:
  mutable base::LocalMutex mutex_;
  Summary summary_ TIDELOCK_GUARDED_BY(mutex_);
  std::map<batch::RunId, std::string> not_executed_ TIDELOCK_GUARDED_BY(mutex_);  // With their jobs.
};

}  // namespace tidelock::pipeline

// What runs of jobs need from the program around them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/log.h"
#include "tidelock/base/runtime.h"
#include "tidelock/batch/run.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/lease.h"
#include "tidelock/sql/database.h"

namespace tidelock::batch {

// Told while runs go on: for lines of progress. `run` is as in the state database.
struct Progress {
  RunId run;
  std::string job;
  std::string step;  // Empty: about the run.
  base::LogLevel level = base::LogLevel::info;
  std::string text;  // "waits for group market-stats, held by run 12 of close_day"
};

// Plain data; the functions are called by the tasks of the runs, several at a time. Borrows what it refers to.
struct Context {
  base::Runtime& runtime;
  base::Files& files;
  sql::Database& state;      // The state database: SQLite, PostgreSQL or MariaDB. See durable().
  lock::Backend& locks;      // Arbiter of runs and groups; it gives fencing tokens. As a rule in the state database.
  std::string zone = "UTC";  // IANA name; of $now, $today and $yesterday.

  // A store of the pipeline, open for as long as the pointer lives: a run drops it at its end. It waits for a foreign
  // process that has the file locked, and says so through `progress`. See durable(). Errors: not_found for a name that
  // is no store; cancelled; those of opening.
  std::function<std::shared_ptr<sql::Database>(const std::string& store, const std::stop_token& stop)> open_store{};

  // Publishes a replica by the pipeline's name; returns what to say about it: "version 42". Throws Error.
  std::function<std::string(const std::string& replica, const std::stop_token& stop)> publish{};

  // A run was queued (by a trigger step), or was so by an earlier execution of the step and is not over: whoever
  // executes queued runs may look. Never blocks; may be empty.
  std::function<void(RunId run, const std::string& job)> queued{};

  std::function<void(const Progress&)> progress{};  // May be empty. Never throws.

  // Requested: runs end at once. What is in a transaction is rolled back, statements and programs that go on are ended.
  std::stop_token hurry{};

  lock::LeaseOptions lease{};  // Of runs and slots; `owner` is not looked at.
};

}  // namespace tidelock::batch

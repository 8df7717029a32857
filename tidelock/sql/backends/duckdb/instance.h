// One open DuckDB database: what connections are made from.
//
// A process has at most one Instance of a file, whoever asks and by whatever name. Two would not see each other's
// writes, and the kernel's lock on the file, which belongs to the process, would not keep them apart. So this is one of
// the two things that Tidelock keeps per process (the other is the loaded library):
// docs/decisions/duckdb-one-instance-per-file.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/settings.h"
#include "tidelock/sql/dialect.h"

namespace tidelock::sql::duckdb {

// Thread-safe. Closed when nobody holds it any more; closing writes a checkpoint.
class Instance {
 public:
  // The one that is open in this process, or a new one; in memory always a new one. Blocks while the engine replays the
  // log of an unclean end. No file is opened but by the engine: its lock would be gone when that was closed.
  // Errors: not_found (to read only, or a missing folder), invalid_argument (a folder), misuse (open in this process
  // with other settings), database_locked (names the process that holds it), not_a_database, corrupt, newer_schema,
  // permission_denied, read_only, unavailable (shut down by the engine, or replaced by another file of its name, and
  // not yet closed by all).
  static std::shared_ptr<Instance> open(base::Runtime& runtime, base::Files& files, const Settings& settings);

  // `place`: kept until the engine is closed.
  Instance(const Api& api, std::shared_ptr<void> place, EngineHandle engine, Settings settings, std::int64_t opened_us);

  const Api& api() const { return api_; }
  const Settings& settings() const { return settings_; }
  // Error: unavailable.
  ConnectionHandle connect();

  // After a fatal error the engine refuses everything until all connections are closed and the file is opened anew.
  void set_broken() { broken_.store(true, std::memory_order_release); }
  bool broken() const { return broken_.load(std::memory_order_acquire); }

  // Runs `commit`, which commits a transaction that wrote, and gives it its place: "<µs of opening>.<count>". Commits
  // go one after the other here, as they do in the engine, so that the count is their true order.
  Position commit_in_order(const std::function<void()>& commit) TIDELOCK_EXCLUDES(commit_mutex_);

 private:
  const Api& api_;
  Settings settings_;
  std::int64_t opened_us_;
  std::shared_ptr<void> place_;  // Goes after the engine.
  EngineHandle engine_;
  std::atomic<bool> broken_{false};
  base::LocalMutex commit_mutex_;
  std::uint64_t commits_ TIDELOCK_GUARDED_BY(commit_mutex_) = 0;
};

// Orders two positions: those of an earlier opening before those of a later one, by the wall clock.
std::partial_ordering compare_positions(const Position& a, const Position& b);

}  // namespace tidelock::sql::duckdb

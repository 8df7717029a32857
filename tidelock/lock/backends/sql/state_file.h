// The database that holds the state of locks, and what is done when its file is deleted or replaced under its users.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backends/sql/statements.h"
#include "tidelock/sql/database.h"

namespace tidelock::lock {

// One opening of the state. Constant.
struct State {
  std::unique_ptr<sql::Database> database;
  const Statements& statements;
  base::Path path;                     // Of its file, without symlinks; empty when it is in memory.
  std::optional<std::uint64_t> inode;  // Of its file.
};

// Thread-safe. Who holds a deleted file open would go on with a database of its own; so each request asks here, where
// the file is looked at again.
class StateFile {
 public:
  StateFile(base::Runtime& runtime, base::Files& files, base::Url url);

  // The state as it is on disk now: opened, made or migrated where needed.
  // Errors: those of opening a database; newer_schema; unsupported for an engine that cannot keep locks.
  std::shared_ptr<const State> get(base::Deadline deadline) TIDELOCK_EXCLUDES(mutex_);

 private:
  bool is_current(const State& state);
  std::shared_ptr<const State> open(base::Deadline deadline);
  std::unique_ptr<base::File> start_making(const base::Path& path, base::Deadline deadline);
  std::optional<std::uint64_t> inode_of(const base::Path& path);

  base::Runtime& runtime_;
  base::Files& files_;
  const base::Url url_;
  const bool has_file_;
  base::LocalMutex mutex_;
  std::shared_ptr<const State> state_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::lock

// The database that holds the state of locks, and what is done when its files are deleted or replaced under its users.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/presence.h"
#include "tidelock/lock/backends/sql/statements.h"
#include "tidelock/sql/database.h"

namespace tidelock::lock {

// One opening of the state.
struct State {
  struct Inodes {
    std::optional<std::uint64_t> file, log, index;
    friend bool operator==(const Inodes&, const Inodes&) = default;
  };

  std::unique_ptr<sql::Database> database;
  // A connection that is never used, and so is never closed as one that failed: as long as it is open SQLite keeps the
  // files beside the state, and who finds others there knows that somebody else was at them. Null where there is no
  // file.
  std::unique_ptr<sql::Database> anchor;
  const Statements& statements;
  base::Path path;                     // Of its file, without symlinks; empty when it has none.
  Inodes inodes;                       // Of its file, and of the two that SQLite keeps beside it.
  std::unique_ptr<Presence> presence;  // Null where there is no file.
};

// Thread-safe. Who holds a deleted file open would go on with a database of its own; so each request asks here, where
// the file is looked at again.
class StateFile {
 public:
  // Error: invalid_argument for a URL that cannot be used; nothing is made then.
  StateFile(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options);

  // The state as it is on disk now: opened, made or migrated where needed. Null when it may only be read and there is
  // none. Errors: those of opening a database; newer_schema; not_a_database for tables that are not ours; unsupported
  // for an engine that cannot keep locks; corrupt when the files beside the state were deleted while this process has
  // it open: it has a state of its own since then, and must not go on.
  std::shared_ptr<const State> get(base::Deadline deadline) TIDELOCK_EXCLUDES(mutex_);

 private:
  enum class Found { same, other, torn };

  Found look(const State& state);
  std::shared_ptr<const State> open(base::Deadline deadline, bool again);
  std::shared_ptr<const State> open_to_read(base::Deadline deadline);
  std::shared_ptr<State> open_database(const base::Url& url, base::Deadline deadline);
  void make_tables(const State& state, base::Deadline deadline);
  bool may_make() const;
  std::unique_ptr<base::File> start_making(const base::Path& path, base::Deadline deadline);
  bool is_at_rest(const base::Path& path);
  State::Inodes inodes_of(const base::Path& path);
  std::optional<std::uint64_t> inode_of(const base::Path& path);

  base::Runtime& runtime_;
  base::Files& files_;
  const base::Url url_;
  const OpenOptions options_;
  const bool has_file_;
  base::LocalMutex mutex_;
  std::shared_ptr<const State> state_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::lock

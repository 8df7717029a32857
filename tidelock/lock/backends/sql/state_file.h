// A file that holds the state of locks, and what is done when its files are deleted or replaced under its users.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/folder_stamp.h"
#include "tidelock/lock/backends/sql/presence.h"
#include "tidelock/lock/backends/sql/sqlite_tables.h"
#include "tidelock/lock/backends/sql/state.h"
#include "tidelock/sql/database.h"

namespace tidelock::lock {

// One opening of the file.
struct FileState final : State {
  struct Inodes {
    std::optional<std::uint64_t> file, log, index;
    friend bool operator==(const Inodes&, const Inodes&) = default;
  };

  // `file`: without symlinks; empty when it has none.
  FileState(base::Runtime& runtime, base::Files& watched_files, const base::Path& file);
  sql::Database& database() const override { return *opened; }
  const Tables& tables() const override { return lock_tables; }
  Presence* presence() const override { return waiting.get(); }
  // Every commit writes to the log; the folder does where there is none yet.
  std::unique_ptr<Changes> watch(base::Deadline deadline, const std::stop_token& stop) const override;
  bool still_holds() const override;

  base::Files& files;
  std::unique_ptr<sql::Database> opened;
  // A connection that is never used, and so is never closed as one that failed: as long as it is open SQLite keeps the
  // files beside the state, and who finds others there knows that somebody else was at them. Null where there is no
  // file.
  std::unique_ptr<sql::Database> anchor;
  SqliteTables lock_tables;
  const base::Path path, log, index;  // Its file, and the two that SQLite keeps beside it; empty when it has none.
  Inodes inodes;                      // Of these.
  mutable FolderStamp folder;
  std::optional<base::FileInfo> at_rest;  // Of a file that nobody had open, and that is read without a lock.
  std::unique_ptr<Presence> waiting;      // Null where there is no file.
};

// Thread-safe. Who holds a deleted file open would go on with a database of its own; so each request asks here, where
// the file is looked at again.
class StateFile final : public StateSource {
 public:
  // Error: invalid_argument for a URL that cannot be used; nothing is made then.
  StateFile(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options);

  Guarantees guarantees() const override;
  // Errors: also unsupported for an engine that has no file; corrupt when the files beside the state were deleted while
  // this process has it open: it has a state of its own since then, and must not go on.
  std::shared_ptr<const State> get(base::Deadline deadline) override TIDELOCK_EXCLUDES(mutex_);

 private:
  enum class Found { same, other, torn };

  Found look(const FileState& state);
  std::shared_ptr<const FileState> open(base::Deadline deadline, bool again);
  std::shared_ptr<const FileState> open_to_read(base::Deadline deadline);
  std::shared_ptr<FileState> open_database(const base::Url& url, base::Deadline deadline);
  bool may_make() const;
  std::unique_ptr<base::File> start_making(const base::Path& path, base::Deadline deadline);
  std::optional<base::FileInfo> look_at_rest(const base::Path& path);
  FileState::Inodes inodes_of(const FileState& state);
  std::optional<std::uint64_t> inode_of(const base::Path& path);

  base::Runtime& runtime_;
  base::Files& files_;
  const base::Url url_;
  const OpenOptions options_;
  const bool has_file_;
  base::LocalMutex mutex_;
  std::shared_ptr<const FileState> state_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::lock

// Files that live in memory, for `sqlite::memory:`: the connections of one Database share them, nobody else sees them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"

namespace tidelock::sql::sqlite {

class MemoryContent;

// What an SQLite database needs of Files: one folder of files. The rest is refused as unsupported. Thread-safe.
class MemoryFiles final : public base::Files {
 public:
  std::unique_ptr<base::File> open(const base::Path& path, base::OpenMode mode) override TIDELOCK_EXCLUDES(mutex_);
  std::optional<base::FileInfo> info(const base::Path& path) override TIDELOCK_EXCLUDES(mutex_);
  void rename(const base::Path& from, const base::Path& to) override TIDELOCK_EXCLUDES(mutex_);
  bool remove(const base::Path& path) override TIDELOCK_EXCLUDES(mutex_);
  void create_folders(const base::Path&) override {}
  std::vector<std::string> list(const base::Path& folder) override TIDELOCK_EXCLUDES(mutex_);
  void create_symlink(const base::Path& target, const base::Path& link) override;
  base::Path read_symlink(const base::Path& link) override;
  void set_mode(const base::Path&, unsigned) override {}
  void sync_folder(const base::Path&) override {}
  std::unique_ptr<base::Watch> watch(const base::Path& path) override;

 private:
  base::LocalMutex mutex_;
  std::map<std::string, std::shared_ptr<MemoryContent>> files_ TIDELOCK_GUARDED_BY(mutex_);
  std::uint64_t last_inode_ TIDELOCK_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidelock::sql::sqlite

// One file that SQLite has open, and its part of the shared memory beside it.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/sql/backends/sqlite/vfs.h"

namespace tidelock::sql::sqlite {

// The functions return SQLite's result codes, and throw what the Files throw.
class VfsFile {
 public:
  VfsFile(Vfs& vfs, base::Path path, std::unique_ptr<base::File> file, bool sync_name, bool delete_on_close)
      : vfs_(vfs),
        path_(std::move(path)),
        file_(std::move(file)),
        inode_(inode_at_path()),
        sync_name_(sync_name),
        delete_on_close_(delete_on_close) {}

  Vfs& vfs() { return vfs_; }
  int close();
  int read(std::span<std::byte> out, std::uint64_t offset);
  int write(std::span<const std::byte> data, std::uint64_t offset);
  int truncate(std::uint64_t size);
  int sync();
  std::uint64_t size() { return file_->size(); }

  // SQLITE_LOCK_NONE up to SQLITE_LOCK_EXCLUSIVE.
  int lock(int level);
  int unlock(int level);
  bool reserved_by_anybody();

  // Another file, or none, has its path now: the files beside that path are no longer its own.
  bool has_moved() { return inode_at_path() != inode_; }

  int map_shared(int region, int region_bytes, bool extend, void volatile** out);
  int lock_shared(int first, int count, int flags);
  int unmap_shared(bool remove);

 private:
  std::optional<std::uint64_t> inode_at_path();
  int open_shared();
  base::Path shared_path() const;

  Vfs& vfs_;
  const base::Path path_;
  std::unique_ptr<base::File> file_;
  const std::optional<std::uint64_t> inode_;
  bool sync_name_;  // The file may have been made here, and its name was not synced yet.
  const bool delete_on_close_;
  int level_ = SQLITE_LOCK_NONE;

  std::unique_ptr<base::File> shared_;  // The -shm file.
  std::vector<std::byte*> regions_;     // Mapped parts of it.
};

}  // namespace tidelock::sql::sqlite

#include "tidelock/sql/backends/sqlite/vfs_file.h"

#include <algorithm>

namespace tidelock::sql::sqlite {
namespace {

using base::ByteRange;
using base::LockKind;

// The lock bytes of a database file; see "Locking" in os.h of SQLite.
constexpr std::uint64_t kPendingByte = 0x40000000;
constexpr ByteRange kPending{kPendingByte, 1};
constexpr ByteRange kReserved{kPendingByte + 1, 1};
constexpr ByteRange kPendingAndReserved{kPendingByte, 2};
constexpr ByteRange kShared{kPendingByte + 2, 510};

// The lock bytes of a -shm file; see "Shared-memory locking" in os_unix.c. Whoever maps the file holds a shared lock on
// the last one, so that the first to come knows that what it holds is left over from a crash.
constexpr std::uint64_t kFirstSharedMemoryLock = 120;
constexpr ByteRange kDeadManSwitch{kFirstSharedMemoryLock + SQLITE_SHM_NLOCK, 1};

}  // namespace

int VfsFile::close() {
  shared_.reset();
  file_.reset();
  if (delete_on_close_) vfs_.files().remove(path_);
  return SQLITE_OK;
}

int VfsFile::read(std::span<std::byte> out, std::uint64_t offset) {
  const auto count = file_->read_at(offset, out);
  if (count == out.size()) return SQLITE_OK;
  std::ranges::fill(out.subspan(count), std::byte{0});  // SQLite relies on it.
  return SQLITE_IOERR_SHORT_READ;
}

int VfsFile::write(std::span<const std::byte> data, std::uint64_t offset) {
  file_->write_at(offset, data);
  return SQLITE_OK;
}

int VfsFile::truncate(std::uint64_t size) {
  file_->truncate(size);
  return SQLITE_OK;
}

int VfsFile::sync() {
  file_->sync();
  if (sync_name_) {
    vfs_.files().sync_folder(base::folder_of(path_));
    sync_name_ = false;
  }
  return SQLITE_OK;
}

int VfsFile::lock(int level) {
  if (level_ >= level) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    // A writer that waits for the readers to leave holds the pending byte, and lets no new ones in.
    if (!file_->try_lock(LockKind::shared, kPending)) return SQLITE_BUSY;
    const bool locked = file_->try_lock(LockKind::shared, kShared);
    file_->unlock(kPending);
    if (!locked) return SQLITE_BUSY;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (!file_->try_lock(LockKind::exclusive, kReserved)) return SQLITE_BUSY;
  } else {
    if (level_ < SQLITE_LOCK_PENDING) {
      if (!file_->try_lock(LockKind::exclusive, kPending)) return SQLITE_BUSY;
      level_ = SQLITE_LOCK_PENDING;
    }
    if (!file_->try_lock(LockKind::exclusive, kShared)) return SQLITE_BUSY;
  }
  level_ = level;
  return SQLITE_OK;
}

int VfsFile::unlock(int level) {
  if (level_ <= level) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (level_ == SQLITE_LOCK_EXCLUSIVE && !file_->try_lock(LockKind::shared, kShared)) return SQLITE_IOERR_RDLOCK;
    file_->unlock(kPendingAndReserved);
  } else {
    file_->unlock();
  }
  level_ = level;
  return SQLITE_OK;
}

bool VfsFile::reserved_by_anybody() {
  if (level_ >= SQLITE_LOCK_RESERVED) return true;
  if (!file_->try_lock(LockKind::shared, kReserved)) return true;
  file_->unlock(kReserved);
  return false;
}

std::optional<std::uint64_t> VfsFile::inode_at_path() {
  const auto info = vfs_.files().info(path_);
  return info ? std::optional(info->inode) : std::nullopt;
}

base::Path VfsFile::shared_path() const {
  auto path = path_;
  path += "-shm";
  return path;
}

int VfsFile::open_shared() {
  auto file = vfs_.files().open(shared_path(), base::OpenMode::create);
  if (file->try_lock(LockKind::exclusive, kDeadManSwitch)) file->truncate(0);  // Nobody else has it.
  if (!file->try_lock(LockKind::shared, kDeadManSwitch)) return SQLITE_BUSY;
  shared_ = std::move(file);
  return SQLITE_OK;
}

int VfsFile::map_shared(int region, int region_bytes, bool extend, void volatile** out) {
  *out = nullptr;
  if (shared_ == nullptr) {
    if (const int result = open_shared(); result != SQLITE_OK) return result;
  }
  const auto bytes = static_cast<std::uint64_t>(region_bytes);
  const auto wanted = static_cast<std::size_t>(region) + 1;
  if (regions_.size() < wanted && !extend && shared_->size() < wanted * bytes) return SQLITE_OK;
  while (regions_.size() < wanted) regions_.push_back(shared_->map(regions_.size() * bytes, bytes).data());
  *out = regions_[wanted - 1];
  return SQLITE_OK;
}

int VfsFile::lock_shared(int first, int count, int flags) {
  if (shared_ == nullptr) return SQLITE_IOERR_SHMLOCK;
  const ByteRange range{kFirstSharedMemoryLock + static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(count)};
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    shared_->unlock(range);
    return SQLITE_OK;
  }
  const auto kind = (flags & SQLITE_SHM_SHARED) != 0 ? LockKind::shared : LockKind::exclusive;
  return shared_->try_lock(kind, range) ? SQLITE_OK : SQLITE_BUSY;
}

int VfsFile::unmap_shared(bool remove) {
  regions_.clear();
  shared_.reset();
  if (remove) vfs_.files().remove(shared_path());
  return SQLITE_OK;
}

}  // namespace tidelock::sql::sqlite

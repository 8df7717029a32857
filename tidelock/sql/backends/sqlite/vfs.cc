#include "tidelock/sql/backends/sqlite/vfs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/sql/backends/sqlite/vfs_file.h"

#if defined(__SANITIZE_THREAD__)
// The thread sanitizer does not model fences. This one is between SQLite's own accesses, which it does not see either.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

namespace tidelock::sql::sqlite {
namespace {

// What SQLite allocates for an open file.
struct Slot : sqlite3_file {
  VfsFile* file;
};

Vfs& self(sqlite3_vfs* vfs) { return *static_cast<Vfs*>(vfs->pAppData); }
VfsFile& self(sqlite3_file* file) { return *static_cast<Slot*>(file)->file; }

// Runs what SQLite asked for. `failure` tells SQLite which call failed; a full disk is told as such where SQLite can
// undo what it did, which is on a write.
template <typename Body>
int guarded(Vfs& vfs, int failure, Body&& body) noexcept {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() == Code::disk_full && failure == SQLITE_IOERR_WRITE) return SQLITE_FULL;
    if (error.code() == Code::read_only && failure == SQLITE_IOERR_WRITE) return SQLITE_READONLY;
    return failure;
  } catch (...) {
    vfs.remember(std::current_exception());
    return failure;
  }
}

template <typename Body>
int guarded(sqlite3_file* file, int failure, Body&& body) noexcept {
  auto& open = self(file);
  return guarded(open.vfs(), failure, [&] { return body(open); });
}

int close_file(sqlite3_file* file) {
  auto* const slot = static_cast<Slot*>(file);
  const int result = guarded(file, SQLITE_IOERR_CLOSE, [](VfsFile& open) { return open.close(); });
  delete slot->file;
  slot->pMethods = nullptr;
  return result;
}

int read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
  return guarded(file, SQLITE_IOERR_READ, [&](VfsFile& open) {
    return open.read({static_cast<std::byte*>(out), static_cast<std::size_t>(bytes)},
                     static_cast<std::uint64_t>(offset));
  });
}

int write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
  return guarded(file, SQLITE_IOERR_WRITE, [&](VfsFile& open) {
    return open.write({static_cast<const std::byte*>(data), static_cast<std::size_t>(bytes)},
                      static_cast<std::uint64_t>(offset));
  });
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return guarded(file, SQLITE_IOERR_TRUNCATE,
                 [&](VfsFile& open) { return open.truncate(static_cast<std::uint64_t>(size)); });
}

int sync(sqlite3_file* file, int) {
  return guarded(file, SQLITE_IOERR_FSYNC, [](VfsFile& open) { return open.sync(); });
}

int file_size(sqlite3_file* file, sqlite3_int64* out) {
  return guarded(file, SQLITE_IOERR_FSTAT, [&](VfsFile& open) {
    *out = static_cast<sqlite3_int64>(open.size());
    return SQLITE_OK;
  });
}

int lock(sqlite3_file* file, int level) {
  return guarded(file, SQLITE_IOERR_LOCK, [&](VfsFile& open) { return open.lock(level); });
}

int unlock(sqlite3_file* file, int level) {
  return guarded(file, SQLITE_IOERR_UNLOCK, [&](VfsFile& open) { return open.unlock(level); });
}

int check_reserved_lock(sqlite3_file* file, int* out) {
  return guarded(file, SQLITE_IOERR_CHECKRESERVEDLOCK, [&](VfsFile& open) {
    *out = open.reserved_by_anybody() ? 1 : 0;
    return SQLITE_OK;
  });
}

int file_control(sqlite3_file* file, int operation, void* out) {
  if (operation != SQLITE_FCNTL_HAS_MOVED) return SQLITE_NOTFOUND;
  return guarded(file, SQLITE_IOERR_FSTAT, [&](VfsFile& open) {
    *static_cast<int*>(out) = open.has_moved() ? 1 : 0;
    return SQLITE_OK;
  });
}
int sector_size(sqlite3_file*) { return 4096; }
// A power cut during a write spares the bytes beside what was written.
int device_characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int map_shared(sqlite3_file* file, int region, int region_bytes, int extend, void volatile** out) {
  return guarded(file, SQLITE_IOERR_SHMMAP,
                 [&](VfsFile& open) { return open.map_shared(region, region_bytes, extend != 0, out); });
}

int lock_shared(sqlite3_file* file, int first, int count, int flags) {
  return guarded(file, SQLITE_IOERR_SHMLOCK, [&](VfsFile& open) { return open.lock_shared(first, count, flags); });
}

void shared_barrier(sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); }

int unmap_shared(sqlite3_file* file, int remove) {
  return guarded(file, SQLITE_IOERR_SHMMAP, [&](VfsFile& open) { return open.unmap_shared(remove != 0); });
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,  // With shared memory, without memory-mapped reading.
    .xClose = close_file,
    .xRead = read,
    .xWrite = write,
    .xTruncate = truncate,
    .xSync = sync,
    .xFileSize = file_size,
    .xLock = lock,
    .xUnlock = unlock,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = map_shared,
    .xShmLock = lock_shared,
    .xShmBarrier = shared_barrier,
    .xShmUnmap = unmap_shared,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

std::unique_ptr<base::File> open_file(Vfs& vfs, const base::Path& path, int flags, int& granted) {
  if ((flags & SQLITE_OPEN_READWRITE) == 0) return vfs.files().open(path, base::OpenMode::read);
  const auto mode = (flags & SQLITE_OPEN_EXCLUSIVE) != 0 ? base::OpenMode::create_new
                    : (flags & SQLITE_OPEN_CREATE) != 0  ? base::OpenMode::create
                                                         : base::OpenMode::read_write;
  try {
    return vfs.files().open(path, mode);
  } catch (const Error& error) {
    if (error.code() != Code::permission_denied && error.code() != Code::read_only) throw;
    granted = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    return vfs.files().open(path, base::OpenMode::read);
  }
}

int open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* out, int flags, int* granted_out) {
  auto* const slot = static_cast<Slot*>(out);
  slot->pMethods = nullptr;
  return guarded(self(vfs), SQLITE_CANTOPEN, [&] {
    auto& on = self(vfs);
    const base::Path path =
        name != nullptr ? base::Path(name) : base::Path(fmt::format("/tmp-{:016x}", on.runtime().random()));
    int granted = flags;
    auto file = open_file(on, path, flags, granted);
    // Whoever may have made the file syncs its name with its content. That it was there already says nothing: who made
    // it may not have synced it yet.
    const bool sync_name = (flags & SQLITE_OPEN_CREATE) != 0;
    const bool temporary = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    slot->file = new VfsFile(on, path, std::move(file), sync_name && !temporary, temporary);
    slot->pMethods = &kMethods;
    if (granted_out != nullptr) *granted_out = granted;
    return SQLITE_OK;
  });
}

int remove(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  return guarded(self(vfs), SQLITE_IOERR_DELETE, [&] {
    auto& files = self(vfs).files();
    const base::Path path(name);
    if (!files.remove(path)) return SQLITE_IOERR_DELETE_NOENT;
    if (sync_folder != 0) files.sync_folder(base::folder_of(path));
    return SQLITE_OK;
  });
}

// An empty file counts as missing, as in SQLite's own VFS: an empty journal is none.
int access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  return guarded(self(vfs), SQLITE_IOERR_ACCESS, [&] {
    const auto info = self(vfs).files().info(name);
    *out = info && (info->kind != base::FileInfo::Kind::file || info->size_bytes > 0) ? 1 : 0;
    return SQLITE_OK;
  });
}

int full_path(sqlite3_vfs*, const char* name, int bytes, char* out) {
  const auto length = std::strlen(name);
  if (length >= static_cast<std::size_t>(bytes)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, length + 1);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs* vfs, int bytes, char* out) {
  for (int done = 0; done < bytes; done += 8) {
    const auto random = self(vfs).runtime().random();
    std::memcpy(out + done, &random, static_cast<std::size_t>(std::min(8, bytes - done)));
  }
  return bytes;
}

int sleep(sqlite3_vfs* vfs, int microseconds) {
  guarded(self(vfs), SQLITE_ERROR, [&] {
    self(vfs).runtime().sleep_for(std::chrono::microseconds(microseconds));
    return SQLITE_OK;
  });
  return microseconds;
}

// Milliseconds since noon of 24 November 4714 BC, the beginning of Julian days.
int current_time(sqlite3_vfs* vfs, sqlite3_int64* out) {
  constexpr sqlite3_int64 kUnixEpochMs = 210'866'760'000'000;
  const auto now = self(vfs).runtime().wall_now();
  *out = kUnixEpochMs + std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return SQLITE_OK;
}

int current_time_in_days(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 milliseconds = 0;
  current_time(vfs, &milliseconds);
  *out = static_cast<double>(milliseconds) / 86'400'000.0;
  return SQLITE_OK;
}

}  // namespace

Vfs::Vfs(base::Runtime& runtime, base::Files& files)
    : runtime_(runtime), files_(files), name_(fmt::format("tidelock-{}", fmt::ptr(this))) {
  vfs_.iVersion = 2;
  vfs_.szOsFile = sizeof(Slot);
  vfs_.mxPathname = 1024;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  vfs_.xAccess = access;
  vfs_.xFullPathname = full_path;
  // No loading of extensions: a database on a model disk has nothing to load.
  vfs_.xDlOpen = [](sqlite3_vfs*, const char*) -> void* { return nullptr; };
  vfs_.xDlError = [](sqlite3_vfs*, int bytes, char* out) {
    if (bytes > 0) *out = '\0';
  };
  vfs_.xDlSym = [](sqlite3_vfs*, void*, const char*) -> void (*)() { return nullptr; };
  vfs_.xDlClose = [](sqlite3_vfs*, void*) {};
  vfs_.xRandomness = randomness;
  vfs_.xSleep = sleep;
  vfs_.xCurrentTime = current_time_in_days;
  vfs_.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  vfs_.xCurrentTimeInt64 = current_time;
  sqlite3_vfs_register(&vfs_, 0);
}

Vfs::~Vfs() { sqlite3_vfs_unregister(&vfs_); }

void Vfs::remember(std::exception_ptr exception) noexcept {
  const auto task = runtime_.current_task();
  const base::LocalGuard guard(mutex_);
  pending_[task] = std::move(exception);
  pending_count_.store(static_cast<int>(pending_.size()));
}

void Vfs::take_pending() {
  const auto task = runtime_.current_task();
  std::exception_ptr exception;
  {
    const base::LocalGuard guard(mutex_);
    const auto found = pending_.find(task);
    if (found == pending_.end()) return;
    exception = std::move(found->second);
    pending_.erase(found);
    pending_count_.store(static_cast<int>(pending_.size()));
  }
  std::rethrow_exception(exception);
}

}  // namespace tidelock::sql::sqlite

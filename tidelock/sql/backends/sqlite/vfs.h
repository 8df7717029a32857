// SQLite on any base::Files, so that the SQL that ships can run on a model disk or in memory.
//
// Locks, shared memory and syncs follow SQLite's own "unix" VFS byte for byte
// (https://www.sqlite.org/src/doc/trunk/src/os_unix.c), except that locks belong to an open file and not to a process.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"

namespace tidelock::sql::sqlite {

// Registered with SQLite while it lives. Thread-safe. Outlives the connections that are opened with its name.
class Vfs {
 public:
  Vfs(base::Runtime& runtime, base::Files& files);
  ~Vfs();
  Vfs(const Vfs&) = delete;
  Vfs& operator=(const Vfs&) = delete;

  const std::string& name() const { return name_; }

  // An exception of the Files that is no Error (a World stops a task so) must not pass through SQLite: SQLite is told
  // of a failed call, and after it has returned the exception is thrown here, in the task that it was meant for.
  void rethrow_pending() {
    if (pending_count_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      take_pending();
  }

  // For the functions that SQLite calls.
  base::Runtime& runtime() { return runtime_; }
  base::Files& files() { return files_; }
  void remember(std::exception_ptr exception) noexcept TIDELOCK_EXCLUDES(mutex_);

 private:
  void take_pending() TIDELOCK_EXCLUDES(mutex_);

  base::Runtime& runtime_;
  base::Files& files_;
  const std::string name_;
  sqlite3_vfs vfs_{};

  std::atomic<int> pending_count_ = 0;
  base::LocalMutex mutex_;
  std::map<std::uint64_t, std::exception_ptr> pending_ TIDELOCK_GUARDED_BY(mutex_);  // By task.
};

}  // namespace tidelock::sql::sqlite

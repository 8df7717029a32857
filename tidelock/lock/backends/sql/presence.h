// Tells which of those that wait are still there: a place in a queue that nobody will take must not hold up the others.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"

namespace tidelock::lock {

// Each process that waits keeps one byte of a file locked, and says in its rows which. The kernel lets go of it when
// the process ends, however it ends. No pid can do that: it may be given to somebody else, and says nothing in another
// container. Thread-safe. Where the file cannot be used nobody is known to be gone; the places expire.
class Presence {
 public:
  Presence(base::Runtime& runtime, base::Files& files, base::Path file)
      : runtime_(runtime), files_(files), path_(std::move(file)) {}

  // The byte that this process keeps locked; 0 when it cannot.
  std::int64_t mine() TIDELOCK_EXCLUDES(mutex_);

  // One look at the others.
  class Look {
   public:
    explicit Look(Presence* presence) : presence_(presence) {}  // Null: nobody is gone.
    // Whether the process that has this byte has ended. Not known of 0.
    bool gone(std::int64_t byte);

   private:
    Presence* presence_;
    bool opened_ = false;
    std::unique_ptr<base::File> file_;
  };

 private:
  std::optional<std::uint64_t> inode();

  base::Runtime& runtime_;
  base::Files& files_;
  const base::Path path_;
  base::LocalMutex mutex_;
  std::shared_ptr<base::File> file_ TIDELOCK_GUARDED_BY(mutex_);
  std::optional<std::uint64_t> inode_ TIDELOCK_GUARDED_BY(mutex_);
  std::int64_t byte_ TIDELOCK_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidelock::lock

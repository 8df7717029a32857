// Whether the names in a folder are still those that somebody looked at, asked with one look at the folder.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"

namespace tidelock::lock {

// Who makes, deletes or renames a file changes the stamp of its folder, unless the folder's clock has not ticked since
// it was changed before. So a stamp says something only once it has been seen for longer than a tick. Thread-safe.
class FolderStamp {
 public:
  FolderStamp(base::Runtime& runtime, base::Files& files, base::Path folder)
      : runtime_(runtime), files_(files), folder_(std::move(folder)) {}

  // A look at the folder; what is in it is to be looked at afterwards. Error: io_error.
  struct Look {
    std::uint64_t inode, stamp;
    base::Instant at;
  };
  std::optional<Look> look() const;  // Empty: there is no folder.

  // True when nothing changed since a look that was approved.
  bool is_known(const Look& look) const TIDELOCK_EXCLUDES(mutex_);
  // What is in the folder was found as it must be, after `look`.
  void approve(const Look& look) TIDELOCK_EXCLUDES(mutex_);

 private:
  base::Runtime& runtime_;
  base::Files& files_;
  const base::Path folder_;
  mutable base::LocalMutex mutex_;
  std::optional<Look> first_ TIDELOCK_GUARDED_BY(mutex_);  // That saw this stamp.
  bool settled_ TIDELOCK_GUARDED_BY(mutex_) = false;       // An approved look was longer than a tick after it.
};

}  // namespace tidelock::lock

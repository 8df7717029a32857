#include "tidelock/lock/backends/sql/folder_stamp.h"

#include <chrono>

namespace tidelock::lock {
namespace {

constexpr base::Duration kTickMost = std::chrono::milliseconds(20);  // Of a file system's clock: 1 to 10 ms in Linux.

bool same(const FolderStamp::Look& a, const FolderStamp::Look& b) { return a.inode == b.inode && a.stamp == b.stamp; }

}  // namespace

std::optional<FolderStamp::Look> FolderStamp::look() const {
  const auto info = files_.info(folder_);
  if (!info) return std::nullopt;
  return Look{.inode = info->inode, .stamp = info->change_stamp, .at = runtime_.now()};
}

bool FolderStamp::is_known(const Look& look) const {
  const base::LocalGuard guard(mutex_);
  return settled_ && same(*first_, look);
}

void FolderStamp::approve(const Look& look) {
  const base::LocalGuard guard(mutex_);
  if (!first_ || !same(*first_, look)) {
    first_ = look;
    settled_ = false;
  } else if (look.at - first_->at >= kTickMost) {
    settled_ = true;
  }
}

}  // namespace tidelock::lock

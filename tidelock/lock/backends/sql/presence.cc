#include "tidelock/lock/backends/sql/presence.h"

#include <utility>

#include "tidelock/base/error.h"

namespace tidelock::lock {
namespace {

base::ByteRange only(std::int64_t byte) { return {.offset = static_cast<std::uint64_t>(byte), .length = 1}; }

}  // namespace

std::int64_t Presence::mine() {
  try {
    const auto now_there = inode();
    {
      const base::LocalGuard guard(mutex_);
      if (file_ != nullptr && now_there && now_there == inode_) return byte_;
    }
    // The first time, or somebody deleted the file, where the others do not find us any more.
    std::shared_ptr<base::File> file = files_.open(path_, base::OpenMode::create);
    std::int64_t byte = 0;
    do {
      byte = static_cast<std::int64_t>(runtime_.random() >> 2) | 1;
    } while (!file->try_lock(base::LockKind::exclusive, only(byte)));
    const auto made = inode();
    const base::LocalGuard guard(mutex_);
    if (file_ != nullptr && inode_ == made) return byte_;  // Another task was quicker.
    file_ = std::move(file);
    inode_ = made;
    byte_ = byte;
    return byte;
  } catch (const Error&) {
    return 0;
  }
}

std::optional<std::uint64_t> Presence::inode() {
  const auto info = files_.info(path_);
  return info ? std::optional(info->inode) : std::nullopt;
}

bool Presence::Look::gone(std::int64_t byte) {
  if (presence_ == nullptr || byte == 0) return false;
  try {
    if (!std::exchange(opened_, true)) file_ = presence_->files_.open(presence_->path_, base::OpenMode::read);
    // Shared, so that two who look do not take each other for the one who is looked for.
    if (file_ == nullptr || !file_->try_lock(base::LockKind::shared, only(byte))) return false;
    file_->unlock(only(byte));
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace tidelock::lock

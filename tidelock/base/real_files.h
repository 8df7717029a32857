// The Files of a real program: the kernel's.
//
// Everything is opened close-on-exec. sync() is fdatasync. Locks are F_OFD_SETLK, which other programs see as POSIX
// locks. A watch is inotify: it does not see writes through a mapping, nor those of another machine on a shared folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"

namespace tidelock::base {

// Thread-safe.
class RealFiles final : public Files {
 public:
  // The runtime only tells the time to a waiting Watch.
  explicit RealFiles(Runtime& runtime) : runtime_(runtime) {}

  std::unique_ptr<File> open(const Path& path, OpenMode mode) override;
  std::optional<FileInfo> info(const Path& path) override;
  void rename(const Path& from, const Path& to) override;
  bool remove(const Path& path) override;
  void create_folders(const Path& path) override;
  std::vector<std::string> list(const Path& folder) override;
  void create_symlink(const Path& target, const Path& link) override;
  Path read_symlink(const Path& link) override;
  void set_mode(const Path& path, unsigned permissions) override;
  void sync_folder(const Path& folder) override;
  // A file is watched by its name, so that one that is replaced or made anew is seen too. Once a watched folder itself
  // is gone or moved and that was told, wait() throws not_found.
  std::unique_ptr<Watch> watch(const Path& path) override;

 private:
  Runtime& runtime_;
};

}  // namespace tidelock::base

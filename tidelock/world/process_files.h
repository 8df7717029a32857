// The Files of one process: its view of the disk of its machine. Internal to the World.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/world/disk.h"

namespace tidelock::world {

class FileOnDisk;
class Process;

class FilesOfProcess final : public base::Files {
 public:
  FilesOfProcess(Process& process, Disk& disk) : process_(process), disk_(disk) {}

  // The process was killed: what it has open is dead, its locks are dropped, its mappings are shared no more.
  void cut();

  std::unique_ptr<base::File> open(const base::Path& path, base::OpenMode mode) override;
  std::optional<base::FileInfo> info(const base::Path& path) override;
  void rename(const base::Path& from, const base::Path& to) override;
  bool remove(const base::Path& path) override;
  void create_folders(const base::Path& path) override;
  std::vector<std::string> list(const base::Path& folder) override;
  void create_symlink(const base::Path& target, const base::Path& link) override;
  base::Path read_symlink(const base::Path& link) override;
  void set_mode(const base::Path& path, unsigned permissions) override;
  void sync_folder(const base::Path& folder) override;
  std::unique_ptr<base::Watch> watch(const base::Path& path) override;

 private:
  friend class FileOnDisk;
  friend class WatchOnDisk;

  void check_alive() const;
  // `more`: what else the call says, beside the path.
  void begin(Disk::Access access, const char* call, const base::Path& path, std::string_view more = {});
  void trace(std::string_view bytes);
  Tree::Place existing(const base::Path& path, bool follow_last, const char* what);
  static void check_changeable(const Tree::Place& place, const base::Path& path, const char* what);

  Process& process_;
  Disk& disk_;
  std::vector<FileOnDisk*> open_;
};

}  // namespace tidelock::world

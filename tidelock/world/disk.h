// A model of a machine's disk: what is not synced can be lost, torn or reordered by a power cut, and I/O can fail.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/world/file_content.h"
#include "tidelock/world/random.h"
#include "tidelock/world/tree.h"

namespace tidelock::world {

class Process;
class World;

// May be changed at any time. Rates are per call, 0 to 1.
struct DiskOptions {
  // Whether calls take time. Each is then a point at which other tasks run; without, files are faster to test on.
  bool takes_time = true;
  TimeRange io_time{std::chrono::microseconds(2), std::chrono::microseconds(20)};
  TimeRange sync_time{std::chrono::microseconds(100), std::chrono::milliseconds(2)};
  TimeRange slow_sync_time{std::chrono::milliseconds(10), std::chrono::milliseconds(100)};
  double slow_sync_rate = 0.01;

  std::uint64_t capacity_bytes = std::uint64_t{4} << 30;  // For contents, in pages of 4 KiB. Then: disk_full.
  bool read_only = false;                                 // Changes are refused: read_only.
  double read_error_rate = 0;                             // io_error, and nothing is read.
  double write_error_rate = 0;                            // io_error, and a prefix may be written.
  // io_error. Some of what was unsynced will not survive a power cut, even if a later sync succeeds.
  double sync_error_rate = 0;
  // A power cut keeps the first of the unsynced creations, renames and removals of a folder, as a journal does; or any.
  bool reordered_names = false;
};

// Made with its Machine; processes reach it through Process::files(). Behaves as a local file system of Linux does, for
// a user who is not root; relative paths start at "/".
//
// A power cut: each page of 4 KiB that was written and not synced is kept, lost or torn (its first sectors of 512 bytes
// are new, the rest old), each for itself; so are sizes; names that were not synced with Files::sync_folder are kept or
// lost, in the order of their making. What a map() shows is written back at no time in particular. Sometimes all of it
// is lost, sometimes nothing. kill -9 loses nothing.
class Disk {
 public:
  explicit Disk(World& world);
  ~Disk();

  DiskOptions& options() { return options_; }
  std::uint64_t used_bytes() const { return space_.used_bytes; }

 private:
  friend class FileOnDisk;
  friend class FilesOfProcess;
  friend class Machine;
  friend class WatchOnDisk;

  enum class Access { look, read, write, change, sync };
  // Every call begins here: it takes its time, and may fail.
  void begin(Access access, const char* call, const base::Path& path, std::uint64_t detail);
  bool write_fails();
  bool sync_fails();
  void cut_power();

  World& world_;
  DiskOptions options_;
  Random random_;
  Space space_;
  Tree tree_;
};

}  // namespace tidelock::world

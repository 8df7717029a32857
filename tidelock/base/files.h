// The only way to files.
//
// RealFiles (real_files.h) is the kernel; world::Disk is a model whose unsynced writes can be lost, torn or reordered
// by a crash. Errors: not_found, already_exists, permission_denied, read_only, disk_full, io_error, invalid_argument (a
// folder where a file is expected and the like); each names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/time.h"

namespace tidelock::base {

using Path = std::filesystem::path;

enum class OpenMode {
  read,        // Must exist.
  read_write,  // Must exist.
  create,      // Read and write; made when missing.
  create_new,  // Read and write; must not exist.
};

enum class LockKind { shared, exclusive };

// Bytes of a file, for locks. The end may lie behind the end of the file.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // 0: to the end, however far it grows.
};

struct FileInfo {
  enum class Kind { file, folder, symlink, other } kind;
  std::uint64_t size_bytes;
  std::uint64_t inode;
  // Another one after the content was changed, to the grain of the file system's clock (a few ms), also when its time
  // was put back, and perhaps after its name or permissions were. Of no other meaning. What is written through
  // File::map() may come late or never. The content of a folder is its names: what is made, deleted or renamed in it.
  std::uint64_t change_stamp;
  std::uint64_t device = 0;  // The file system in which `inode` is a number.

  // Which file it is, whatever its name: no two that exist at once have the same.
  using Id = std::pair<std::uint64_t, std::uint64_t>;
  Id id() const { return {device, inode}; }
};

// One open file description. Thread-safe for reads; writes of one range are the caller's to order. Closed by the
// destructor, which drops its locks.
class File {
 public:
  virtual ~File() = default;
  // Fills `out` as far as the file reaches; returns the count of bytes, short only at the end of the file.
  virtual std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) = 0;
  // Writes all of it. On disk_full a prefix may have been written.
  virtual void write_at(std::uint64_t offset, std::span<const std::byte> data) = 0;
  virtual std::uint64_t size() = 0;
  virtual void truncate(std::uint64_t size_bytes) = 0;
  // After it returns, what was written survives a power cut (the name needs Files::sync_folder as well). After a failed
  // sync the state of the unsynced data is unknown: do not call it again and trust the answer.
  virtual void sync() = 0;
  // Asks for these bytes to be brought to the disk from now on, so that the next sync() has less to wait for. Returns
  // at once and promises nothing.
  virtual void start_sync(ByteRange range);
  // An open-file-description lock: it excludes every other opening, also within this process, and is dropped only by
  // unlock() or by closing this File. Never waits. A lock already held here is converted.
  virtual bool try_lock(LockKind kind, ByteRange range = {}) = 0;
  virtual void unlock(ByteRange range = {}) = 0;
  // Memory shared by everybody who maps the same file; the file grows to hold it. Valid while the File lives.
  virtual std::span<std::byte> map(std::uint64_t offset, std::size_t size_bytes) = 0;
};

// Tells that something under a path changed.
class Watch {
 public:
  virtual ~Watch() = default;
  // True when anything changed since the watch was made or since the last true; false at the deadline or when `stop` is
  // requested. May return true for a change that is not visible.
  virtual bool wait(Deadline deadline, const std::stop_token& stop = {}) = 0;
};

// Thread-safe.
class Files {
 public:
  virtual ~Files() = default;

  virtual std::unique_ptr<File> open(const Path& path, OpenMode mode) = 0;
  virtual std::optional<FileInfo> info(const Path& path) = 0;  // Empty when missing; does not follow a symlink.
  virtual void rename(const Path& from, const Path& to) = 0;   // Replaces an existing file at once.
  virtual bool remove(const Path& path) = 0;                   // A file, symlink or empty folder; false when missing.
  virtual void create_folders(const Path& path) = 0;           // With parents; fine when they exist.
  virtual std::vector<std::string> list(const Path& folder) = 0;  // Names, sorted.
  virtual void create_symlink(const Path& target, const Path& link) = 0;
  virtual Path read_symlink(const Path& link) = 0;
  virtual void set_mode(const Path& path, unsigned permissions) = 0;  // As chmod: 0444.
  // Makes creations, renames and removals in the folder survive a power cut.
  virtual void sync_folder(const Path& folder) = 0;
  // A file, or the direct children of a folder; must exist.
  virtual std::unique_ptr<Watch> watch(const Path& path) = 0;

  // The whole file. Error: too_large when it is longer than `limit_bytes`.
  std::string read(const Path& path, std::uint64_t limit_bytes = std::uint64_t{1} << 30);
  // Replaces the file so that a reader and a power cut see the old or the new content: a temporary file beside it,
  // sync, rename, sync of the folder. One writer of a path at a time: the temporary file is always `path`.tmp, so that
  // one left by a crash is replaced and does not stay.
  void write_atomically(const Path& path, std::string_view content);
};

// The folder that a path lies in; `.` for a bare name.
Path folder_of(const Path& path);

}  // namespace tidelock::base

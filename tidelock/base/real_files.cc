#include "tidelock/base/real_files.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <mutex>
#include <system_error>
#include <utility>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/errno_error.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/poll.h"

namespace tidelock::base {
namespace {

// Calls until a signal does not interrupt; returns the result of the call.
template <typename Call>
auto uninterrupted(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

off_t to_offset(std::uint64_t bytes, const Path& path) {
  if (bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
    throw errno_error(EOVERFLOW, path, "no file reaches that far");
  }
  return static_cast<off_t>(bytes);
}

class RealFile final : public File {
 public:
  RealFile(Path path, Descriptor descriptor) : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  ~RealFile() override {
    for (const auto& mapping : mappings_) ::munmap(mapping.data(), mapping.size());
  }

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const auto at = to_offset(offset + done, path_);
      const auto count = uninterrupted([&] { return ::pread(fd(), out.data() + done, out.size() - done, at); });
      if (count < 0) throw errno_error(errno, path_, "it could not be read");
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  void write_at(std::uint64_t offset, std::span<const std::byte> data) override {
    while (!data.empty()) {
      const auto at = to_offset(offset, path_);
      const auto count = uninterrupted([&] { return ::pwrite(fd(), data.data(), data.size(), at); });
      if (count < 0) throw errno_error(errno, path_, "it could not be written");
      data = data.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
  }

  std::uint64_t size() override {
    struct stat status {};
    if (::fstat(fd(), &status) != 0) throw errno_error(errno, path_, "its size is not known");
    return static_cast<std::uint64_t>(status.st_size);
  }

  void truncate(std::uint64_t size_bytes) override {
    const auto size = to_offset(size_bytes, path_);
    if (uninterrupted([&] { return ::ftruncate(fd(), size); }) != 0) {
      throw errno_error(errno, path_, "its size could not be changed");
    }
  }

  void sync() override {
    // Data and what is needed to find it again, the size included; only times may be lost.
    if (uninterrupted([&] { return ::fdatasync(fd()); }) != 0) {
      throw errno_error(errno, path_, "it could not be made durable");
    }
  }

  void start_sync(ByteRange range) override {
    // Whatever it says: sync() will meet what is wrong.
    ::sync_file_range(fd(), to_offset(range.offset, path_), to_offset(range.length, path_), SYNC_FILE_RANGE_WRITE);
  }

  bool try_lock(LockKind kind, ByteRange range) override {
    if (set_lock(kind == LockKind::shared ? F_RDLCK : F_WRLCK, range)) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    throw errno_error(errno, path_,
                      errno == EBADF ? "an exclusive lock needs a file opened for writing" : "it could not be locked");
  }

  void unlock(ByteRange range) override {
    if (!set_lock(F_UNLCK, range)) throw errno_error(errno, path_, "its lock could not be released");
  }

  std::span<std::byte> map(std::uint64_t offset, std::size_t size_bytes) override {
    if (size_bytes == 0) throw errno_error(EINVAL, path_, "no bytes were asked to be mapped");
    static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const auto start = offset / page * page;
    const auto length = static_cast<std::size_t>(offset - start) + size_bytes;
    to_offset(start + length, path_);
    // Never shrinks, unlike ftruncate with a size that another process has meanwhile gone beyond; and with the blocks
    // there, a full disk is an error here and not a SIGBUS at some later write.
    int failed = EINTR;
    while (failed == EINTR) {
      failed = ::posix_fallocate(fd(), static_cast<off_t>(offset), static_cast<off_t>(size_bytes));
    }
    if (failed != 0) throw errno_error(failed, path_, "it could not be made long enough to map");
    void* const at = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), static_cast<off_t>(start));
    if (at == MAP_FAILED) throw errno_error(errno, path_, "it could not be mapped");
    const std::span mapping(static_cast<std::byte*>(at), length);
    const LocalGuard guard(mutex_);
    mappings_.push_back(mapping);
    return mapping.subspan(static_cast<std::size_t>(offset - start));
  }

 private:
  int fd() const { return descriptor_.get(); }

  bool set_lock(short type, ByteRange range) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = to_offset(range.offset, path_);
    lock.l_len = to_offset(range.length, path_);
    return uninterrupted([&] { return ::fcntl(fd(), F_OFD_SETLK, &lock); }) == 0;
  }

  const Path path_;
  const Descriptor descriptor_;
  LocalMutex mutex_;
  std::vector<std::span<std::byte>> mappings_ TIDELOCK_GUARDED_BY(mutex_);
};

class RealWatch final : public Watch {
 public:
  RealWatch(Runtime& runtime, const Path& path) : path_(path), poll_(runtime) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) throw errno_error(errno, path, "it cannot be watched");
    const bool is_folder = S_ISDIR(status.st_mode);
    const auto folder = is_folder ? path : folder_of(path);
    if (!is_folder) name_ = path.filename();

    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_) throw errno_error(errno, path, "it cannot be watched: no inotify instance is left");
    constexpr std::uint32_t kChanges = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                       IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    if (::inotify_add_watch(inotify_.get(), folder.c_str(), kChanges) < 0) {
      throw errno_error(errno, path,
                        errno == ENOSPC ? "it cannot be watched: no inotify watch is left" : "it cannot be watched");
    }
    poll_.add(inotify_.get());
  }

  bool wait(Deadline deadline, const std::stop_token& stop) override {
    for (;;) {
      if (take_changes()) return true;
      if (gone_) throw errno_error(ENOENT, path_, "the watched folder is gone");
      if (!poll_.wait(deadline, stop)) return false;
    }
  }

 private:
  // Takes everything the kernel has told so far; true when some of it is about the watched name.
  bool take_changes() {
    bool changed = false;
    alignas(inotify_event) std::array<std::byte, 4096> buffer;
    while (const auto count = read_some(inotify_, buffer)) {
      for (std::size_t at = 0; at < *count;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        at += sizeof(inotify_event) + event->len;
        if (event->mask & (IN_IGNORED | IN_MOVE_SELF)) gone_ = true;
        const bool about_folder = event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED);
        changed = changed || about_folder || name_.empty() || (event->len > 0 && name_ == event->name);
      }
    }
    return changed;
  }

  const Path path_;
  std::string name_;  // Of the watched file in its folder; empty when the folder itself is watched.
  Descriptor inotify_;
  bool gone_ = false;
  Poll poll_;
};

FileInfo::Kind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileInfo::Kind::file;
  if (S_ISDIR(mode)) return FileInfo::Kind::folder;
  if (S_ISLNK(mode)) return FileInfo::Kind::symlink;
  return FileInfo::Kind::other;
}

void throw_if(const std::error_code& error, const Path& path, std::string_view what) {
  if (error) throw errno_error(error.value(), path, what);
}

}  // namespace

std::unique_ptr<File> RealFiles::open(const Path& path, OpenMode mode) {
  // O_NONBLOCK means nothing to a file; without it, opening a named pipe would wait for its other end.
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  switch (mode) {
    case OpenMode::read:
      flags |= O_RDONLY;
      break;
    case OpenMode::read_write:
      flags |= O_RDWR;
      break;
    case OpenMode::create:
      flags |= O_RDWR | O_CREAT;
      break;
    case OpenMode::create_new:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  Descriptor descriptor(uninterrupted([&] { return ::open(path.c_str(), flags, 0666); }));
  if (!descriptor) throw errno_error(errno, path, "it could not be opened");
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) throw errno_error(errno, path, "it could not be opened");
  if (S_ISDIR(status.st_mode)) throw errno_error(EISDIR, path, "it could not be opened");
  return std::make_unique<RealFile>(path, std::move(descriptor));
}

std::optional<FileInfo> RealFiles::info(const Path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    // Not the time of the content, which anybody may set; the kernel sets this one.
    const auto changed = static_cast<std::uint64_t>(status.st_ctim.tv_sec) * 1'000'000'000 +
                         static_cast<std::uint64_t>(status.st_ctim.tv_nsec);
    return FileInfo{kind_of(status.st_mode), static_cast<std::uint64_t>(status.st_size), status.st_ino, changed,
                    status.st_dev};
  }
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw errno_error(errno, path, "nothing is known about it");
}

void RealFiles::rename(const Path& from, const Path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw errno_error(errno, from, "it could not be renamed to " + to.string());
  }
}

bool RealFiles::remove(const Path& path) {
  if (::remove(path.c_str()) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw errno_error(errno, path, "it could not be removed");
}

void RealFiles::create_folders(const Path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  throw_if(error, path, "the folder could not be made");
}

std::vector<std::string> RealFiles::list(const Path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  throw_if(error, folder, "it could not be listed");
  std::sort(names.begin(), names.end());
  return names;
}

void RealFiles::create_symlink(const Path& target, const Path& link) {
  if (::symlink(target.c_str(), link.c_str()) != 0) throw errno_error(errno, link, "the symlink could not be made");
}

Path RealFiles::read_symlink(const Path& link) {
  std::error_code error;
  auto target = std::filesystem::read_symlink(link, error);
  throw_if(error, link, "it could not be read as a symlink");
  return target;
}

void RealFiles::set_mode(const Path& path, unsigned permissions) {
  if (::chmod(path.c_str(), permissions) != 0) throw errno_error(errno, path, "its permissions could not be changed");
}

void RealFiles::sync_folder(const Path& folder) {
  const Descriptor descriptor(
      uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!descriptor) throw errno_error(errno, folder, "the folder could not be opened");
  // A file system without durable folders says EINVAL: there is nothing more to do then.
  if (uninterrupted([&] { return ::fsync(descriptor.get()); }) != 0 && errno != EINVAL) {
    throw errno_error(errno, folder, "the folder could not be made durable");
  }
}

std::unique_ptr<Watch> RealFiles::watch(const Path& path) { return std::make_unique<RealWatch>(runtime_, path); }

}  // namespace tidelock::base

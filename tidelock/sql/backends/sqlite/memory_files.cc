#include "tidelock/sql/backends/sqlite/memory_files.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "tidelock/base/error.h"

namespace tidelock::sql::sqlite {
namespace {

// Also the size in which SQLite maps its shared memory: a mapping is one chunk, which never moves.
constexpr std::size_t kChunkBytes = 32 * 1024;

std::uint64_t end_of(base::ByteRange range) {
  return range.length == 0 ? std::numeric_limits<std::uint64_t>::max() : range.offset + range.length;
}

[[noreturn]] void refuse(const char* what) {
  throw Error(Code::unsupported, std::string("a database in memory has no ") + what);
}

}  // namespace

// The bytes of one file, and who locked which of them.
class MemoryContent {
 public:
  explicit MemoryContent(std::uint64_t inode) : inode(inode) {}

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) {
    const base::LocalGuard guard(mutex_);
    if (offset >= size_) return 0;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
    copy(offset, count, [&](std::byte* at, std::size_t done, std::size_t part) { std::memcpy(&out[done], at, part); });
    return count;
  }
  void write(std::uint64_t offset, std::span<const std::byte> data) {
    const base::LocalGuard guard(mutex_);
    ++change_stamp_;
    grow(offset + data.size());
    copy(offset, data.size(),
         [&](std::byte* at, std::size_t done, std::size_t part) { std::memcpy(at, &data[done], part); });
  }
  std::uint64_t size() {
    const base::LocalGuard guard(mutex_);
    return size_;
  }
  base::FileInfo info() {
    const base::LocalGuard guard(mutex_);
    return {base::FileInfo::Kind::file, size_, inode, change_stamp_};
  }
  void truncate(std::uint64_t size) {
    const base::LocalGuard guard(mutex_);
    ++change_stamp_;
    if (size >= size_) return grow(size);
    // What may come back later is zero.
    copy(size, static_cast<std::size_t>(size_ - size),
         [](std::byte* at, std::size_t, std::size_t part) { std::memset(at, 0, part); });
    size_ = size;
    if (!mapped_) chunks_.resize((size + kChunkBytes - 1) / kChunkBytes);
  }
  std::span<std::byte> map(std::uint64_t offset, std::size_t bytes) {
    if (offset % kChunkBytes != 0 || bytes > kChunkBytes) refuse("mappings of this size");
    const base::LocalGuard guard(mutex_);
    grow(offset + bytes);
    mapped_ = true;
    return {chunks_[offset / kChunkBytes].get(), bytes};
  }

  bool try_lock(const void* owner, base::LockKind kind, base::ByteRange range) {
    const base::LocalGuard guard(mutex_);
    const auto end = end_of(range);
    for (const auto& held : locks_) {
      const bool overlaps = held.begin < end && range.offset < held.end;
      if (!overlaps || held.owner == owner) continue;
      if (kind == base::LockKind::exclusive || held.kind == base::LockKind::exclusive) return false;
    }
    release(owner, range.offset, end);
    locks_.push_back({owner, kind, range.offset, end});
    return true;
  }
  void unlock(const void* owner, base::ByteRange range) {
    const base::LocalGuard guard(mutex_);
    release(owner, range.offset, end_of(range));
  }

  const std::uint64_t inode;

 private:
  struct Held {
    const void* owner;
    base::LockKind kind;
    std::uint64_t begin;
    std::uint64_t end;
  };

  // Calls part(address, bytes done before, bytes) for each chunk that the range touches.
  template <typename Part>
  void copy(std::uint64_t offset, std::size_t count, Part&& part) TIDELOCK_REQUIRES(mutex_) {
    for (std::size_t done = 0; done < count;) {
      const auto at = static_cast<std::size_t>((offset + done) % kChunkBytes);
      const auto bytes = std::min(count - done, kChunkBytes - at);
      part(chunks_[(offset + done) / kChunkBytes].get() + at, done, bytes);
      done += bytes;
    }
  }
  void grow(std::uint64_t size) TIDELOCK_REQUIRES(mutex_) {
    while (chunks_.size() * kChunkBytes < size) chunks_.push_back(std::make_unique<std::byte[]>(kChunkBytes));
    size_ = std::max(size_, size);
  }
  void release(const void* owner, std::uint64_t begin, std::uint64_t end) TIDELOCK_REQUIRES(mutex_) {
    std::vector<Held> kept;
    for (const auto& held : locks_) {
      if (held.owner != owner || held.begin >= end || begin >= held.end) {
        kept.push_back(held);
        continue;
      }
      if (held.begin < begin) kept.push_back({owner, held.kind, held.begin, begin});
      if (end < held.end) kept.push_back({owner, held.kind, end, held.end});
    }
    locks_ = std::move(kept);
  }

  base::LocalMutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_ TIDELOCK_GUARDED_BY(mutex_);
  std::uint64_t size_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::uint64_t change_stamp_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  bool mapped_ TIDELOCK_GUARDED_BY(mutex_) = false;  // Somebody may hold a pointer to a chunk.
  std::vector<Held> locks_ TIDELOCK_GUARDED_BY(mutex_);
};

namespace {

class MemoryFile final : public base::File {
 public:
  explicit MemoryFile(std::shared_ptr<MemoryContent> content) : content_(std::move(content)) {}
  ~MemoryFile() override { content_->unlock(this, {}); }

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) override { return content_->read(offset, out); }
  void write_at(std::uint64_t offset, std::span<const std::byte> data) override { content_->write(offset, data); }
  std::uint64_t size() override { return content_->size(); }
  void truncate(std::uint64_t size_bytes) override { content_->truncate(size_bytes); }
  void sync() override {}
  bool try_lock(base::LockKind kind, base::ByteRange range) override { return content_->try_lock(this, kind, range); }
  void unlock(base::ByteRange range) override { content_->unlock(this, range); }
  std::span<std::byte> map(std::uint64_t offset, std::size_t size_bytes) override {
    return content_->map(offset, size_bytes);
  }

 private:
  std::shared_ptr<MemoryContent> content_;
};

}  // namespace

std::unique_ptr<base::File> MemoryFiles::open(const base::Path& path, base::OpenMode mode) {
  const base::LocalGuard guard(mutex_);
  const auto found = files_.find(path.string());
  const bool exists = found != files_.end();
  if (exists && mode == base::OpenMode::create_new) throw Error(Code::already_exists, path.string() + " exists");
  if (exists) return std::make_unique<MemoryFile>(found->second);
  if (mode == base::OpenMode::read || mode == base::OpenMode::read_write) {
    throw Error(Code::not_found, path.string() + " does not exist");
  }
  auto content = std::make_shared<MemoryContent>(++last_inode_);
  files_.emplace(path.string(), content);
  return std::make_unique<MemoryFile>(std::move(content));
}

std::optional<base::FileInfo> MemoryFiles::info(const base::Path& path) {
  const base::LocalGuard guard(mutex_);
  const auto found = files_.find(path.string());
  if (found == files_.end()) return std::nullopt;
  return found->second->info();
}

void MemoryFiles::rename(const base::Path& from, const base::Path& to) {
  const base::LocalGuard guard(mutex_);
  auto node = files_.extract(from.string());
  if (node.empty()) throw Error(Code::not_found, from.string() + " does not exist");
  files_.insert_or_assign(to.string(), std::move(node.mapped()));
}

bool MemoryFiles::remove(const base::Path& path) {
  const base::LocalGuard guard(mutex_);
  return files_.erase(path.string()) != 0;
}

std::vector<std::string> MemoryFiles::list(const base::Path&) {
  const base::LocalGuard guard(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, content] : files_) names.push_back(base::Path(name).filename().string());
  return names;
}

void MemoryFiles::create_symlink(const base::Path&, const base::Path&) { refuse("symbolic links"); }
base::Path MemoryFiles::read_symlink(const base::Path&) { refuse("symbolic links"); }
std::unique_ptr<base::Watch> MemoryFiles::watch(const base::Path&) { refuse("watches"); }

}  // namespace tidelock::sql::sqlite

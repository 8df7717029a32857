#include "tidelock/world/file_on_disk.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "tidelock/base/errno_error.h"
#include "tidelock/world/crashed.h"

namespace tidelock::world {

using base::errno_error;

FileOnDisk::FileOnDisk(FilesOfProcess& files, std::shared_ptr<Node> node, base::Path path, bool writable)
    : files_(files), disk_(files.disk_), node_(std::move(node)), path_(std::move(path)), writable_(writable) {
  files_.open_.push_back(this);
}

FileOnDisk::~FileOnDisk() {
  if (!cut_) {
    node_->locks.unlock_all(this);
    std::erase(files_.open_, this);
  }
  for (const auto& view : views_) FileContent::unmap(view.at, view.pages);
}

void FileOnDisk::cut() {
  cut_ = true;
  node_->locks.unlock_all(this);
  for (const auto& view : views_) FileContent::make_private(view.at, view.pages);
}

void FileOnDisk::begin(Disk::Access access, const char* call, std::uint64_t detail, std::span<const std::byte> data) {
  if (cut_) throw Crashed();
  files_.check_alive();
  files_.trace({reinterpret_cast<const char*>(data.data()), data.size()});
  disk_.begin(access, call, path_, (node_->inode << 40) ^ detail);
  if (cut_) throw Crashed();
}

void FileOnDisk::check_reach(std::uint64_t end) const {
  if (end > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw errno_error(EOVERFLOW, path_, "no file reaches that far");
  }
}

std::size_t FileOnDisk::read_at(std::uint64_t offset, std::span<std::byte> out) {
  begin(Disk::Access::read, "read", offset ^ (out.size() << 32));
  check_reach(offset);
  return node_->content.read(offset, out);
}

void FileOnDisk::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  begin(Disk::Access::write, "write", offset ^ (data.size() << 32), data);
  check_reach(offset);
  if (!writable_) throw errno_error(EBADF, path_, "it could not be written");
  ++node_->change_stamp;
  if (disk_.write_fails()) {
    const auto prefix = data.first(disk_.random_.below(static_cast<std::uint32_t>(data.size()) + 1));
    node_->content.write(offset, prefix, disk_.random_);
    throw errno_error(EIO, path_, "it could not be written");
  }
  auto done = node_->content.write(offset, data, disk_.random_);
  if (done < data.size()) {
    disk_.tree_.sync_all();  // What was removed takes up no more room then.
    done += node_->content.write(offset + done, data.subspan(done), disk_.random_);
  }
  Tree::touch(*node_);
  if (done < data.size()) throw errno_error(ENOSPC, path_, "it could not be written");
}

std::uint64_t FileOnDisk::size() {
  begin(Disk::Access::look, "size of", 0);
  return node_->content.size();
}

void FileOnDisk::truncate(std::uint64_t size_bytes) {
  begin(Disk::Access::write, "truncate", size_bytes);
  check_reach(size_bytes);
  if (!writable_) throw errno_error(EINVAL, path_, "its size could not be changed");
  ++node_->change_stamp;
  grow(size_bytes, "its size could not be changed");
  Tree::touch(*node_);
}

void FileOnDisk::grow(std::uint64_t size_bytes, const char* what) {
  if (node_->content.resize(size_bytes, disk_.random_)) return;
  disk_.tree_.sync_all();
  if (!node_->content.resize(size_bytes, disk_.random_)) throw errno_error(ENOSPC, path_, what);
}

void FileOnDisk::sync() {
  begin(Disk::Access::sync, "sync", 0);
  if (disk_.sync_fails()) {
    node_->content.fail_sync(disk_.random_);
    throw errno_error(EIO, path_, "it could not be made durable");
  }
  node_->content.sync();
}

bool FileOnDisk::try_lock(base::LockKind kind, base::ByteRange range) {
  begin(Disk::Access::look, kind == base::LockKind::exclusive ? "lock" : "lock shared",
        range.offset ^ (range.length << 32));
  check_reach(range.offset);
  check_reach(range.length);
  if (kind == base::LockKind::exclusive && !writable_) {
    throw errno_error(EBADF, path_, "an exclusive lock needs a file opened for writing");
  }
  return node_->locks.try_lock(this, kind, range);
}

void FileOnDisk::unlock(base::ByteRange range) {
  begin(Disk::Access::look, "unlock", range.offset ^ (range.length << 32));
  check_reach(range.offset);
  check_reach(range.length);
  node_->locks.unlock(this, range);
}

std::span<std::byte> FileOnDisk::map(std::uint64_t offset, std::size_t size_bytes) {
  begin(Disk::Access::write, "map", offset ^ (size_bytes << 32));
  if (size_bytes == 0) throw errno_error(EINVAL, path_, "no bytes were asked to be mapped");
  check_reach(offset);
  check_reach(size_bytes);
  check_reach(offset + size_bytes);
  if (!writable_) throw errno_error(EBADF, path_, "it could not be made long enough to map");
  const auto end = offset + size_bytes;
  if (end > node_->content.size()) grow(end, "it could not be made long enough to map");
  const auto first_page = offset / kPageBytes;
  const auto pages = static_cast<std::size_t>((end + kPageBytes - 1) / kPageBytes - first_page);
  auto* const view = node_->content.map(first_page, pages);
  if (view == nullptr) throw errno_error(ENOMEM, path_, "it could not be mapped");
  views_.push_back({view, pages});
  return {view + offset % kPageBytes, size_bytes};
}

}  // namespace tidelock::world

// One opening of a file of a Disk. Internal to the World.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/world/process_files.h"

namespace tidelock::world {

class FileOnDisk final : public base::File {
 public:
  FileOnDisk(FilesOfProcess& files, std::shared_ptr<Node> node, base::Path path, bool writable);
  ~FileOnDisk() override;
  void cut();

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) override;
  void write_at(std::uint64_t offset, std::span<const std::byte> data) override;
  std::uint64_t size() override;
  void truncate(std::uint64_t size_bytes) override;
  void sync() override;
  bool try_lock(base::LockKind kind, base::ByteRange range) override;
  void unlock(base::ByteRange range) override;
  std::span<std::byte> map(std::uint64_t offset, std::size_t size_bytes) override;

 private:
  struct View {
    std::byte* at;
    std::size_t pages;
  };

  void begin(Disk::Access access, const char* call, std::uint64_t detail, std::span<const std::byte> data = {});
  void check_reach(std::uint64_t end) const;
  void grow(std::uint64_t size_bytes, const char* what);

  FilesOfProcess& files_;
  Disk& disk_;
  const std::shared_ptr<Node> node_;
  const base::Path path_;
  const bool writable_;
  bool cut_ = false;
  std::vector<View> views_;
};

}  // namespace tidelock::world

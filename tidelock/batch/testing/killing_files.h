// Files of a process that is killed at its n-th change of the disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/world/process.h"

namespace tidelock::batch::testing {

// Counts writes, truncations and syncs of files. The call with the number `kill_at`, from 1, does not happen.
class KillingFiles final : public base::Files {
 public:
  KillingFiles(world::Process& process, std::uint64_t kill_at)
      : process_(process), inner_(process.files()), kill_at_(kill_at) {}

  std::uint64_t changes() const { return changes_; }

  std::unique_ptr<base::File> open(const base::Path& path, base::OpenMode mode) override {
    return std::make_unique<Watched>(*this, inner_.open(path, mode));
  }
  std::optional<base::FileInfo> info(const base::Path& path) override { return inner_.info(path); }
  void rename(const base::Path& from, const base::Path& to) override { inner_.rename(from, to); }
  bool remove(const base::Path& path) override { return inner_.remove(path); }
  void create_folders(const base::Path& path) override { inner_.create_folders(path); }
  std::vector<std::string> list(const base::Path& folder) override { return inner_.list(folder); }
  void create_symlink(const base::Path& target, const base::Path& link) override {
    inner_.create_symlink(target, link);
  }
  base::Path read_symlink(const base::Path& link) override { return inner_.read_symlink(link); }
  void set_mode(const base::Path& path, unsigned permissions) override { inner_.set_mode(path, permissions); }
  void sync_folder(const base::Path& folder) override { inner_.sync_folder(folder); }
  std::unique_ptr<base::Watch> watch(const base::Path& path) override { return inner_.watch(path); }

 private:
  class Watched final : public base::File {
   public:
    Watched(KillingFiles& files, std::unique_ptr<base::File> inner) : files_(files), inner_(std::move(inner)) {}
    std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) override {
      return inner_->read_at(offset, out);
    }
    void write_at(std::uint64_t offset, std::span<const std::byte> data) override {
      files_.change();
      inner_->write_at(offset, data);
    }
    std::uint64_t size() override { return inner_->size(); }
    void truncate(std::uint64_t size_bytes) override {
      files_.change();
      inner_->truncate(size_bytes);
    }
    void sync() override {
      files_.change();
      inner_->sync();
    }
    bool try_lock(base::LockKind kind, base::ByteRange range) override { return inner_->try_lock(kind, range); }
    void unlock(base::ByteRange range) override { inner_->unlock(range); }
    std::span<std::byte> map(std::uint64_t offset, std::size_t size_bytes) override {
      return inner_->map(offset, size_bytes);
    }

   private:
    KillingFiles& files_;
    std::unique_ptr<base::File> inner_;
  };

  void change() {
    if (++changes_ == kill_at_) process_.crash();
  }

  world::Process& process_;
  base::Files& inner_;
  const std::uint64_t kill_at_;
  std::uint64_t changes_ = 0;
};

}  // namespace tidelock::batch::testing

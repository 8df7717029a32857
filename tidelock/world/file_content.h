// The bytes of one file: as programs see them, and as they would be found after a power cut. Internal to the Disk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "tidelock/world/random.h"

namespace tidelock::world {

// Room on a disk.
struct Space {
  std::uint64_t capacity_bytes;
  std::uint64_t used_bytes = 0;
};

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kSectorBytes = 512;  // Written whole or not at all.

// What a power cut does to the unsynced pages.
enum class Loss { all, none, mixed };

class FileContent {
 public:
  explicit FileContent(Space& space) : space_(space) {}
  ~FileContent();
  FileContent(const FileContent&) = delete;
  FileContent& operator=(const FileContent&) = delete;

  std::uint64_t size() const { return size_; }
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) const;
  // Returns how much was written: less than all when the disk is full. `random` says what a disk would have written
  // back meanwhile.
  std::size_t write(std::uint64_t offset, std::span<const std::byte> data, Random& random);
  // False, and nothing changed, when the disk is full.
  bool resize(std::uint64_t size_bytes, Random& random);

  // Everything is on the disk, except what a failed sync has given up.
  void sync();
  // As Linux does: the error is told once, and some pages count as clean although they are not on the disk. A later
  // sync() does not write them, unless they are written to again.
  void fail_sync(Random& random);
  void cut_power(Loss loss, Random& random);

  // A view of whole pages that is shared with every other view; the file must reach that far. Null when it cannot be
  // made. Given back with unmap().
  std::byte* map(std::uint64_t first_page, std::size_t pages);
  static void unmap(std::byte* view, std::size_t pages);
  // The view goes on to show the present bytes, but is shared with nobody any more.
  static void make_private(std::byte* view, std::size_t pages);

 private:
  using Page = std::array<std::byte, kPageBytes>;
  struct Unsynced {
    std::unique_ptr<Page> on_disk;  // Null: zeros.
    bool given_up = false;
  };
  struct Mapped {
    std::uint64_t first_page;
    std::size_t pages;
    bool operator==(const Mapped&) const = default;
  };

  std::byte* bytes() { return shared_ != nullptr ? shared_ : heap_.data(); }
  const std::byte* bytes() const { return shared_ != nullptr ? shared_ : heap_.data(); }
  std::byte* page(std::uint64_t index) { return bytes() + index * kPageBytes; }
  void will_change(std::uint64_t index, Random* random);
  void will_change(std::uint64_t begin, std::uint64_t end, Random& random);
  void set_size(std::uint64_t size_bytes);
  void lose_page(std::uint64_t index, const Unsynced& unsynced, Loss loss, Random& random);

  Space& space_;
  std::vector<std::byte> heap_;  // Whole pages; zero behind the end.
  std::byte* shared_ = nullptr;  // Instead, once it was mapped.
  std::uint64_t size_ = 0;
  std::uint64_t size_on_disk_ = 0;
  std::uint64_t size_smallest_ = 0;  // Since the last sync.
  std::map<std::uint64_t, Unsynced> unsynced_;
  std::vector<Mapped> mapped_;  // May change at any moment.
};

}  // namespace tidelock::world

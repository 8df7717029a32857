#include "tidelock/world/file_content.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace tidelock::world {
namespace {

// What a file can grow to once it was mapped: address space only, memory is used as it is touched.
constexpr std::size_t kSharedBytes = std::size_t{1} << 30;

std::uint64_t pages_of(std::uint64_t size_bytes) { return (size_bytes + kPageBytes - 1) / kPageBytes; }

}  // namespace

FileContent::~FileContent() {
  space_.used_bytes -= pages_of(size_) * kPageBytes;
  if (shared_ != nullptr) munmap(shared_, kSharedBytes);
}

std::size_t FileContent::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset >= size_) return 0;
  const auto count = std::min<std::uint64_t>(out.size(), size_ - offset);
  if (count != 0) std::memcpy(out.data(), bytes() + offset, count);
  return count;
}

std::size_t FileContent::write(std::uint64_t offset, std::span<const std::byte> data, Random& random) {
  if (data.empty()) return 0;
  auto end = offset + data.size();
  if (end > size_ && !resize(end, random)) {
    const auto free_pages = (space_.capacity_bytes - std::min(space_.capacity_bytes, space_.used_bytes)) / kPageBytes;
    end = std::min(end, (pages_of(size_) + free_pages) * kPageBytes);
    if (end <= offset) return 0;
    if (end > size_) resize(end, random);
  }
  will_change(offset, end, random);
  std::memcpy(bytes() + offset, data.data(), end - offset);
  return end - offset;
}

bool FileContent::resize(std::uint64_t size_bytes, Random& random) {
  if (size_bytes > size_) {
    const auto more = (pages_of(size_bytes) - pages_of(size_)) * kPageBytes;
    if (more > space_.capacity_bytes - std::min(space_.capacity_bytes, space_.used_bytes)) return false;
    if (shared_ != nullptr && size_bytes > kSharedBytes) return false;
    will_change(size_, size_bytes, random);
  } else {
    will_change(size_bytes, size_, random);
  }
  set_size(size_bytes);
  size_smallest_ = std::min(size_smallest_, size_);
  return true;
}

void FileContent::set_size(std::uint64_t size_bytes) {
  space_.used_bytes += (pages_of(size_bytes) - pages_of(size_)) * kPageBytes;  // Modulo 2^64 when it shrinks.
  if (size_bytes < size_) std::memset(bytes() + size_bytes, 0, size_ - size_bytes);
  if (shared_ == nullptr) {
    const auto room = pages_of(size_bytes) * kPageBytes;
    if (room > heap_.capacity()) heap_.reserve(std::max(room, heap_.capacity() * 2));
    heap_.resize(room);
  }
  size_ = size_bytes;
}

void FileContent::will_change(std::uint64_t begin, std::uint64_t end, Random& random) {
  for (auto index = begin / kPageBytes; index < pages_of(end); ++index) will_change(index, &random);
}

// Remembers what the disk holds of a page. Without `random` nothing is written back meanwhile.
void FileContent::will_change(std::uint64_t index, Random* random) {
  const auto [found, is_new] = unsynced_.try_emplace(index);
  auto& [on_disk, given_up] = found->second;
  const bool exists = index < pages_of(size_);
  if (is_new) {
    if (!exists || index >= pages_of(size_on_disk_)) return;
    on_disk = std::make_unique<Page>();
    std::memcpy(on_disk->data(), page(index), kPageBytes);
    return;
  }
  given_up = false;
  constexpr std::uint32_t kWriteBackOneIn = 8;
  if (random != nullptr && exists && random->below(kWriteBackOneIn) == 0) {
    if (on_disk == nullptr) on_disk = std::make_unique<Page>();
    std::memcpy(on_disk->data(), page(index), kPageBytes);
  }
}

void FileContent::sync() {
  std::erase_if(unsynced_, [](const auto& entry) { return !entry.second.given_up; });
  size_on_disk_ = size_smallest_ = size_;
  for (const auto& [first_page, pages] : mapped_) {
    for (auto index = first_page; index < first_page + pages; ++index) will_change(index, nullptr);
  }
}

void FileContent::fail_sync(Random& random) {
  for (auto& [index, unsynced] : unsynced_) unsynced.given_up |= random.below(2) == 0;
}

void FileContent::cut_power(Loss loss, Random& random) {
  const auto between = size_smallest_ + (size_ - size_smallest_) * random.below(9) / 8 / kPageBytes * kPageBytes;
  const std::uint64_t sizes[] = {size_, size_on_disk_, size_smallest_, between};
  const auto size = loss == Loss::none ? size_ : loss == Loss::all ? size_on_disk_ : sizes[random.below(4)];
  const auto written = pages_of(size_);
  mapped_.clear();
  if (size > size_) set_size(size);
  for (const auto& [index, unsynced] : unsynced_) {
    if (index >= pages_of(size_)) continue;
    lose_page(index, unsynced, index >= written ? Loss::all : loss, random);
  }
  if (size < size_) set_size(size);
  // Bytes behind the end in the last page are not part of the file.
  if (size_ % kPageBytes != 0) std::memset(bytes() + size_, 0, kPageBytes - size_ % kPageBytes);
  unsynced_.clear();
  size_on_disk_ = size_smallest_ = size_;
}

void FileContent::lose_page(std::uint64_t index, const Unsynced& unsynced, Loss loss, Random& random) {
  constexpr std::size_t kSectors = kPageBytes / kSectorBytes;
  std::size_t kept = 0;  // Sectors that reached the disk, from the first on.
  if (!unsynced.given_up && loss == Loss::none) kept = kSectors;
  if (!unsynced.given_up && loss == Loss::mixed) {
    constexpr std::size_t kAnswers = 3;
    const std::size_t answers[kAnswers] = {0, kSectors, 1 + random.below(kSectors - 1)};
    kept = answers[random.below(kAnswers)];
  }
  const auto kept_bytes = kept * kSectorBytes;
  if (unsynced.on_disk == nullptr) {
    std::memset(page(index) + kept_bytes, 0, kPageBytes - kept_bytes);
  } else {
    std::memcpy(page(index) + kept_bytes, unsynced.on_disk->data() + kept_bytes, kPageBytes - kept_bytes);
  }
}

std::byte* FileContent::map(std::uint64_t first_page, std::size_t pages) {
  if (shared_ == nullptr) {
    if (size_ > kSharedBytes) return nullptr;
    void* memory =
        mmap(nullptr, kSharedBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    shared_ = static_cast<std::byte*>(memory);
    if (!heap_.empty()) std::memcpy(shared_, heap_.data(), heap_.size());
    heap_ = {};
  }
  // With an old size of zero it makes another mapping of the same shared pages (mremap(2)).
  void* view = mremap(page(first_page), 0, pages * kPageBytes, MREMAP_MAYMOVE);
  if (view == MAP_FAILED) return nullptr;
  const Mapped range{first_page, pages};
  if (std::find(mapped_.begin(), mapped_.end(), range) == mapped_.end()) mapped_.push_back(range);
  for (auto index = first_page; index < first_page + pages; ++index) will_change(index, nullptr);
  return static_cast<std::byte*>(view);
}

void FileContent::unmap(std::byte* view, std::size_t pages) { munmap(view, pages * kPageBytes); }

void FileContent::make_private(std::byte* view, std::size_t pages) {
  const std::vector<std::byte> copy(view, view + pages * kPageBytes);
  void* memory = mmap(view, copy.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (memory != MAP_FAILED) std::memcpy(memory, copy.data(), copy.size());
}

}  // namespace tidelock::world

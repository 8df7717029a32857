#include "tidelock/world/file_content.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace tidelock::world {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 30;

Bytes filled(std::size_t size, int value) { return Bytes(size, static_cast<std::byte>(value)); }

Bytes all_of(const FileContent& file) {
  Bytes bytes(file.size());
  file.read(0, bytes);
  return bytes;
}

TEST(FileContent, WhatIsSyncedSurvivesWhateverIsLost) {
  for (const auto loss : {Loss::all, Loss::none, Loss::mixed}) {
    Random random(1);
    Space space{kPlenty};
    FileContent file(space);
    file.write(0, filled(10'000, 1), random);
    file.write(4'000, filled(200, 2), random);
    file.sync();
    const auto before = all_of(file);
    file.cut_power(loss, random);
    EXPECT_EQ(all_of(file), before);
  }
}

// Every sector that is found after the cut was there at some moment since the last sync; sizes likewise.
TEST(FileContent, APowerCutLeavesOnlySectorsThatOnceWere) {
  int differing = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Space space{kPlenty};
    FileContent file(space);
    const auto padded = [&] {
      auto bytes = all_of(file);
      bytes.resize(16 * kPageBytes);
      return bytes;
    };
    std::vector<Bytes> versions{padded()};
    std::set<std::uint64_t> sizes{0};
    std::uint64_t size_max = 0;
    for (int step = 0; step < 30; ++step) {
      const auto offset = random.below(8 * kPageBytes);
      const auto choice = random.below(8);
      if (choice == 0) {
        file.sync();
        versions.clear();
        size_max = 0;
      } else if (choice == 1) {
        EXPECT_TRUE(file.resize(offset, random));
      } else {
        const auto data = filled(random.below(3 * kPageBytes), static_cast<int>(random.below(256)));
        EXPECT_EQ(file.write(offset, data, random), data.size());
      }
      versions.push_back(padded());
      size_max = std::max(size_max, file.size());
    }
    const auto before = all_of(file);
    file.cut_power(Loss::mixed, random);
    differing += all_of(file) != before ? 1 : 0;
    EXPECT_LE(file.size(), size_max) << "seed " << seed;
    const auto after = padded();
    for (std::size_t at = 0; at < file.size(); at += kSectorBytes) {
      const auto end = std::min<std::size_t>(at + kSectorBytes, file.size());
      const bool known = std::any_of(versions.begin(), versions.end(), [&](const Bytes& version) {
        return std::equal(after.begin() + static_cast<long>(at), after.begin() + static_cast<long>(end),
                          version.begin() + static_cast<long>(at));
      });
      // A sector of a page that never reached the disk is zeros.
      const bool zeros = std::all_of(after.begin() + static_cast<long>(at), after.begin() + static_cast<long>(end),
                                     [](std::byte byte) { return byte == std::byte{0}; });
      EXPECT_TRUE(known || zeros) << "seed " << seed << ", byte " << at;
    }
    EXPECT_EQ(space.used_bytes, (file.size() + kPageBytes - 1) / kPageBytes * kPageBytes);
  }
  EXPECT_GT(differing, 100);
}

TEST(FileContent, AnUnsyncedPageIsKeptLostOrTornAtASector) {
  std::set<std::size_t> sectors_kept;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Space space{kPlenty};
    FileContent file(space);
    file.write(0, filled(kPageBytes, 1), random);
    file.sync();
    file.write(0, filled(kPageBytes, 2), random);
    file.cut_power(Loss::mixed, random);
    const auto after = all_of(file);
    ASSERT_EQ(after.size(), kPageBytes);
    const auto kept = static_cast<std::size_t>(std::count(after.begin(), after.end(), std::byte{2}));
    EXPECT_EQ(kept % kSectorBytes, 0U);
    EXPECT_TRUE(std::is_sorted(after.rbegin(), after.rend()));
    sectors_kept.insert(kept / kSectorBytes);
  }
  EXPECT_EQ(sectors_kept.size(), kPageBytes / kSectorBytes + 1);
}

TEST(FileContent, AnEarlierVersionOfAPageMayBeWhatReachedTheDisk) {
  std::set<int> found;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Space space{kPlenty};
    FileContent file(space);
    for (int version = 1; version <= 3; ++version) {
      file.write(0, filled(kPageBytes, version), random);
      if (version == 1) file.sync();
    }
    file.cut_power(Loss::all, random);
    found.insert(std::to_integer<int>(all_of(file)[0]));
  }
  EXPECT_EQ(found, (std::set<int>{1, 2}));
}

TEST(FileContent, AFailedSyncGivesPagesUpUntilTheyAreWrittenAgain) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    Space space{kPlenty};
    FileContent file(space);
    file.write(0, filled(kPageBytes, 1), random);
    file.sync();
    file.write(0, filled(kPageBytes, 2), random);
    file.fail_sync(random);
    file.sync();  // Succeeds, and is not to be trusted.
    if (seed % 2 == 0) {
      file.write(0, filled(kPageBytes, 3), random);
      file.sync();
    }
    file.cut_power(Loss::none, random);
    const auto found = std::to_integer<int>(all_of(file)[0]);
    if (seed % 2 == 0) {
      EXPECT_EQ(found, 3);
    } else {
      lost += found == 1 ? 1 : 0;
    }
  }
  EXPECT_GT(lost, 10);
  EXPECT_LT(lost, 40);
}

TEST(FileContent, ViewsShowEachOthersWritesAndTheFile) {
  Random random(1);
  Space space{kPlenty};
  FileContent file(space);
  file.write(0, filled(3 * kPageBytes, 1), random);
  auto* const one = file.map(0, 3);
  auto* const other = file.map(1, 1);
  one[kPageBytes] = std::byte{2};
  EXPECT_EQ(other[0], std::byte{2});
  file.write(kPageBytes, filled(1, 3), random);
  EXPECT_EQ(one[kPageBytes], std::byte{3});
  FileContent::make_private(other, 1);
  other[0] = std::byte{4};
  EXPECT_EQ(one[kPageBytes], std::byte{3});
  EXPECT_EQ(all_of(file)[kPageBytes], std::byte{3});
  FileContent::unmap(one, 3);
  FileContent::unmap(other, 1);
}

TEST(FileContent, WhatWasWrittenThroughAViewAfterTheLastSyncIsLost) {
  Random random(1);
  Space space{kPlenty};
  FileContent file(space);
  file.write(0, filled(kPageBytes, 1), random);
  auto* const view = file.map(0, 1);
  view[0] = std::byte{2};
  file.sync();
  view[0] = std::byte{3};
  file.cut_power(Loss::all, random);
  EXPECT_EQ(all_of(file)[0], std::byte{2});
  FileContent::unmap(view, 1);
}

TEST(FileContent, AFullDiskTakesWholePagesThatFit) {
  Random random(1);
  Space space{3 * kPageBytes};
  FileContent file(space);
  EXPECT_EQ(file.write(100, filled(5 * kPageBytes, 1), random), 3 * kPageBytes - 100);
  EXPECT_EQ(file.size(), 3 * kPageBytes);
  EXPECT_EQ(file.write(0, filled(kPageBytes, 2), random), kPageBytes);
  EXPECT_EQ(file.write(3 * kPageBytes, filled(1, 2), random), 0U);
  EXPECT_FALSE(file.resize(3 * kPageBytes + 1, random));
  EXPECT_TRUE(file.resize(1, random));
  EXPECT_EQ(space.used_bytes, kPageBytes);
}

}  // namespace
}  // namespace tidelock::world

#include "tidelock/world/range_locks.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "tidelock/world/random.h"

namespace tidelock::world {
namespace {

using base::LockKind;

const char kAnn = 'a';
const char kBob = 'b';

TEST(RangeLocks, SharedLocksOverlapAndAnExclusiveOneExcludesOthers) {
  RangeLocks locks;
  EXPECT_TRUE(locks.try_lock(&kAnn, LockKind::shared, {0, 10}));
  EXPECT_TRUE(locks.try_lock(&kBob, LockKind::shared, {5, 10}));
  EXPECT_FALSE(locks.try_lock(&kAnn, LockKind::exclusive, {0, 6}));
  EXPECT_TRUE(locks.try_lock(&kAnn, LockKind::exclusive, {0, 5}));
  EXPECT_FALSE(locks.try_lock(&kBob, LockKind::shared, {4, 1}));
}

TEST(RangeLocks, AFailedConversionLeavesTheOldLock) {
  RangeLocks locks;
  EXPECT_TRUE(locks.try_lock(&kAnn, LockKind::shared, {0, 1}));
  EXPECT_TRUE(locks.try_lock(&kBob, LockKind::shared, {0, 1}));
  EXPECT_FALSE(locks.try_lock(&kAnn, LockKind::exclusive, {0, 1}));
  locks.unlock_all(&kBob);
  EXPECT_FALSE(locks.try_lock(&kBob, LockKind::exclusive, {0, 1}));  // Ann still shares it.
  EXPECT_TRUE(locks.try_lock(&kAnn, LockKind::exclusive, {0, 1}));
}

TEST(RangeLocks, AnUnlockInTheMiddleLeavesBothSides) {
  RangeLocks locks;
  EXPECT_TRUE(locks.try_lock(&kAnn, LockKind::exclusive, {0, 0}));
  locks.unlock(&kAnn, {10, 10});
  EXPECT_TRUE(locks.try_lock(&kBob, LockKind::exclusive, {10, 10}));
  EXPECT_FALSE(locks.try_lock(&kBob, LockKind::shared, {9, 1}));
  EXPECT_FALSE(locks.try_lock(&kBob, LockKind::shared, {20, 0}));
  EXPECT_FALSE(locks.try_lock(&kBob, LockKind::shared, {UINT64_MAX - 1, 0}));
}

// Against the plainest model: what each owner holds of each byte.
TEST(RangeLocks, AgreesWithALockOnEachByte) {
  constexpr std::size_t kBytes = 24;  // The last stands for all that follow.
  constexpr std::size_t kOwners = 3;
  Random random(1);
  RangeLocks locks;
  std::array<std::array<std::optional<LockKind>, kBytes>, kOwners> model{};
  for (int step = 0; step < 100'000; ++step) {
    const auto me = random.below(kOwners);
    const auto offset = random.below(kBytes);
    const auto length = random.below(kBytes - offset);
    const auto end = length == 0 ? kBytes : offset + length;
    const auto set = [&](std::optional<LockKind> kind) {
      for (auto byte = offset; byte < end; ++byte) model[me][byte] = kind;
    };
    if (random.below(3) == 0) {
      locks.unlock(&model[me], {offset, length});
      set(std::nullopt);
      continue;
    }
    const auto kind = random.below(2) == 0 ? LockKind::shared : LockKind::exclusive;
    bool free = true;
    for (std::size_t owner = 0; owner < kOwners; ++owner) {
      for (auto byte = offset; owner != me && byte < end; ++byte) {
        const auto held = model[owner][byte];
        if (held && (kind == LockKind::exclusive || *held == LockKind::exclusive)) free = false;
      }
    }
    ASSERT_EQ(locks.try_lock(&model[me], kind, {offset, length}), free) << "step " << step;
    if (free) set(kind);
  }
}

}  // namespace
}  // namespace tidelock::world

#include "tidelock/lock/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr auto kNoon = base::WallTime(std::chrono::sys_days(std::chrono::year(2024) / 11 / 22) + 12h);

// Builds snapshots: holds("a", "x"), waits("b", "x").
class Picture {
 public:
  Picture& holds(std::string owner, std::string key, std::uint32_t permits = 1) {
    last_ = &state(key);
    last_->holders.push_back(claim(owner, key, permits));
    waits_last_ = false;
    return *this;
  }
  Picture& waits(std::string owner, std::string key, std::uint32_t permits = 1) {
    last_ = &state(key);
    last_->waiters.push_back(claim(owner, key, permits));
    waits_last_ = true;
    return *this;
  }
  // The claim that was added last.
  Picture& expired() {
    (waits_last_ ? last_->waiters : last_->holders).back().expires_in = 0s;
    return *this;
  }
  std::optional<Deadlock> find() const { return Graph(states_).find_deadlock(); }
  std::string text() const {
    const auto deadlock = find();
    return deadlock ? deadlock->text : "none";
  }
  const std::vector<KeyState>& states() const { return states_; }

 private:
  KeyState& state(const std::string& key) {
    for (auto& state : states_) {
      if (state.key == key) return state;
    }
    return states_.emplace_back(KeyState{.key = key, .holders = {}, .waiters = {}});
  }
  ClaimState claim(const std::string& owner, const std::string& key, std::uint32_t permits) {
    ClaimState claim;
    claim.key = key;
    claim.owner = owner;
    claim.id.bytes[15] = static_cast<std::uint8_t>(++count_);
    claim.since = kNoon + std::chrono::seconds(count_);
    claim.expires_in = 10s;
    claim.permits = permits;
    return claim;
  }

  std::vector<KeyState> states_;
  KeyState* last_ = nullptr;  // Valid until another key is added.
  bool waits_last_ = false;
  int count_ = 0;
};

TEST(Graph, WaitingIsNoDeadlock) {
  EXPECT_FALSE(Graph({}).find_deadlock());
  EXPECT_FALSE(Picture().holds("a", "x").waits("b", "x").waits("c", "x").find());
  EXPECT_FALSE(Picture().holds("a", "x").holds("b", "y").waits("a", "y").waits("c", "x").find());
}

TEST(Graph, TwoThatWaitForEachOther) {
  const auto deadlock = Picture().holds("A", "x").holds("B", "y").waits("A", "y").waits("B", "x").find();
  ASSERT_TRUE(deadlock);
  EXPECT_EQ(deadlock->text, "A holds x, waits for y since 12:00:03; B holds y, waits for x since 12:00:04");
  EXPECT_EQ(deadlock->victim.bytes[15], 4);
  EXPECT_EQ(deadlock->owners, (std::vector<std::string>{"A", "B"}));
}

TEST(Graph, TheYoungestOfTheCycleIsTheVictimNotTheYoungestOfAll) {
  const auto deadlock =
      Picture().holds("A", "x").holds("B", "y").waits("B", "x").waits("A", "y").waits("C", "x").find();
  ASSERT_TRUE(deadlock);
  EXPECT_EQ(deadlock->victim.bytes[15], 4);
}

TEST(Graph, ALongCycle) {
  Picture picture;
  const std::string names = "ABCDEF";
  for (std::size_t i = 0; i < names.size(); ++i) picture.holds(names.substr(i, 1), "key " + names.substr(i, 1));
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_FALSE(picture.find());
    picture.waits(names.substr(i, 1), "key " + names.substr((i + 1) % names.size(), 1));
  }
  const auto deadlock = picture.find();
  ASSERT_TRUE(deadlock);
  EXPECT_EQ(deadlock->owners.size(), 6u);
}

TEST(Graph, OneThatWaitsForItself) {
  EXPECT_EQ(Picture().holds("A", "x").waits("A", "x").text(), "A holds x, waits for x since 12:00:02");
}

TEST(Graph, AnyHolderOfASemaphoreMayFreeItsWaiter) {
  // B waits for A, who waits for B or C; C is free.
  EXPECT_FALSE(
      Picture().holds("B", "s", 2).holds("C", "s", 2).holds("A", "x").waits("A", "s", 2).waits("B", "x").find());
  // Now C waits for A as well.
  const auto deadlock = Picture()
                            .holds("B", "s", 2)
                            .holds("C", "s", 2)
                            .holds("A", "x")
                            .waits("A", "s", 2)
                            .waits("B", "x")
                            .waits("C", "x")
                            .find();
  ASSERT_TRUE(deadlock);
  EXPECT_EQ(deadlock->text, "A holds x, waits for s since 12:00:04; B holds s, waits for x since 12:00:05");
}

TEST(Graph, AnEarlierWaiterBlocksTheLaterOnes) {
  // Once A ends, B goes on and then C.
  EXPECT_FALSE(Picture().holds("A", "x").waits("B", "x").waits("C", "x").holds("C", "y").find());
  // But not when B waits for what C holds as well: B stands before C in the line for x.
  EXPECT_EQ(Picture().holds("A", "x").waits("B", "x").waits("C", "x").holds("C", "y").waits("B", "y").text(),
            "B waits for y since 12:00:05; C holds y, waits for x since 12:00:03 behind B");
  // Nor does a free permit help, while those before it cannot use it and cannot leave.
  EXPECT_EQ(Picture()
                .holds("A", "s", 2)
                .holds("C", "y")
                .waits("B", "s", 2)
                .waits("C", "s", 2)
                .waits("A", "y")
                .waits("B", "y")
                .text(),
            "A holds s, waits for y since 12:00:05; C holds y, waits for s since 12:00:04");
}

TEST(Graph, AnOwnerWaitsForThoseBelowIt) {
  // A process that holds x runs a child that waits for x.
  EXPECT_EQ(Picture().holds("a/1", "x").waits("a/1/2", "x").text(),
            "a/1 holds x, waits for the end of a/1/2; a/1/2 waits for x since 12:00:02");
  // Its child's sibling is another matter.
  EXPECT_FALSE(Picture().holds("a/1/2", "x").waits("a/1/3", "x").find());
  EXPECT_FALSE(Picture().holds("a/1", "x").waits("a/1.2", "x").find());
}

TEST(Graph, ExpiredClaimsBlockNobody) {
  EXPECT_FALSE(Picture().holds("A", "x").expired().waits("A", "x").find());
  EXPECT_FALSE(Picture().holds("A", "x").holds("B", "y").waits("A", "y").waits("B", "x").expired().find());
}

// What a deadlock is, said another way: play it out. Whoever waits for nothing ends; whoever is first in line for a
// free permit gets it. Whatever order is tried, the same claims are left at the end.
bool someone_never_ends(std::vector<KeyState> states, std::mt19937_64& random) {
  for (;;) {
    std::vector<std::function<void()>> moves;
    for (auto& state : states) {
      if (!state.waiters.empty() && state.holders.size() < state.waiters.front().permits) {
        moves.emplace_back([&] {
          state.holders.push_back(state.waiters.front());
          state.waiters.erase(state.waiters.begin());
        });
      }
      for (const auto& holder : state.holders) {
        const bool waits = std::any_of(states.begin(), states.end(), [&](const auto& other) {
          return std::any_of(other.waiters.begin(), other.waiters.end(),
                             [&](const auto& waiter) { return waiter.owner == holder.owner; });
        });
        if (waits) continue;
        moves.emplace_back(
            [&, id = holder.id] { std::erase_if(state.holders, [&](const auto& claim) { return claim.id == id; }); });
      }
    }
    if (moves.empty()) break;
    moves[random() % moves.size()]();
  }
  return std::any_of(states.begin(), states.end(), [](const auto& state) { return !state.waiters.empty(); });
}

TEST(Graph, FindsADeadlockExactlyWhenPlayingItOutEndsWithSomebodyWaiting) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    std::mt19937_64 random(seed);
    Picture picture;
    for (const std::string key : {"w", "x", "y", "z"}) {
      const auto permits = static_cast<std::uint32_t>(1 + random() % 2);
      const auto holders = random() % (permits + 1);
      for (std::size_t i = 0; i < holders; ++i) picture.holds(std::string(1, "ABCDE"[random() % 5]), key, permits);
      for (auto i = random() % 3; i > 0; --i) picture.waits(std::string(1, "ABCDE"[random() % 5]), key, permits);
    }
    const auto deadlock = picture.find();
    ASSERT_EQ(deadlock.has_value(), someone_never_ends(picture.states(), random)) << "seed " << seed;
    found += deadlock.has_value();
  }
  EXPECT_GT(found, 1000);
}

}  // namespace
}  // namespace tidelock::lock

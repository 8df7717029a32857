// The same seed twice is the same run, on a workload that uses everything: processes that exchange messages and files
// while they are killed, paused, cut off and lose their power.
#include <chrono>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/world/testing.h"

namespace tidelock::world {
namespace {

using base::LockKind;
using base::OpenMode;
using base::Runtime;
using namespace std::chrono_literals;

constexpr int kNodes = 3;

std::string node_name(int index) { return "node" + std::to_string(index); }

// Appends each number it hears of to its journal, and passes it on to a node of its choice.
void serve(World& world, Process& self, int index) {
  auto& files = self.files();
  const auto link = world.network().open(self, node_name(index));
  const auto arrived = self.make_signal("arrived");
  std::vector<std::string> inbox;
  auto writer = self.spawn("writer", [&](const std::stop_token& stop) {
    const auto journal = files.open("/journal", OpenMode::create);
    while (!stop.stop_requested()) {
      const auto seen = arrived->count();
      if (inbox.empty()) {
        arrived->wait(seen, self.in(50ms), stop);
        continue;
      }
      const auto text = inbox.back() + "\n";
      inbox.pop_back();
      try {
        journal->write_at(journal->size(), std::as_bytes(std::span(text)));
        if (world.chance(0.25)) continue;
        journal->sync();
      } catch (const Error&) {
        self.sleep_for(10ms);
      }
    }
  });
  for (;;) {
    const auto message = link->receive(self.in(1s));
    if (!message) continue;
    inbox.push_back(message->bytes);
    arrived->notify_all();
    if (self.random() % 8 != 0) link->send(node_name(static_cast<int>(self.random() % kNodes)), message->bytes);
  }
}

struct Outcome {
  std::uint64_t hash;
  base::Duration elapsed;
  std::string journals;
  bool operator==(const Outcome&) const = default;
};

Outcome run(std::uint64_t seed) {
  World world(seed);
  world.network().options() = {.slow_rate = 0.05, .loss_rate = 0.02, .duplicate_rate = 0.05};
  Outcome outcome{};
  const auto machine_of = [&](int index) -> Machine& { return world.machine("host" + std::to_string(index % 2)); };
  world.run([&](Runtime& runtime) {
    for (int i = 0; i < kNodes; ++i) {
      auto& options = machine_of(i).disk().options();
      options.write_error_rate = 0.02;
      options.sync_error_rate = 0.02;
      world.process(machine_of(i), node_name(i)).start([&world, i](Process& self) { serve(world, self, i); });
    }
    const auto link = world.network().open(world.process(), "client");
    auto& random = world.random();
    for (int round = 0; round < 60; ++round) {
      runtime.sleep_for(random.between({0ms, 20ms}));
      link->send(node_name(static_cast<int>(random.below(kNodes))), std::to_string(round));
      const int victim = static_cast<int>(random.below(kNodes));
      auto& process = world.process(machine_of(victim), node_name(victim));
      switch (random.below(12)) {
        case 0:
          process.crash();
          break;
        case 1:
          process.pause();
          break;
        case 2:
          process.resume();
          break;
        case 3:
          process.machine().power_cut();
          break;
        case 4:
          world.network().cut(node_name(victim), node_name(0));
          break;
        case 5:
          world.network().heal_all();
          break;
        case 6:
          process.machine().set_clock_drift(static_cast<std::int64_t>(random.below(1'000)));
          break;
        default:
          break;
      }
      for (int i = 0; i < kNodes; ++i) {
        if (auto& node = world.process(machine_of(i), node_name(i)); node.crashed()) node.restart();
      }
    }
    for (int i = 0; i < kNodes; ++i) {
      auto& node = world.process(machine_of(i), node_name(i));
      node.crash();
      node.wait_for_end();
    }
    for (int i = 0; i < 2; ++i) {
      auto& reader = world.process(machine_of(i), "reader");
      if (reader.files().info("/journal")) outcome.journals += reader.files().read("/journal") + "--\n";
    }
  });
  outcome.hash = world.trace_hash();
  outcome.elapsed = world.elapsed();
  return outcome;
}

TEST(Determinism, TheSameSeedTwiceIsTheSameRunAndAnotherSeedIsAnother) {
  std::set<std::uint64_t> hashes;
  std::size_t journaled = 0;
  const auto seeds = for_seeds(30, [&](std::uint64_t seed) {
    const auto first = run(seed);
    const auto again = run(seed);
    EXPECT_TRUE(first == again) << first.hash << " and " << again.hash;
    journaled += first.journals.size();
    hashes.insert(first.hash);
  });
  EXPECT_EQ(hashes.size(), seeds);
  EXPECT_TRUE(journaled > 0 || seeds == 1);
}

TEST(Determinism, WhateverAProcessTellsTheWorldChangesTheTrace) {
  using Act = std::function<void(World&, base::Files&, const std::string&)>;
  const auto hash = [](const Act& act, const std::string& detail) {
    World world(1);
    world.run([&] {
      auto& files = world.files();
      files.open("/a", OpenMode::create);
      files.open("/b", OpenMode::create);
      act(world, files, detail);
    });
    return world.trace_hash();
  };
  const auto bytes = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  const std::vector<std::pair<std::string, Act>> acts = {
      {"look at", [](auto&, auto& files, auto& x) { files.info("/" + x); }},
      {"open", [](auto&, auto& files, auto& x) { files.open("/" + x, OpenMode::read); }},
      {"remove", [](auto&, auto& files, auto& x) { files.remove("/" + x); }},
      {"rename from", [](auto&, auto& files, auto& x) { files.rename("/" + x, "/c"); }},
      {"rename to", [](auto&, auto& files, auto& x) { files.rename("/a", "/new " + x); }},
      {"make folder", [](auto&, auto& files, auto& x) { files.create_folders("/new " + x); }},
      {"make symlink", [](auto&, auto& files, auto& x) { files.create_symlink("a", "/new " + x); }},
      {"target of a symlink", [](auto&, auto& files, auto& x) { files.create_symlink(x, "/c"); }},
      {"change mode of", [](auto&, auto& files, auto& x) { files.set_mode("/" + x, 0444); }},
      {"mode", [](auto&, auto& files, auto& x) { files.set_mode("/a", x == "a" ? 0444 : 0400); }},
      {"write", [&](auto&, auto& files, auto& x) { files.open("/a", OpenMode::read_write)->write_at(0, bytes(x)); }},
      {"lock", [](auto&, auto& files, auto& x) { files.open("/" + x, OpenMode::read)->try_lock(LockKind::shared); }},
      {"kind of lock",
       [](auto&, auto& files, auto& x) {
         files.open("/a", OpenMode::read_write)->try_lock(x == "a" ? LockKind::shared : LockKind::exclusive);
       }},
      {"send from", [](auto& world, auto&, auto& x) { world.network().open(world.process(), x)->send("c", "text"); }},
      {"send to", [](auto& world, auto&, auto& x) { world.network().open(world.process(), "c")->send(x, "text"); }},
      {"message", [](auto& world, auto&, auto& x) { world.network().open(world.process(), "c")->send("c", x); }},
      {"power cut", [](auto& world, auto&, auto& x) { world.machine(x).power_cut(); }},
      {"crash", [](auto& world, auto&, auto& x) { world.process(x).crash(); }},
  };
  for (const auto& [name, act] : acts) {
    EXPECT_EQ(hash(act, "a"), hash(act, "a")) << name;
    EXPECT_NE(hash(act, "a"), hash(act, "b")) << name;
  }
}

TEST(Determinism, AValueThatDiffersChangesTheTrace) {
  const auto hash = [](std::uint64_t value) {
    World world(1);
    world.run([&] { world.trace(value); });
    return world.trace_hash();
  };
  EXPECT_EQ(hash(1), hash(1));
  EXPECT_NE(hash(1), hash(2));
}

}  // namespace
}  // namespace tidelock::world

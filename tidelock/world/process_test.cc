#include "tidelock/world/process.h"

#include <chrono>
#include <string>

#include "tidelock/base/context.h"
#include "tidelock/world/testing.h"

namespace tidelock::world {
namespace {

using base::Deadline;
using base::OpenMode;
using base::Runtime;
using base::Task;
using namespace std::chrono_literals;

TEST(Process, IsCutOffFromItsFilesBeforeItsDestructorsRun) {
  for_seeds(50, [](World& world) {
    struct Polite {
      base::Files& files;
      bool& refused;
      ~Polite() {
        try {
          files.remove("/locked");
        } catch (...) {
          refused = true;
        }
      }
    };
    bool refused = false;
    auto& holder = world.process("holder");
    world.run([&](Runtime& runtime) {
      holder.start([&](Process& process) {
        const auto file = process.files().open("/locked", OpenMode::create);
        const Polite polite{process.files(), refused};
        process.sleep_for(1h);
        ADD_FAILURE() << "it was killed";
      });
      runtime.sleep_for(1s);
      holder.crash();
      EXPECT_TRUE(holder.crashed());
      EXPECT_TRUE(world.files().info("/locked"));
      holder.wait_for_end();
      EXPECT_TRUE(refused);
      EXPECT_TRUE(world.files().info("/locked"));
    });
  });
}

WORLD_TEST(Process, ACrashDropsItsFileLocksAtOnce) {
  auto& holder = world.process("holder");
  holder.start([](Process& process) {
    const auto file = process.files().open("/x", OpenMode::create);
    EXPECT_TRUE(file->try_lock(base::LockKind::exclusive));
    process.sleep_for(1h);
  });
  runtime.sleep_for(1s);
  const auto mine = files.open("/x", OpenMode::read_write);
  EXPECT_FALSE(mine->try_lock(base::LockKind::exclusive));
  holder.pause();
  EXPECT_FALSE(mine->try_lock(base::LockKind::exclusive));
  holder.crash();
  EXPECT_TRUE(mine->try_lock(base::LockKind::exclusive));
}

WORLD_TEST(Process, WhatItWritesToSharedMemoryWhileItUnwindsReachesNobody) {
  struct Wipe {
    std::span<std::byte> memory;
    ~Wipe() { memory[0] = std::byte{0}; }
  };
  auto& writer = world.process("writer");
  writer.start([](Process& process) {
    const auto file = process.files().open("/shared", OpenMode::create);
    const Wipe wipe{file->map(0, 4096)};
    wipe.memory[0] = std::byte{42};
    process.sleep_for(1h);
  });
  runtime.sleep_for(1s);
  const auto file = files.open("/shared", OpenMode::read_write);
  const auto memory = file->map(0, 4096);
  EXPECT_EQ(memory[0], std::byte{42});
  writer.crash();
  writer.wait_for_end();
  EXPECT_EQ(memory[0], std::byte{42});
}

WORLD_TEST(Process, WhatItWroteOutlivesItButNotItsOpenFiles) {
  auto& writer = world.process("writer");
  std::unique_ptr<base::File> file;
  writer.start([&](Process& process) {
    file = process.files().open("/x", OpenMode::create);
    file->write_at(0, std::as_bytes(std::span(std::string_view("written"))));
  });
  writer.wait_for_end();
  writer.crash();
  EXPECT_EQ(files.read("/x"), "written");
  EXPECT_THROW(file->size(), Crashed);
  EXPECT_THROW(writer.files().read("/x"), Crashed);
  writer.restart();
  EXPECT_THROW(file->size(), Crashed);
  EXPECT_EQ(writer.files().read("/x"), "written");
}

WORLD_TEST(Process, ItsTasksUnwindInnermostFirstThoughTheyWaitForEachOther) {
  std::string ended;
  struct AtEnd {
    std::string& ended;
    char letter;
    ~AtEnd() { ended += letter; }
  };
  auto& process = world.process("family");
  process.start([&](Process& runs) {
    const AtEnd outer{ended, 'a'};
    auto child = runs.spawn("child", [&](const std::stop_token&) {
      const AtEnd inner{ended, 'b'};
      auto grandchild = runs.spawn("grandchild", [&](const std::stop_token&) {
        const AtEnd innermost{ended, 'c'};
        runs.make_signal("never")->wait(0, Deadline::never());
      });
      runs.sleep_for(1h);
    });
    child.join();
  });
  runtime.sleep_for(1s);
  process.crash();
  process.wait_for_end();
  EXPECT_EQ(ended, "cba");
}

WORLD_TEST(Process, ALoopThatCatchesEverythingIsStoppedByItsNextWaits) {
  auto& stubborn = world.process("stubborn");
  int caught = 0;
  stubborn.start([&](Process& process) {
    while (caught < 3) {
      try {
        process.sleep_for(1h);
      } catch (...) {
        ++caught;
      }
    }
    process.yield();
    ADD_FAILURE() << "it was killed";
  });
  runtime.sleep_for(1s);
  stubborn.crash();
  stubborn.wait_for_end();
  EXPECT_EQ(caught, 3);
  EXPECT_EQ(world.elapsed(), 1s);
}

WORLD_TEST(Process, MayCrashItself) {
  auto& process = world.process("suicidal");
  process.start([](Process& self) {
    self.crash();
    ADD_FAILURE() << "it was killed";
  });
  process.wait_for_end();
  EXPECT_TRUE(process.crashed());
}

WORLD_TEST(Process, ATaskOfAnotherProcessIsJoinedWithoutAnErrorWhenItWasKilled) {
  auto& other = world.process("other");
  auto task = other.spawn("task", [&](const std::stop_token&) { other.sleep_for(1h); });
  runtime.sleep_for(1s);
  other.crash();
  EXPECT_NO_THROW(task.join());
}

WORLD_TEST(Process, CannotSpawnOnceItWasKilled) {
  auto& other = world.process("other");
  other.crash();
  EXPECT_THROW((void)other.spawn("late", [](const std::stop_token&) {}), Crashed);
}

WORLD_TEST(Process, ARestartIsAnotherPidAndOwnerOfTheSameMain) {
  std::vector<base::Identity> identities;
  auto& process = world.process("server");
  process.start([&](Process& self) {
    identities.push_back(self.identity());
    EXPECT_EQ(self.current_task(), 0U);
    self.sleep_for(1s);
  });
  EXPECT_THROW_CODE(process.start([](Process&) {}), Code::misuse);
  runtime.sleep_for(1ms);
  process.restart();
  process.wait_for_end();
  ASSERT_EQ(identities.size(), 2U);
  EXPECT_NE(identities[0].owner, identities[1].owner);
  EXPECT_NE(identities[0].pid, identities[1].pid);
  EXPECT_EQ(identities[0].host, "machine");
  EXPECT_EQ(identities[0].boot_id, identities[1].boot_id);
  EXPECT_EQ(identities[0].owner.size(), 36U);
}

WORLD_TEST(Process, AKilledTaskKeepsItsOldIdentityWhileItUnwinds) {
  struct AtEnd {
    Process& process;
    std::string& owner;
    ~AtEnd() { owner = process.identity().owner; }
  };
  auto& process = world.process("server");
  std::string before;
  std::string at_end;
  process.start([&](Process& self) {
    if (!before.empty()) return;
    before = self.identity().owner;
    const AtEnd look{self, at_end};
    self.sleep_for(1h);
  });
  runtime.sleep_for(1s);
  process.crash();
  process.restart();
  process.wait_for_end();
  EXPECT_EQ(at_end, before);
  EXPECT_NE(process.identity().owner, before);
}

WORLD_TEST(Process, APausedProcessDoesNotRunWhileTimeGoesOn) {
  auto& process = world.process("paused");
  base::Instant woke;
  const auto start = runtime.now();
  process.start([&](Process& self) {
    self.sleep_for(1s);
    woke = self.now();
  });
  runtime.sleep_for(500ms);
  process.pause();
  runtime.sleep_for(10s);
  EXPECT_EQ(woke, base::Instant());
  process.resume();
  process.wait_for_end();
  EXPECT_EQ(woke - start, 10500ms);
}

WORLD_TEST(Process, MayPauseItself) {
  auto& process = world.process("paused");
  int stage = 0;
  process.start([&](Process& self) {
    stage = 1;
    self.pause();
    stage = 2;
  });
  runtime.sleep_for(1s);
  EXPECT_EQ(stage, 1);
  process.resume();
  process.wait_for_end();
  EXPECT_EQ(stage, 2);
}

WORLD_TEST(Process, APausedProcessCanBeKilled) {
  auto& process = world.process("paused");
  process.start([&](Process& self) { self.sleep_for(1s); });
  runtime.yield();
  process.pause();
  runtime.sleep_for(10s);
  process.crash();
  process.wait_for_end();
  process.restart();
  process.wait_for_end();
  EXPECT_EQ(world.elapsed(), 11s);
}

WORLD_TEST(Process, DoesNotInheritTheTaskLocalValuesOfWhoStartsIt) {
  static constexpr base::TaskLocal<int> kValue;
  const auto scope = kValue.set(runtime, 1);
  auto& process = world.process("other");
  process.start([&](Process& self) { EXPECT_EQ(kValue.get(self), nullptr); });
  process.wait_for_end();
}

TEST(Process, ACrashAtAnyMomentUnwindsCleanly) {
  for_seeds(300, [](World& world) {
    auto& victim = world.process("victim");
    world.run([&](Runtime& runtime) {
      victim.start([&](Process& self) {
        const auto signal = self.make_signal("turn");
        std::vector<Task> tasks;
        for (int i = 0; i < 4; ++i) {
          tasks.push_back(self.spawn("worker", [&, i](const std::stop_token&) {
            const auto file = self.files().open("/shared", OpenMode::create);
            const auto memory = file->map(0, 4096);
            for (int round = 0; round < 20; ++round) {
              self.files().write_atomically("/file" + std::to_string(i), "content");
              if (file->try_lock(base::LockKind::exclusive)) {
                memory[0] = static_cast<std::byte>(i);
                file->unlock();
              }
              signal->notify_all();
              signal->wait(signal->count(), self.in(1ms));
              auto nested = self.spawn("nested", [&](const std::stop_token&) { self.sleep_for(100us); });
              if (self.random() % 2 == 0) nested.join();
            }
          }));
        }
        for (auto& task : tasks) task.join();
      });
      runtime.sleep_for(world.random().between({0ms, 20ms}));
      victim.crash();
      victim.wait_for_end();
      const auto file = world.files().open("/shared", OpenMode::create);
      EXPECT_TRUE(file->try_lock(base::LockKind::exclusive));
    });
  });
}

}  // namespace
}  // namespace tidelock::world

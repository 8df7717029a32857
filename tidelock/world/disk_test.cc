#include "tidelock/world/disk.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::world {
namespace {

using base::OpenMode;
using base::Path;
using base::Runtime;
using namespace std::chrono_literals;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Calls write(files) in a process of a machine whose power is cut at a random moment, then check(files).
// Returns how many seeds passed.
std::uint64_t for_power_cuts(std::uint64_t seeds, const std::function<void(base::Files&)>& prepare,
                             const std::function<void(base::Files&)>& write,
                             const std::function<void(base::Files&)>& check) {
  return for_seeds(seeds, [&](World& world) {
    auto& machine = world.machine("server");
    auto& writer = world.process(machine, "writer");
    world.run([&](Runtime& runtime) {
      writer.start([&](Process& process) { prepare(process.files()); });
      writer.wait_for_end();
      writer.start([&](Process& process) {
        write(process.files());
        process.sleep_for(world.random().between({0ms, 2ms}));
      });
      runtime.sleep_for(world.random().between({0ms, 6ms}));
      machine.power_cut();
      writer.wait_for_end();
      auto& checker = world.process(machine, "checker");
      checker.restart();
      check(checker.files());
    });
  });
}

TEST(Disk, AnAtomicWriteLeavesTheOldOrTheNewContentAtAnyPowerCut) {
  const std::string old_content(9'000, 'o');
  const std::string new_content(14'000, 'n');
  std::set<std::size_t> found;
  const auto seeds = for_power_cuts(
      400,
      [&](base::Files& files) {
        files.create_folders("/data");
        files.sync_folder("/");
        files.write_atomically("/data/x", old_content);
      },
      [&](base::Files& files) { files.write_atomically("/data/x", new_content); },
      [&](base::Files& files) {
        const auto content = files.read("/data/x");
        EXPECT_TRUE(content == old_content || content == new_content);
        found.insert(content.size());
      });
  EXPECT_EQ(found.size(), std::min<std::uint64_t>(2, seeds));
}

// What the test above would miss if the Disk were too kind.
TEST(Disk, AReplacementThatWasNotSyncedBeforeTheRenameIsFoundBroken) {
  int broken = 0;
  const auto seeds = for_power_cuts(
      200, [](base::Files& files) { files.write_atomically("/x", std::string(9'000, 'o')); },
      [](base::Files& files) {
        files.open("/x.tmp", OpenMode::create)->write_at(0, bytes(std::string(9'000, 'n')));
        files.rename("/x.tmp", "/x");
        files.sync_folder("/");
      },
      [&](base::Files& files) {
        const auto content = files.read("/x");
        broken += content != std::string(9'000, 'o') && content != std::string(9'000, 'n') ? 1 : 0;
      });
  EXPECT_TRUE(broken > 20 || seeds == 1) << broken;
}

TEST(Disk, ANameThatWasNotSyncedMayVanishThoughItsDataWas) {
  std::set<bool> found;
  const auto seeds = for_power_cuts(
      100, [](base::Files&) {},
      [](base::Files& files) {
        const auto file = files.open("/x", OpenMode::create);
        file->sync();
      },
      [&](base::Files& files) { found.insert(files.info("/x").has_value()); });
  EXPECT_EQ(found.size(), std::min<std::uint64_t>(2, seeds));
}

TEST(Disk, NamesOfAFolderReachTheDiskInOrderUnlessReorderingIsAskedFor) {
  for (const bool reordered : {false, true}) {
    std::set<std::string> found;
    const auto seeds = for_seeds(200, [&](World& world) {
      auto& machine = world.machine("server");
      machine.disk().options().reordered_names = reordered;
      auto& process = world.process(machine, "p");
      world.run([&] {
        process.start([](Process& self) {
          for (const auto* name : {"/a", "/b", "/c"}) self.files().open(name, OpenMode::create);
        });
        process.wait_for_end();
        machine.power_cut();
        process.start([&](Process& self) {
          std::string names;
          for (const auto& name : self.files().list("/")) names += name;
          found.insert(names);
        });
      });
    });
    if (seeds == 1) continue;
    if (reordered) {
      EXPECT_EQ(found.size(), 8U);
    } else {
      EXPECT_EQ(found, (std::set<std::string>{"", "a", "ab", "abc"}));
    }
  }
}

TEST(Disk, ARenameBetweenFoldersLeavesOneNameAtAnyPowerCut) {
  std::set<bool> found;
  const auto seeds = for_power_cuts(
      200,
      [](base::Files& files) {
        files.create_folders("/a");
        files.create_folders("/b");
        files.sync_folder("/");
        files.write_atomically("/a/x", "content");
      },
      [](base::Files& files) {
        files.open("/a/other", OpenMode::create);
        files.rename("/a/x", "/b/x");
        files.open("/b/other", OpenMode::create);
        files.sync_folder("/b");
      },
      [&](base::Files& files) {
        const bool moved = files.info("/b/x").has_value();
        EXPECT_NE(files.info("/a/x").has_value(), moved);
        EXPECT_EQ(files.read(moved ? "/b/x" : "/a/x"), "content");
        if (files.info("/b/other")) {
          EXPECT_TRUE(moved);
          EXPECT_TRUE(files.info("/a/other"));
        }
        found.insert(moved);
      });
  EXPECT_EQ(found.size(), std::min<std::uint64_t>(2, seeds));
}

TEST(Disk, AFolderWhoseNameIsLostTakesItsFilesWithIt) {
  std::set<bool> found;
  const auto seeds = for_power_cuts(
      100, [](base::Files&) {},
      [](base::Files& files) {
        files.create_folders("/new/deep");
        files.write_atomically("/new/deep/x", "content");
      },
      [&](base::Files& files) {
        const bool there = files.info("/new").has_value();
        found.insert(there);
        if (!there) {
          EXPECT_FALSE(files.info("/new/deep/x"));
        }
      });
  EXPECT_EQ(found.size(), std::min<std::uint64_t>(2, seeds));
}

WORLD_TEST(Disk, AFullDiskRefusesWritesAndIsFreedByRemoval) {
  auto& disk = world.machine().disk();
  disk.options().capacity_bytes = 10 * 4096;
  const auto file = files.open("/big", OpenMode::create);
  EXPECT_THROW_CODE(file->write_at(0, bytes(std::string(50'000, 'x'))), Code::disk_full);
  EXPECT_EQ(file->size(), 10U * 4096);
  EXPECT_THROW_CODE(files.write_atomically("/small", "x"), Code::disk_full);
  EXPECT_FALSE(files.info("/small"));
  EXPECT_FALSE(files.info("/small.tmp"));
  EXPECT_THROW_CODE(file->truncate(50'000), Code::disk_full);
  EXPECT_THROW_CODE(file->map(0, 50'000), Code::disk_full);
  EXPECT_EQ(disk.used_bytes(), 10U * 4096);
  files.open("/other", OpenMode::create);
  files.remove("/big");
  EXPECT_THROW_CODE(files.write_atomically("/small", "x"), Code::disk_full);  // Still open.
}

WORLD_TEST(Disk, ARemovedFileThatNobodyHasOpenGivesItsRoomBack) {
  world.machine().disk().options().capacity_bytes = 10 * 4096;
  files.open("/big", OpenMode::create)->write_at(0, bytes(std::string(40'960, 'x')));
  files.remove("/big");
  files.write_atomically("/small", "x");
  EXPECT_EQ(files.read("/small"), "x");
  EXPECT_EQ(world.machine().disk().used_bytes(), 4096U);
}

WORLD_TEST(Disk, CanBeReadOnly) {
  const auto file = files.open("/x", OpenMode::create);
  world.machine().disk().options().read_only = true;
  EXPECT_THROW_CODE(file->write_at(0, bytes("x")), Code::read_only);
  EXPECT_THROW_CODE(files.open("/y", OpenMode::create), Code::read_only);
  EXPECT_THROW_CODE(files.remove("/x"), Code::read_only);
  EXPECT_THROW_CODE(files.create_folders("/folder"), Code::read_only);
  EXPECT_EQ(files.read("/x"), "");
  EXPECT_NO_THROW(files.create_folders("/"));
}

WORLD_TEST(Disk, CallsFailAtTheRateThatIsAskedFor) {
  auto& options = world.machine().disk().options();
  const auto file = files.open("/x", OpenMode::create);
  options.write_error_rate = 1;
  EXPECT_THROW_CODE(file->write_at(0, bytes("x")), Code::io_error);
  options.write_error_rate = 0;
  options.read_error_rate = 0.5;
  std::byte byte;
  int failures = 0;
  for (int i = 0; i < 1'000; ++i) {
    try {
      file->read_at(0, {&byte, 1});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::io_error);
      ++failures;
    }
  }
  EXPECT_NEAR(failures, 500, 80);
  options.sync_error_rate = 1;
  EXPECT_THROW_CODE(file->sync(), Code::io_error);
  EXPECT_THROW_CODE(files.sync_folder("/"), Code::io_error);
}

WORLD_TEST(Disk, CallsTakeTimeAndASyncSometimesMuch) {
  const auto file = files.open("/x", OpenMode::create);
  auto slowest = 0ns;
  for (int i = 0; i < 1'000; ++i) {
    const auto start = runtime.now();
    file->sync();
    slowest = std::max(slowest, runtime.now() - start);
    EXPECT_GE(runtime.now() - start, 100us);
  }
  EXPECT_GE(slowest, 10ms);
  EXPECT_LE(slowest, 100ms);

  world.machine().disk().options().takes_time = false;
  const auto start = runtime.now();
  file->write_at(0, bytes("x"));
  file->sync();
  EXPECT_EQ(runtime.now(), start);
}

TEST(Disk, OtherTasksRunInsideItsCalls) {
  std::set<std::string> contents;
  const auto seeds = for_seeds(50, [&](World& world) {
    world.run([&](Runtime& runtime) {
      std::vector<base::Task> tasks;
      for (const auto* letter : {"a", "b"}) {
        tasks.push_back(runtime.spawn("writer", [&, letter](const std::stop_token&) {
          const auto file = world.files().open("/x", OpenMode::create);
          file->write_at(file->size(), bytes(letter));  // Nobody keeps the other from doing so in between.
        }));
      }
      for (auto& task : tasks) task.join();
      contents.insert(world.files().read("/x"));
    });
  });
  if (seeds > 1) {
    EXPECT_EQ(contents, (std::set<std::string>{"a", "b", "ab", "ba"}));
  }
}

WORLD_TEST(Disk, IsSharedByTheProcessesOfAMachineOnly) {
  files.write_atomically("/x", "here");
  EXPECT_EQ(world.process("other").files().read("/x"), "here");
  EXPECT_FALSE(world.process(world.machine("elsewhere"), "other").files().info("/x"));
}

WORLD_TEST(Disk, PermissionsAreThoseOfAUserWhoIsNotRoot) {
  files.create_folders("/folder");
  files.write_atomically("/folder/x", "content");
  files.set_mode("/folder/x", 0444);
  EXPECT_THROW_CODE(files.open("/folder/x", OpenMode::read_write), Code::permission_denied);
  EXPECT_EQ(files.read("/folder/x"), "content");
  files.set_mode("/folder/x", 0);
  EXPECT_THROW_CODE(files.read("/folder/x"), Code::permission_denied);
  files.set_mode("/folder", 0555);
  EXPECT_THROW_CODE(files.open("/folder/new", OpenMode::create), Code::permission_denied);
  EXPECT_THROW_CODE(files.remove("/folder/x"), Code::permission_denied);
  EXPECT_THROW_CODE(files.rename("/folder/x", "/x"), Code::permission_denied);
}

WORLD_TEST(Disk, AWatchTellsWhatAnotherProcessDoes) {
  files.create_folders("/folder");
  const auto folder = files.watch("/folder");
  EXPECT_FALSE(folder->wait(runtime.in(1s)));
  auto& writer = world.process("writer");
  writer.start([](Process& process) {
    process.sleep_for(10s);
    process.files().write_atomically("/folder/x", "new");
  });
  const auto start = runtime.now();
  EXPECT_TRUE(folder->wait(base::Deadline::never()));
  EXPECT_LT(runtime.now() - start, 10s + 1ms);
}

}  // namespace
}  // namespace tidelock::world

// The file of a state: how it is made, what becomes of those who have it open when it goes away, and what is refused.
#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/lock/backends/sql/testing/state_user.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/disk.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

using testing::expect_refusal;
using testing::refusal;
using testing::url;
using testing::User;
using testing::write_file;

// --- The state file goes away -------------------------------------------------------------------------------------

void everybody_notices(world::World& world, const std::function<void(base::Files&)>& lose_state) {
  std::vector<std::unique_ptr<User>> users;
  for (int i = 0; i < 5; ++i) users.push_back(std::make_unique<User>(world, "user " + std::to_string(i)));
  const auto before = users[0]->try_acquire();
  ASSERT_TRUE(before);
  for (std::size_t i = 1; i < users.size(); ++i) EXPECT_FALSE(users[i]->try_acquire());
  world.runtime().sleep_for(1s);
  lose_state(world.process().files());

  const auto after = users[1]->try_acquire();
  ASSERT_TRUE(after);
  EXPECT_GT(after->token, before->token);
  EXPECT_THROW_CODE(users[0]->mutex.renew(*before, users[0]->soon()), Code::lease_lost);
  for (auto& user : users) EXPECT_FALSE(user->try_acquire()) << "two arbiters exist";
  User late(world, "late");
  EXPECT_FALSE(late.try_acquire()) << "the new state was damaged by those who closed the old one";
  users[1]->mutex.release(*after, users[1]->soon());
  EXPECT_TRUE(late.try_acquire());
}

WORLD_TEST(StateFile, EverybodyNoticesThatTheStateFileWasDeleted) {
  everybody_notices(world, [](base::Files& files) { files.remove("/locks.db"); });
}

WORLD_TEST(StateFile, EverybodyNoticesThatTheStateFileAndItsLogWereDeleted) {
  everybody_notices(world, [](base::Files& files) {
    for (const auto* suffix : {"", "-wal", "-shm"}) files.remove(base::Path("/locks.db") += suffix);
  });
}

WORLD_TEST(StateFile, EverybodyNoticesThatTheStateFileWasMovedAway) {
  everybody_notices(world, [](base::Files& files) { files.rename("/locks.db", "/locks.old"); });
}

WORLD_TEST(StateFile, EverybodyNoticesThatTheStateFileWasReplaced) {
  { User elsewhere(world.process("elsewhere"), base::Url::parse("sqlite:/other.db")); }
  everybody_notices(world, [](base::Files& files) {
    files.remove("/locks.db-wal");
    files.remove("/locks.db-shm");
    files.rename("/other.db", "/locks.db");
  });
}

WORLD_TEST(StateFile, AWaiterGoesOnWaitingWhenTheStateFileIsDeleted) {
  User alice(world, "alice");
  User bob(world, "bob");
  ASSERT_TRUE(alice.try_acquire());
  std::optional<Lease> got;
  auto waiting = bob.process.spawn("waiter", [&](auto) { got = bob.mutex.acquire(bob.process.in(1min)); });
  runtime.sleep_for(1s);
  world.process().files().remove("/locks.db");
  const auto begin = runtime.now();
  waiting.join();
  EXPECT_TRUE(got);
  EXPECT_LT(runtime.now() - begin, 4s);  // It looks at the latest when it keeps its place.
}

// Its own state goes on without the others: it may not say that it holds anything, and not write over theirs.
void stops_when_these_are_deleted(world::World& world, const std::vector<std::string>& suffixes) {
  auto alice = std::make_unique<User>(world, "alice");
  const auto before = alice->try_acquire();
  ASSERT_TRUE(before);
  std::optional<Keeper> keeper;
  keeper.emplace(alice->mutex, *before, Keeper::AtEnd::leave);
  for (const auto& suffix : suffixes) world.process().files().remove(base::Path("/locks.db") += suffix);

  User bob(world, "bob");
  const auto after = bob.try_acquire();
  ASSERT_TRUE(after);
  EXPECT_GT(after->token, before->token);
  EXPECT_THROW_CODE(alice->try_acquire(), Code::corrupt);
  world.runtime().sleep_for(4s);  // Until the next renewal.
  ASSERT_TRUE(keeper->lost());
  EXPECT_NE(std::string(keeper->lost()->what()).find("-wal and -shm beside /locks.db were deleted"), std::string::npos);
  keeper.reset();
  alice.reset();
  User late(world, "late");
  EXPECT_FALSE(late.try_acquire()) << "who lost the state wrote over the new one";
  bob.mutex.release(*after, bob.soon());
  EXPECT_TRUE(late.try_acquire());
}

WORLD_TEST(StateFile, AHolderStopsWhoseLogWasDeleted) { stops_when_these_are_deleted(world, {"-wal", "-shm"}); }

WORLD_TEST(StateFile, AHolderStopsWhoseLogAloneWasDeleted) {
  auto alice = std::make_unique<User>(world, "alice");
  ASSERT_TRUE(alice->try_acquire());
  world.process().files().remove("/locks.db-wal");
  EXPECT_THROW_CODE(alice->try_acquire(), Code::corrupt);
}

WORLD_TEST(StateFile, AWaiterMakesItsFolderAnewWhenThatIsDeletedToo) {
  files.create_folders("/state");
  const auto state = base::Url::parse("sqlite:/state/locks.db");
  User alice(world.process("alice"), state);
  User bob(world.process("bob"), state);
  ASSERT_TRUE(alice.try_acquire());
  std::optional<Lease> got;
  auto waiting = bob.process.spawn("waiter", [&](auto) { got = bob.mutex.acquire(bob.process.in(1min)); });
  runtime.sleep_for(1s);
  for (const auto& name : files.list("/state")) files.remove(base::Path("/state") / name);
  files.remove("/state");
  waiting.join();
  EXPECT_TRUE(got);
}

WORLD_TEST(StateFile, ALookWhoseDeadlineJustPassedIsLateAndNoMistakeOfTheCaller) {
  User user(world, "alice");
  ASSERT_TRUE(user.try_acquire());
  try {
    EXPECT_EQ(user.backend.snapshot(std::nullopt, runtime.in(0s)).size(), 1);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::timeout) << error.what();
  }
}

WORLD_TEST(StateFile, ManyMakeTheStateFileAtOnce) {
  int granted = 0;
  std::vector<base::Task> tasks;
  for (int i = 0; i < 8; ++i) {
    auto& process = world.process("process " + std::to_string(i));
    tasks.push_back(process.spawn("main", [&](auto) {
      User user(process);
      granted += user.try_acquire().has_value();
    }));
  }
  for (auto& task : tasks) task.join();
  EXPECT_EQ(granted, 1);
}

// A pipeline keeps its runs in the same file, and opens it without knowing what this room knows.
TEST(StateFile, WhatSqliteMadeForSomebodyElseMeanwhileIsLeftAlone) {
  world::for_seeds(200, [](world::World& world) {
    world.run([&] {
      auto& foreign = world.process("foreign");
      std::unique_ptr<sql::Database> database;
      std::vector<base::Task> tasks;
      tasks.push_back(foreign.spawn("main", [&](auto) {
        database = sql::open(foreign, foreign.files(), url());
        database->execute("create table note (text text)");
        database->execute("insert into note values ('here')");
      }));
      for (int i = 0; i < 2; ++i) {
        auto& process = world.process("process " + std::to_string(i));
        tasks.push_back(process.spawn("main", [&](auto) { User user(process); }));
      }
      for (auto& task : tasks) task.join();
      const auto again = sql::open(world.runtime(), world.files(), url());
      EXPECT_EQ(again->one<std::string>("select text from note"), "here");
    });
  });
}

WORLD_TEST(StateFile, ASymlinkLeadsToTheState) {
  files.create_folders("/data");
  files.create_symlink("data/real.db", "/locks.db");
  User alice(world, "alice");
  User bob(world.process("bob"), base::Url::parse("sqlite:/data/real.db"));
  ASSERT_TRUE(alice.try_acquire());
  EXPECT_FALSE(bob.try_acquire());
  files.remove("/data/real.db");
  EXPECT_TRUE(bob.try_acquire());
  EXPECT_FALSE(alice.try_acquire());
}

WORLD_TEST(StateFile, ASymlinkBehindASymlinkedFolderLeadsWhereTheKernelGoes) {
  files.create_folders("/b/c");
  files.create_symlink("b/c", "/a");
  files.create_symlink("../x.db", "/b/c/link.db");
  User alice(world.process("alice"), base::Url::parse("sqlite:/a/link.db"));
  User bob(world.process("bob"), base::Url::parse("sqlite:/b/x.db"));
  ASSERT_TRUE(alice.try_acquire());
  EXPECT_FALSE(bob.try_acquire());
}

// --- What cannot be opened or written -----------------------------------------------------------------------------

WORLD_TEST(StateFile, AUrlThatIsRefusedLeavesNothing) {
  auto& process = world.process();
  expect_refusal(refusal(process, base::Url::parse("sqlite:/new.db?color=red")), Code::invalid_argument, "color");
  expect_refusal(refusal(process, base::Url::parse("sqlite:")), Code::invalid_argument, "needs a path");
  EXPECT_TRUE(files.list("/").empty());
}

WORLD_TEST(StateFile, AStateThatSomebodyHasLockedIsWaitedForAsLongAsAsked) {
  auto& process = world.process();
  const auto foreign = sql::open(process, process.files(), url());
  auto connection = foreign->connect();
  const auto writing = connection.begin();
  const auto begin = runtime.now();
  try {
    SqlBackend backend(process, process.files(), url(), {.patience = 1s});
    ADD_FAILURE() << "the tables could not be made";
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Code::database_locked || error.code() == Code::timeout) << error.what();
  }
  EXPECT_LT(runtime.now() - begin, 1200ms);
}

WORLD_TEST(StateFile, WhatIsNoStateFileIsRefusedWithTheReason) {
  auto& process = world.process();
  expect_refusal(refusal(process, base::Url::parse("sqlite:/no/such/folder.db")), Code::not_found, "/no/such");
  files.create_folders("/folder");
  expect_refusal(refusal(process, base::Url::parse("sqlite:/folder")), Code::invalid_argument, "/folder is a folder");
  write_file(files, "/poem.txt", std::string(5000, 'a'));
  expect_refusal(refusal(process, base::Url::parse("sqlite:/poem.txt")), Code::not_a_database, "/poem.txt");
  EXPECT_EQ(files.read("/poem.txt"), std::string(5000, 'a'));
  expect_refusal(refusal(process, base::Url::parse("sqlite:/missing.db?mode=rw")), Code::not_found, "/missing.db");
  EXPECT_FALSE(files.info("/missing.db"));
  EXPECT_FALSE(files.info("/missing.db-making"));
  expect_refusal(refusal(process, base::Url::parse("sqlite:/x.db?color=red")), Code::invalid_argument, "color");
}

WORLD_TEST(StateFile, AFolderThatMayNotBeWrittenIsNamed) {
  auto& process = world.process();
  process.files().create_folders("/state");
  process.files().set_mode("/state", 0555);
  const auto error = refusal(process, base::Url::parse("sqlite:/state/locks.db"));
  expect_refusal(error, Code::permission_denied, "/state/locks.db");
}

WORLD_TEST(StateFile, AReadOnlyDiskIsSaidToBeOne) {
  User alice(world, "alice");
  world.machine().disk().options().read_only = true;
  EXPECT_THROW_CODE(alice.try_acquire(), Code::read_only);
  EXPECT_THROW_CODE(alice.mutex.acquire(alice.process.in(1min)), Code::read_only);
  world.machine().disk().options().read_only = false;
  EXPECT_TRUE(alice.try_acquire());
}

WORLD_TEST(StateFile, AFullDiskTakesNothingAndLeavesNothing) {
  User alice(world, "alice");
  User bob(world, "bob");
  auto& disk = world.machine().disk();
  const auto capacity = disk.options().capacity_bytes;
  disk.options().capacity_bytes = disk.used_bytes();
  int full = 0;
  std::vector<Lease> leases;
  std::vector<std::unique_ptr<Mutex>> mutexes;
  for (int i = 0; i < 200 && full == 0; ++i) {
    auto& mutex =
        *mutexes.emplace_back(std::make_unique<Mutex>(alice.backend, alice.process, "key " + std::to_string(i)));
    try {
      leases.push_back(mutex.try_acquire(alice.soon()).value());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::disk_full) << error.what();
      ++full;
    }
  }
  EXPECT_EQ(full, 1);
  disk.options().capacity_bytes = capacity;
  EXPECT_EQ(bob.backend.snapshot(std::nullopt, bob.soon()).size(), leases.size());
  for (std::size_t i = 0; i < leases.size(); ++i) mutexes[i]->release(leases[i], alice.soon());
  EXPECT_TRUE(mutexes.back()->try_acquire(alice.soon()));
}

TEST(StateFile, OnADiskThatFailsNowAndThenNobodyGetsInTwice) {
  world::for_seeds(20, [](world::World& world) {
    world.run([&] {
      auto& options = world.machine().disk().options();
      User setup(world, "setup");
      int inside = 0;
      int entered = 0;
      std::vector<base::Task> tasks;
      options.write_error_rate = 0.01;
      options.sync_error_rate = 0.02;
      options.read_error_rate = 0.002;
      for (int i = 0; i < 3; ++i) {
        auto& process = world.process("process " + std::to_string(i));
        tasks.push_back(process.spawn("work", [&](auto) {
          for (int round = 0; round < 10; ++round) {
            try {
              User user(process);
              for (int turn = 0; turn < 5; ++turn) {
                const auto lease = user.mutex.acquire(process.in(30s));
                if (!lease) continue;
                EXPECT_EQ(++inside, 1);
                process.sleep_for(10ms);
                --inside;
                ++entered;
                user.mutex.release(*lease, process.in(5s));
              }
            } catch (const Error& error) {
              EXPECT_NE(error.code(), Code::corrupt) << error.what();
              EXPECT_NE(error.code(), Code::internal) << error.what();
              EXPECT_NE(error.code(), Code::misuse) << error.what();
            }
          }
        }));
      }
      for (auto& task : tasks) task.join();
      EXPECT_GT(entered, 10);
    });
  });
}

}  // namespace
}  // namespace tidelock::lock

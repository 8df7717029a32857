#include "tidelock/lock/backends/sql/sql_backend.h"

#include <gmock/gmock.h>

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/lock/backends/sql/sqlite_tables.h"
#include "tidelock/lock/backends/sql/state_file.h"
#include "tidelock/lock/backends/sql/testing/state_user.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

using testing::expect_refusal;
using testing::refusal;
using testing::url;
using testing::User;
using testing::write_file;

// --- What is in it ------------------------------------------------------------------------------------------------

WORLD_TEST(SqlBackend, AStateOfANewerTidelockIsRefusedAndLeftAlone) {
  { User alice(world, "alice"); }
  auto& process = world.process();
  const auto database = sql::open(process, process.files(), url());
  database->execute("update tidelock_schema set version = 99 where room = 'lock'");
  expect_refusal(refusal(process), Code::newer_schema, "the lock tables in sqlite:/locks.db are of version 99");
  EXPECT_EQ(database->one<int>("select version from tidelock_schema where room = 'lock'"), 99);
}

WORLD_TEST(SqlBackend, TheStateMayBeKeptBesideOtherTables) {
  auto& process = world.process();
  const auto database = sql::open(process, process.files(), url());
  database->execute("create table mine (x integer)");
  User alice(world, "alice");
  EXPECT_TRUE(alice.try_acquire());
  EXPECT_EQ(database->one<int>("select count(*) from mine"), 0);
  EXPECT_EQ(database->one<int>("select version from tidelock_schema where room = 'lock'"), 2);
}

TEST(SqlBackend, ALeaseOfAnotherBootIsVoidAndItsTokenIsNot) {
  world::for_seeds(20, [](world::World& world) {
    auto& machine = world.machine("server");
    auto& process = world.process(machine, "holder");
    std::optional<FencingToken> last;
    for (int boot = 0; boot < 4; ++boot) {
      process.restart();
      world.run([&] {
        auto task = process.spawn("work", [&](auto) {
          User user(process);
          const auto lease = user.try_acquire();
          ASSERT_TRUE(lease) << "boot " << boot;
          EXPECT_GT(lease->token, last);
          last = lease->token;
          process.sleep_for(1s);
          machine.power_cut();
        });
        task.join();
      });
    }
  });
}

// As on a disk that moved to another machine while somebody there has it open: nothing was swept.
WORLD_TEST(SqlBackend, ALeaseOfAnotherBootHoldsNobodyUp) {
  User alice(world, "alice");
  User bob(world, "bob");
  const auto lost = alice.try_acquire();
  ASSERT_TRUE(lost);
  const auto database = sql::open(runtime, files, url());
  database->execute("update tidelock_lease set boot = 'another boot', expires_boot_ns = 9000000000000000000");

  EXPECT_THROW_CODE(alice.mutex.renew(*lost, alice.soon()), Code::lease_lost);
  const auto lease = bob.try_acquire();
  ASSERT_TRUE(lease);
  EXPECT_GT(lease->token, lost->token);
}

WORLD_TEST(SqlBackend, WhatTheDeadLeftBehindIsSwept) {
  User alice(world, "alice");
  for (int i = 0; i < 50; ++i) {
    Mutex mutex(alice.backend, alice.process, "key " + std::to_string(i));
    ASSERT_TRUE(mutex.try_acquire(alice.soon()));
  }
  EXPECT_EQ(alice.backend.snapshot(std::nullopt, alice.soon()).size(), 50u);
  runtime.sleep_for(11s);
  User bob(world, "bob");  // Opening tidies up.
  EXPECT_TRUE(bob.backend.snapshot(std::nullopt, bob.soon()).empty());
}

WORLD_TEST(SqlBackend, KeysAreForgottenButTheirTokensAreNot) {
  auto& process = world.process();
  std::optional<FencingToken> last;
  {
    User alice(world, "alice");
    for (int i = 0; i < 20; ++i) {
      Mutex mutex(alice.backend, alice.process, "key " + std::to_string(i));
      const auto lease = mutex.try_acquire(alice.soon());
      last = lease->token;
      mutex.release(*lease, alice.soon());
    }
    ASSERT_TRUE(alice.try_acquire());
  }
  runtime.sleep_for(25h);
  User bob(world, "bob");
  const auto database = sql::open(process, process.files(), url());
  EXPECT_EQ(database->one<int>("select count(*) from tidelock_lock"), 1) << "only what stands for the forgotten ones";
  world.machine().step_wall_clock(-48h);
  Mutex again(bob.backend, bob.process, "key 7");
  EXPECT_GT(again.try_acquire(bob.soon())->token, last);
}

// On a real disk and by a real clock: nobody spends long on it at once.
TEST(SqlBackend, ManyIdleKeysAreForgottenLittleByLittle) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const base::testing::TempFolder folder;
  const auto state = base::Url::parse("sqlite:" + (folder.path() / "locks.db").string());
  { const SqlBackend makes_it(runtime, files, state); }
  const auto database = sql::open(runtime, files, state);
  database->execute(
      "insert into tidelock_lock (key, token) with recursive n(i) as (select 1 union all select i + 1 from n "
      "where i < 200000) select 'idle ' || i, i from n");
  const auto keys = [&] { return database->one<int>("select count(*) from tidelock_lock"); };
  for (const auto deadline = runtime.in(5min); keys() > 1;) {
    ASSERT_FALSE(deadline.passed(runtime.now())) << keys() << " are left";
    const SqlBackend tidies_up(runtime, files, state);
  }
  EXPECT_EQ(database->one<std::int64_t>("select token from tidelock_lock where key = ''"), 200000);
}

WORLD_TEST(SqlBackend, WhereTidyingStoppedTheNextOneGoesOn) {
  User alice(world, "alice");
  const SqliteTables tables(alice.process);
  const auto database = sql::open(alice.process, alice.process.files(), url());
  const auto insert = [&](const std::string& name, std::int64_t token) {
    database->execute(
        "insert into tidelock_lock (key, token) with recursive n(i) as (select 1000 union all select i + 1 from n "
        "where i < 2999) select ? || i, ? from n",
        name, token);
  };
  insert("a young key ", std::numeric_limits<std::int64_t>::max() - 1);
  insert("an idle key ", 7);
  std::string at;
  std::vector<std::string> stops;
  do {
    stops.push_back(at = tables.forget_some(*database, at, 10s));
  } while (!at.empty());
  EXPECT_THAT(stops, ::testing::ElementsAre("a young key 1999", "a young key 2999", "an idle key 1999",
                                            "an idle key 2999", ""));
  EXPECT_EQ(database->one<int>("select count(*) from tidelock_lock where key like 'an idle%'"), 0);
  EXPECT_EQ(database->one<int>("select count(*) from tidelock_lock where key like 'a young%'"), 2000);
}

WORLD_TEST(SqlBackend, LocksMayBeKeptInMemory) {
  auto& process = world.process();
  SqlBackend backend(process, process.files(), base::Url::parse("sqlite::memory:"));
  Mutex alice(backend, process, "x", {.ttl = 1min, .margin = 1s, .owner = "alice"});
  Mutex bob(backend, process, "x", {.ttl = 1min, .margin = 1s, .owner = "bob"});
  const auto lease = alice.try_acquire(process.in(1s));
  ASSERT_TRUE(lease);
  std::optional<Lease> next;
  auto waiting = process.spawn("waiter", [&](auto) { next = bob.acquire(process.in(1min)); });
  process.sleep_for(10s);
  EXPECT_FALSE(next);
  const auto released = process.now();
  alice.release(*lease, process.in(1s));
  waiting.join();
  EXPECT_TRUE(next);
  EXPECT_LT(process.now() - released, 5ms);
}

// --- Waiting ------------------------------------------------------------------------------------------------------

// A process that waits for the lock and is killed.
void dies_waiting(world::World& world, base::Duration ttl) {
  auto& dead = world.process("dead");
  dead.start([&](world::Process& self) {
    User user(self);
    Mutex mutex(user.backend, self, "x", {.ttl = std::chrono::duration_cast<std::chrono::milliseconds>(ttl)});
    static_cast<void>(mutex.acquire(base::Deadline::never()));
  });
  world.runtime().sleep_for(100ms);
  dead.crash();
}

WORLD_TEST(SqlBackend, AWaiterWhoseProcessEndedHoldsNobodyUp) {
  User alice(world, "alice");
  const auto lease = alice.try_acquire();
  dies_waiting(world, 1h);
  User bob(world, "bob");
  std::optional<Lease> got;
  auto waiting = bob.process.spawn("waiter", [&](auto) { got = bob.mutex.acquire(bob.process.in(1h)); });
  runtime.sleep_for(1s);
  EXPECT_EQ(alice.backend.snapshot("x", alice.soon()).front().waiters.size(), 1U) << "the dead one is shown";
  const auto released = runtime.now();
  alice.mutex.release(*lease, alice.soon());
  waiting.join();
  EXPECT_TRUE(got);
  EXPECT_LT(runtime.now() - released, 10ms);
}

WORLD_TEST(SqlBackend, AFreeLockIsGotAtOnceBehindTheDead) {
  User alice(world, "alice");
  const auto lease = alice.try_acquire();
  dies_waiting(world, 1h);
  alice.mutex.release(*lease, alice.soon());
  User bob(world, "bob");
  EXPECT_TRUE(bob.try_acquire());
}

// Their permits bind nobody, either.
WORLD_TEST(SqlBackend, TheDeadHaveNoSayInTheNumberOfPermits) {
  User alice(world, "alice");
  const auto lease = alice.try_acquire();
  dies_waiting(world, 1h);
  alice.mutex.release(*lease, alice.soon());
  Semaphore pair(alice.backend, alice.process, "x", 2);
  EXPECT_TRUE(pair.try_acquire(alice.soon()));
}

WORLD_TEST(SqlBackend, AWaiterThatLivesKeepsItsPlaceAlsoWhenTheFileOfThePresentIsDeleted) {
  User alice(world, "alice");
  const auto lease = alice.try_acquire();
  User bob(world, "bob");
  std::optional<Lease> got;
  auto waiting = bob.process.spawn("waiter", [&](auto) { got = bob.mutex.acquire(bob.process.in(1min)); });
  runtime.sleep_for(1s);
  files.remove("/locks.db-waiting");
  runtime.sleep_for(5s);  // Within which it asks again.
  User carol(world, "carol");
  EXPECT_FALSE(carol.try_acquire());
  EXPECT_EQ(carol.backend.snapshot("x", carol.soon()).front().waiters.size(), 1U);
  alice.mutex.release(*lease, alice.soon());
  waiting.join();
  EXPECT_TRUE(got);
}

WORLD_TEST(SqlBackend, WhoWaitsIsBackInTimeWhenNoConnectionIsFree) {
  auto& process = world.process();
  auto file = std::make_unique<StateFile>(process, process.files(), url(), OpenOptions{});
  auto& source = *file;
  SqlBackend backend(process, std::move(file));
  Mutex mutex(backend, process, "x", {.ttl = 1min, .margin = 1s, .owner = "alice"});
  const auto lease = mutex.try_acquire(process.in(1s));
  ASSERT_TRUE(lease);
  const Claim waiter{.key = "x", .id = base::uuid_v7(process), .owner = "bob", .ttl = 1min, .token = {}};
  EXPECT_FALSE(backend.try_acquire(waiter, Backend::Queue::yes, process.in(1s)).granted);

  const auto state = source.get(process.in(1s));
  std::vector<sql::Connection> all;
  while (all.size() < state->database().options().max_connections) all.push_back(state->database().connect());
  const auto begin = process.now();
  backend.wait(waiter, process.in(200ms), {});
  EXPECT_LE(process.now() - begin, 200ms);
  std::stop_source stop;
  auto stopping = process.spawn("stops", [&](auto) {
    process.sleep_for(100ms);
    stop.request_stop();
  });
  backend.wait(waiter, base::Deadline::never(), stop.get_token());
  EXPECT_LE(process.now() - begin, 300ms);
}

WORLD_TEST(SqlBackend, WaitingIsNotPolling) {
  User alice(world, "alice");
  Mutex held(alice.backend, alice.process, "held", {.ttl = 1h, .margin = 1s, .owner = {}});
  ASSERT_TRUE(held.try_acquire(alice.soon()));
  std::vector<std::unique_ptr<User>> users;
  std::vector<std::unique_ptr<Mutex>> mutexes;
  std::vector<base::Task> waiters;
  for (int i = 0; i < 4; ++i) {
    auto& user = *users.emplace_back(std::make_unique<User>(world, "waiter " + std::to_string(i)));
    auto& mutex = *mutexes.emplace_back(std::make_unique<Mutex>(user.backend, user.process, "held",
                                                                LeaseOptions{.ttl = 1h, .margin = 1s, .owner = {}}));
    waiters.push_back(user.process.spawn(
        "wait", [&](const std::stop_token& stop) { EXPECT_FALSE(mutex.acquire(base::Deadline::never(), stop)); }));
  }
  runtime.sleep_for(1min);
  const auto steps = world.steps();
  runtime.sleep_for(1min);
  EXPECT_LT((world.steps() - steps) / 60, 4u * 60u) << "steps a second";
  for (auto& waiter : waiters) waiter.request_stop();
  for (auto& waiter : waiters) waiter.join();
}

// --- Looking without touching -------------------------------------------------------------------------------------

std::vector<KeyState> looked_at(world::Process& process, const std::string& path) {
  SqlBackend backend(process, process.files(), base::Url::parse("sqlite:" + path), {.read_only = true});
  return backend.snapshot(std::nullopt, process.in(5s));
}

WORLD_TEST(SqlBackend, ReadingMakesNothingAndChangesNothing) {
  auto& process = world.process();
  EXPECT_TRUE(looked_at(process, "/none/locks.db").empty());
  EXPECT_FALSE(files.info("/none"));
  {
    const auto foreign = sql::open(process, process.files(), base::Url::parse("sqlite:/foreign.db"));
    foreign->execute("create table mine (x integer)");
  }
  const auto before = files.list("/");
  const auto bytes = files.read("/foreign.db");
  EXPECT_TRUE(looked_at(process, "/foreign.db").empty());
  EXPECT_EQ(files.list("/"), before);
  EXPECT_EQ(files.read("/foreign.db"), bytes);
}

WORLD_TEST(SqlBackend, ReadingShowsTheLocksOfAStateInUseAndOfOneAtRest) {
  {
    User alice(world, "alice");
    ASSERT_TRUE(alice.try_acquire());
    EXPECT_EQ(looked_at(world.process(), "/locks.db").size(), 1U);
  }
  const auto before = files.list("/");
  EXPECT_EQ(looked_at(world.process(), "/locks.db").size(), 1U);
  EXPECT_EQ(files.list("/"), before);
}

WORLD_TEST(SqlBackend, WhoReadsAStateAtRestSeesWhatOthersDoToItLater) {
  { User alice(world, "alice"); }
  auto& process = world.process();
  SqlBackend reader(process, process.files(), url(), {.read_only = true});
  EXPECT_TRUE(reader.snapshot(std::nullopt, process.in(5s)).empty());
  {
    User bob(world, "bob");
    ASSERT_TRUE(bob.try_acquire());
  }
  EXPECT_EQ(reader.snapshot(std::nullopt, process.in(5s)).size(), 1U) << "of a state that is at rest again";
  User carol(world, "carol");
  carol.backend.break_claims("x", std::vector{reader.snapshot("x", process.in(5s)).at(0).holders.at(0).id},
                             carol.soon());
  EXPECT_TRUE(reader.snapshot(std::nullopt, process.in(5s)).empty()) << "of a state that is in use";
}

// Each writer copies the log into the file when it leaves, while somebody reads that file without a lock, slowly.
TEST(SqlBackend, WhoReadsAStateThatComesToRestAgainAndAgainSeesNeverHalfOfIt) {
  world::for_seeds(world::long_seeds(20), [](world::World& world) {
    world.run([&] {
      { User setup(world, "setup"); }
      constexpr std::size_t kKeys = 40;
      std::size_t written = 0;
      auto& reading = world.process("reader");
      auto reader = reading.spawn("read", [&](auto) {
        while (written < kKeys) {
          const auto before = written;
          const auto seen = looked_at(reading, "/locks.db").size();
          EXPECT_GE(seen, before);
          EXPECT_LE(seen, written);
        }
      });
      while (written < kKeys) {
        world.runtime().sleep_for(world.random().between({0ms, 3ms}));
        reading.pause();
        for (int i = 0; i < 5; ++i) {
          User writer(world, "writer " + std::to_string(written));
          Mutex mutex(writer.backend, writer.process, std::string(200, 'k') + std::to_string(written), {.ttl = 1h});
          EXPECT_TRUE(mutex.try_acquire(writer.soon()));
          ++written;
        }
        reading.resume();
      }
      reader.join();
    });
  });
}

WORLD_TEST(SqlBackend, TablesThatOnlyHaveOurNamesAreNoState) {
  auto& process = world.process();
  sql::open(process, process.files(), base::Url::parse("sqlite:/a.db"))->execute("create table tidelock_lease (x)");
  expect_refusal(refusal(process, base::Url::parse("sqlite:/a.db")), Code::not_a_database,
                 "has tables named as those of Tidelock that are others");
  { User alice(world, "alice"); }
  sql::open(process, process.files(), url())->script("drop table tidelock_waiter; create table tidelock_waiter (x)");
  expect_refusal(refusal(process), Code::not_a_database, "has tables named as those of Tidelock that are others");
}

}  // namespace
}  // namespace tidelock::lock

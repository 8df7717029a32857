// To whom the pool lends a connection, and which one, over an engine that fails as told.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/fake_engine.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;
using testing::make_fake;
using testing::Script;

WORLD_TEST(SqlPool, OpensOnlyWhatIsNeededAndUsesTheLastOneFirst) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 3});
  for (int i = 0; i < 10; ++i) db->connect();
  EXPECT_EQ(script.opened, 1);
  {
    const auto a = db->connect();
    const auto b = db->connect();
  }
  EXPECT_EQ(script.opened, 2);
  EXPECT_EQ(db->pool_state().open, 2U);
  EXPECT_EQ(db->pool_state().in_use, 0U);
}

WORLD_TEST(SqlPool, AnUnhealthySessionIsClosed) {
  Script script;
  const auto db = make_fake(runtime, script);
  script.on_reset = [] { return false; };
  db->connect();
  EXPECT_EQ(script.open, 0);
  script.on_reset = [] { return true; };
  db->connect();
  EXPECT_EQ(script.opened, 2);
  EXPECT_EQ(script.open, 1);
}

// Otherwise a server that was demoted would be given to one user after the other.
WORLD_TEST(SqlPool, ASessionWhoseServerRefusedToWriteGoesToNobodyElse) {
  const auto refuse = [] { throw Error(Code::read_only_server, "a standby"); };
  Script script;
  const auto db = make_fake(runtime, script);
  script.on_script = refuse;
  {
    auto connection = db->connect();
    EXPECT_THROW_CODE(connection.script("delete from t"), Code::read_only_server);
    EXPECT_TRUE(connection.is_alive(runtime.in(1s))) << "it still reads";
    EXPECT_EQ(script.open, 1);
  }
  EXPECT_EQ(script.open, 0);
  script.on_script = [] {};
  db->script("delete from t");
  db->script("delete from t");
  EXPECT_EQ(script.opened, 2);

  script.on_commit = refuse;  // As MariaDB does, when it became read-only after the transaction had begun.
  {
    auto connection = db->connect();
    EXPECT_THROW_CODE(connection.begin().commit(), Code::read_only_server);
  }
  EXPECT_EQ(script.open, 0);
}

WORLD_TEST(SqlPool, WhoWritesWhereHeWantedToReadOnlyLosesNoSession) {
  Script script;
  script.on_script = [] { throw Error(Code::read_only_server, "a standby"); };
  const auto reader = make_fake(runtime, script, {.read_only = true});
  EXPECT_THROW_CODE(reader->script("delete from t"), Code::read_only_server);
  EXPECT_EQ(script.open, 1);
  const auto db = make_fake(runtime, script);
  {
    auto connection = db->connect();
    auto tx = connection.begin({.read_only = true});
    EXPECT_THROW_CODE(tx.script("delete from t"), Code::read_only_server);
  }
  EXPECT_EQ(script.open, 2);
  EXPECT_THROW_CODE(db->script("delete from t"), Code::read_only_server);
  EXPECT_EQ(script.open, 1);
}

WORLD_TEST(SqlPool, AWaiterGetsItsTurnAlsoWhenTheOneBeforeCouldNotOpen) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  auto held = std::make_unique<Connection>(db->connect());
  script.on_reset = [] { return false; };  // So that the waiters have to open anew.
  int failures = 0;
  script.on_open = [&] {
    if (failures++ == 0) throw Error(Code::unavailable, "not now");
  };
  std::vector<std::string> told;
  std::vector<base::Task> tasks;
  for (const auto* const who : {"first", "second"}) {
    tasks.push_back(runtime.spawn(who, [&, who](const std::stop_token&) {
      try {
        db->connect();
        told.emplace_back(std::string(who) + " served");
      } catch (const Error& error) {
        told.emplace_back(std::string(who) + " " + std::string(name(error.code())));
      }
    }));
    while (db->pool_state().waiting < tasks.size()) runtime.yield();
  }
  held.reset();
  for (auto& task : tasks) task.join();
  EXPECT_EQ(told, (std::vector<std::string>{"first unavailable", "second served"}));
}

WORLD_TEST(SqlPool, AWaiterThatGaveUpTakesNothing) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  {
    const auto held = db->connect();
    EXPECT_THROW_CODE(db->connect(runtime.in(1s)), Code::timeout);
    EXPECT_THROW_CODE(db->connect(runtime.now()), Code::timeout);
  }
  db->connect(runtime.in(0s));  // There is one: nothing has to be waited for.
  EXPECT_EQ(db->pool_state().waiting, 0U);
}

WORLD_TEST(SqlPool, AWaiterThatIsStoppedIsToldSoAtOnce) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  const auto held = db->connect();
  auto waiter = runtime.spawn("waiter", [&](const std::stop_token& stop) {
    EXPECT_THROW_CODE(db->connect(base::Deadline::never(), stop), Code::cancelled);
  });
  while (db->pool_state().waiting == 0) runtime.yield();
  const auto begin = runtime.now();
  waiter.request_stop();
  waiter.join();
  EXPECT_EQ(runtime.now(), begin);
  EXPECT_EQ(db->pool_state().waiting, 0U);
}

WORLD_TEST(SqlPool, WhoGaveAConnectionBackWaitsBehindThoseWhoWaitAlready) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  std::string turns;
  std::vector<base::Task> tasks;
  for (const char who : {'a', 'b', 'c'}) {
    tasks.push_back(runtime.spawn("user", [&, who](const std::stop_token&) {
      for (int i = 0; i < 3; ++i) {
        const auto mine = db->connect();
        turns += who;
        runtime.sleep_for(2ms);
      }
    }));
    while (turns.size() + db->pool_state().waiting < tasks.size()) runtime.yield();
  }
  for (auto& task : tasks) task.join();
  EXPECT_EQ(turns, "abcabcabc");
}

WORLD_TEST(SqlPool, WhoWaitsIsServedAlsoWhenTheDatabaseHasGone) {
  Script script;
  auto db = make_fake(runtime, script, {.max_connections = 1});
  auto held = std::make_unique<Connection>(db->connect());
  auto* const gone = db.get();
  bool served = false;
  auto waiter = runtime.spawn("waiter", [&](const std::stop_token&) {
    const auto mine = gone->connect();
    served = true;
  });
  while (db->pool_state().waiting == 0) runtime.yield();
  db.reset();
  held.reset();
  waiter.join();
  EXPECT_TRUE(served);
  EXPECT_EQ(script.open, 0);
}

WORLD_TEST(SqlPool, SessionsThatAreNoServersLiveAsLongAsTheyAreGood) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_lifetime = 1s, .max_idle = 1s});
  db->connect();
  runtime.sleep_for(1h);
  db->connect();
  EXPECT_EQ(script.opened, 1);
  EXPECT_EQ(script.asked, 0);
}

TEST(SqlPool, NoConnectionIsLostOrLentTwice) {
  world::for_seeds(30, [](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      Script script;
      script.on_reset = [&] { return runtime.random() % 4 != 0; };
      script.on_open = [&] {
        runtime.sleep_for(1ms);
        if (runtime.random() % 4 == 0) throw Error(Code::unavailable, "not now");
      };
      const auto db = make_fake(runtime, script, {.max_connections = 3});
      std::size_t in_use = 0;
      std::vector<base::Task> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
          for (int k = 0; k < 20; ++k) {
            try {
              const auto mine = db->connect(runtime.in(std::chrono::milliseconds(runtime.random() % 20)));
              EXPECT_LE(++in_use, 3U);
              runtime.sleep_for(std::chrono::milliseconds(runtime.random() % 4));
              --in_use;
            } catch (const Error& error) {
              EXPECT_TRUE(error.code() == Code::timeout || error.code() == Code::unavailable) << error.what();
            }
          }
        }));
      }
      for (auto& task : tasks) task.join();
      EXPECT_EQ(db->pool_state().in_use, 0U);
      EXPECT_EQ(db->pool_state().waiting, 0U);
    });
  });
}

}  // namespace
}  // namespace tidelock::sql

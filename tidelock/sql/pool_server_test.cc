// The pool over a server: it hangs up, says nothing, is down and comes back, and its sessions grow old.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/metrics.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/fake_engine.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;
using testing::make_fake;
using testing::Script;

WORLD_TEST(SqlPool, ASessionThatTheServerClosedIsReplaced) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  base::Metrics metrics;
  db->measure(metrics);
  db->connect();
  script.hung_up = true;
  runtime.sleep_for(1ms);
  db->connect();
  EXPECT_EQ(script.opened, 2);
  EXPECT_EQ(script.open, 1);
  EXPECT_NE(metrics.text().find("tidelock_sql_pool_retired_total{database=\"fake:\",reason=\"broken\"} 1"),
            std::string::npos)
      << metrics.text();
}

WORLD_TEST(SqlPool, ASessionThatWasIdleForLongIsAskedFirst) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  db->connect();
  db->connect();
  EXPECT_EQ(script.asked, 0);
  runtime.sleep_for(1min);
  db->connect();
  EXPECT_EQ(script.asked, 1);
  EXPECT_EQ(script.opened, 1);
  runtime.sleep_for(1min);
  script.answers = false;
  db->connect();
  EXPECT_EQ(script.opened, 2);
}

WORLD_TEST(SqlPool, NobodyWaitsForTheAnswerOfAnIdleSessionLongerThanForAConnection) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  db->connect();
  runtime.sleep_for(1min);
  db->connect(runtime.in(200ms));
  EXPECT_EQ(script.asked, 1);
  EXPECT_EQ(script.asked_until, runtime.in(200ms));
  runtime.sleep_for(1min);
  db->connect(runtime.in(1h));
  EXPECT_EQ(script.asked, 2);
  EXPECT_LT(script.asked_until, runtime.in(1min));
}

WORLD_TEST(SqlPool, WhoHasNoTimeForAnAnswerTakesAnIdleSessionUnasked) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  db->connect();
  script.asking = [&](base::Deadline until, const auto&) { script.answers = until >= runtime.in(5ms); };
  for (const auto patience : {0ms, 1ms, 50ms}) {
    runtime.sleep_for(1min);
    EXPECT_NO_THROW(db->connect(runtime.in(patience))) << patience.count() << " ms";
  }
  EXPECT_EQ(script.asked, 0);
  EXPECT_EQ(script.opened, 1);
}

WORLD_TEST(SqlPool, ARequestToStopIsHeardWhileAnIdleSessionIsAsked) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  db->connect();
  runtime.sleep_for(1min);
  std::stop_source stop;
  script.asking = [&](base::Deadline until, const std::stop_token& token) {
    stop.request_stop();
    if (!token.stop_requested()) runtime.sleep_until(until.at());
  };
  const auto begin = runtime.now();
  EXPECT_THROW_CODE(db->connect(base::Deadline::never(), stop.get_token()), Code::cancelled);
  EXPECT_EQ(runtime.now(), begin);
  EXPECT_EQ(script.open, 0) << "nobody waits for its answer, which may still come";
  EXPECT_EQ(db->pool_state().in_use, 0U);
}

WORLD_TEST(SqlPool, OldAndUnusedSessionsOfAServerAreClosed) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 3, .max_lifetime = 1h, .max_idle = 10min});
  {
    const auto a = db->connect();
    const auto b = db->connect();
  }
  EXPECT_EQ(script.open, 2);
  for (int i = 0; i < 3; ++i) {
    runtime.sleep_for(4min);
    db->connect();  // Always the same one.
  }
  EXPECT_EQ(script.open, 1);
  EXPECT_EQ(script.opened, 2);
  for (int i = 0; i < 12; ++i) {
    runtime.sleep_for(5min);
    db->connect();
  }
  EXPECT_EQ(script.opened, 3);
}

WORLD_TEST(SqlPool, ASessionOfAStandbyIsLentToNobodyWhereOnlyThePrimaryWillDo) {
  Script script{.is_server = true};
  const auto any = make_fake(runtime, script);
  any->connect();
  EXPECT_EQ(script.asked_for_primary, 0);
  const auto db = make_fake(runtime, script, {.primary_only = true});
  db->connect();
  db->connect();
  EXPECT_EQ(script.asked_for_primary, 1) << "once a session";
  script.hung_up = true;
  script.is_standby = true;
  runtime.sleep_for(1ms);
  for (int i = 0; i < 20; ++i) EXPECT_THROW_CODE(db->connect(), Code::read_only_server);
  EXPECT_EQ(script.open, 1) << "that of the other";
  EXPECT_EQ(db->pool_state().in_use, 0U);
  script.is_standby = false;  // It was promoted; nobody took it for dead.
  EXPECT_NO_THROW(db->connect());
}

// Else each of them would fail a write before it went.
WORLD_TEST(SqlPool, WhenAServerRefusesToWriteNoSessionIsLentThatWasOpenedBefore) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 5});
  base::Metrics metrics;
  db->measure(metrics);
  const auto refuse = [] { throw Error(Code::read_only_server, "it was demoted"); };
  const auto all_idle = [&] {
    std::vector<Connection> all;
    while (all.size() < 4) all.push_back(db->connect());
  };
  all_idle();
  auto held = std::make_unique<Connection>(db->connect());
  auto failed = std::make_unique<Connection>(db->connect());
  EXPECT_EQ(script.opened, 4);
  script.on_script = refuse;
  EXPECT_THROW_CODE(failed->script("delete from t"), Code::read_only_server);
  script.on_script = [] {};
  failed.reset();
  EXPECT_EQ(script.open, 3);
  db->script("delete from t");  // At once: idle ones, used a moment ago, are there.
  EXPECT_EQ(script.opened, 5);

  script.on_script = refuse;  // By a session of before: it says nothing about those of after.
  EXPECT_THROW_CODE(held->script("delete from t"), Code::read_only_server);
  script.on_script = [] {};
  held.reset();
  all_idle();
  EXPECT_EQ(script.opened, 8);
  EXPECT_EQ(script.open, 4);
  all_idle();
  EXPECT_EQ(script.opened, 8);
  EXPECT_NE(metrics.text().find("tidelock_sql_pool_retired_total{database=\"fake:\",reason=\"broken\"} 4"),
            std::string::npos)
      << metrics.text();
}

WORLD_TEST(SqlPool, WhoTriesToWriteAgainAndAgainClosesTheSessionsOfOthersOnceASecondAtMost) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 2});
  const auto try_to_write = [&] {
    script.on_script = [] { throw Error(Code::read_only_server, "it is a standby"); };
    EXPECT_THROW_CODE(db->script("delete from t"), Code::read_only_server);
    script.on_script = [] {};
  };
  const auto two_read = [&] {
    const auto one = db->connect();
    const auto other = db->connect();
  };
  two_read();
  try_to_write();
  two_read();
  EXPECT_EQ(script.opened, 4);
  try_to_write();
  two_read();
  EXPECT_EQ(script.opened, 5);  // In place of the one that was refused.
  runtime.sleep_for(1s);
  two_read();  // Both may be of the server that has refused.
  EXPECT_EQ(script.opened, 7);
  try_to_write();
  two_read();
  EXPECT_EQ(script.opened, 8);
}

WORLD_TEST(SqlPool, WhoFindsOutThatItsServerIsTheWrongOneLeavesItToNobody) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  db->connect().begin().pass_over();
  EXPECT_EQ(script.open, 0);
  db->connect();
  EXPECT_EQ(script.opened, 2);
}

WORLD_TEST(SqlPool, AServerThatIsDownIsAskedByAProbeNowAndThen) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  base::Metrics metrics;
  db->measure(metrics);
  bool up = false;
  int asked = 0;
  script.on_open = [&] {
    ++asked;
    if (!up) throw Error(Code::unavailable, "connection refused");
  };
  std::string last;
  for (int i = 0; i < 1000; ++i) {
    try {
      db->connect();
      ADD_FAILURE() << "it is down";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unavailable);
      last = error.what();
    }
    runtime.sleep_for(10ms);
  }
  EXPECT_GE(asked, 5 + 2 * 18);
  EXPECT_LE(asked, 5 + 2 * 20);
  EXPECT_NE(last.find("circuit breaker \"fake:\""), std::string::npos) << last;
  EXPECT_NE(last.find("the last failure: connection refused"), std::string::npos) << last;
  EXPECT_NE(metrics.text().find("tidelock_circuitbreaker_not_permitted_calls_total{name=\"fake:\"}"),
            std::string::npos);
  up = true;
  runtime.sleep_for(500ms);
  db->connect();
  EXPECT_EQ(script.open, 1);
}

WORLD_TEST(SqlPool, WhoComesWhileProbesAreUnderWayWaitsForThem) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 8});
  script.on_open = [] { throw Error(Code::unavailable, "connection refused"); };
  for (int i = 0; i < 5; ++i) EXPECT_THROW_CODE(db->connect(), Code::unavailable);
  runtime.sleep_for(500ms);
  script.on_open = [&] { runtime.sleep_for(100ms); };
  std::vector<base::Task> tasks;
  int served = 0;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
      const auto connection = db->connect();
      runtime.sleep_for(1s);
      ++served;
    }));
  }
  for (auto& task : tasks) task.join();
  EXPECT_EQ(served, 8);
}

WORLD_TEST(SqlPool, AProbeThatIsStoppedSaysNothingAboutTheServer) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 8});
  script.on_open = [] { throw Error(Code::unavailable, "connection refused"); };
  for (int i = 0; i < 5; ++i) EXPECT_THROW_CODE(db->connect(), Code::unavailable);
  runtime.sleep_for(500ms);
  std::stop_source stop;
  bool hangs = true;
  script.on_open = [&] {
    if (!hangs) return;
    runtime.sleep_for(1h, stop.get_token());
    throw Error(Code::cancelled, "stopped");
  };
  std::vector<base::Task> tasks;
  for (int i = 0; i < 8; ++i) {  // Two probes, and six who wait for them.
    tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
      EXPECT_THROW_CODE(db->connect(base::Deadline::never(), stop.get_token()), Code::cancelled);
    }));
  }
  while (db->pool_state().in_use < 8) runtime.yield();
  runtime.sleep_for(20ms);
  const auto begin = runtime.now();
  stop.request_stop();
  for (auto& task : tasks) task.join();
  EXPECT_LE(runtime.now() - begin, 5ms);
  hangs = false;
  db->connect();  // At once: there are probes left.
  EXPECT_EQ(script.open, 1);
}

WORLD_TEST(SqlPool, CallersWithoutPatienceAndRefusedPasswordsDoNotMakeAServerDown) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  for (const auto code : {Code::timeout, Code::permission_denied}) {
    script.on_open = [code] { throw Error(code, "no"); };
    for (int i = 0; i < 20; ++i) EXPECT_THROW_CODE(db->connect(), code);
  }
  script.on_open = [] {};
  db->connect();
}

// Servers that come and go, callers that are stopped, sessions that are asked, retired and cancelled.
TEST(SqlPool, NoConnectionOfAServerIsLostOrLentTwice) {
  world::for_seeds(30, [](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      Script script{.is_server = true};
      const auto lucky = [&] { return runtime.random() % 4 != 0; };
      script.on_reset = lucky;
      script.on_open = [&] {
        runtime.sleep_for(std::chrono::milliseconds(runtime.random() % 50));
        if (!lucky()) throw Error(Code::unavailable, "not now");
      };
      script.asking = [&](auto, const auto&) { script.answers = lucky(); };
      const auto db = make_fake(runtime, script, {.max_connections = 3, .max_lifetime = 10s, .max_idle = 5s});
      base::Metrics metrics;
      db->measure(metrics);
      int in_use = 0;
      std::vector<base::Task> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
          std::optional<Canceller> old;
          for (int k = 0; k < 20; ++k) {
            std::stop_source stop;
            auto stopper = runtime.spawn("stopper", [&](const std::stop_token&) {
              runtime.sleep_for(std::chrono::milliseconds(runtime.random() % 200));
              stop.request_stop();
            });
            try {
              const auto mine = runtime.random() % 2 == 0
                                    ? db->connect({}, stop.get_token())
                                    : db->connect(runtime.in(std::chrono::milliseconds(runtime.random() % 200)));
              EXPECT_LE(++in_use, 3);
              EXPECT_LE(script.open, 3);
              const int cancels = script.cancels;
              if (old) old->cancel();
              EXPECT_EQ(script.cancels, cancels) << "of a use that is over";
              old = mine.canceller();
              old->cancel();
              EXPECT_EQ(script.cancels, cancels + 1);
              runtime.sleep_for(std::chrono::milliseconds(runtime.random() % 4));
              --in_use;
            } catch (const Error& error) {
              EXPECT_TRUE(error.code() == Code::timeout || error.code() == Code::unavailable ||
                          error.code() == Code::cancelled)
                  << error.what();
            }
            if (runtime.random() % 8 == 0) runtime.sleep_for(std::chrono::seconds(runtime.random() % 60));
            stopper.join();
          }
        }));
      }
      for (auto& task : tasks) task.join();
      const auto state = db->pool_state();
      EXPECT_EQ(state.in_use, 0U);
      EXPECT_EQ(state.waiting, 0U);
      EXPECT_EQ(state.open, static_cast<std::size_t>(script.open));
      EXPECT_NE(metrics.text().find("state=\"idle\"} " + std::to_string(script.open)), std::string::npos)
          << metrics.text();
    });
  });
}

}  // namespace
}  // namespace tidelock::sql

// The pool and the end of transactions, over an engine that fails as told.
#include "tidelock/sql/database.h"

#include <gtest/gtest.h>

#include <functional>
#include <string_view>
#include <utility>

#include "tidelock/sql/testing/fake_engine.h"
#include "tidelock/sql/transact.h"
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

WORLD_TEST(SqlPool, OptionsOutOfTheirRangeAreRefused) {
  const auto url = base::Url::parse("memory:");
  const auto refused = [&](const DatabaseOptions& options) {
    auto read = options;
    base::UrlParams none(url);
    EXPECT_THROW_CODE(read.read(none), Code::invalid_argument);
  };
  refused({.max_connections = 0});
  refused({.max_connections = 10'001});
  refused({.checkout_timeout = -1s});
  refused({.statement_timeout = 0s});
  refused({.busy_timeout = -1s});
  refused({.statement_cache = 0});
  refused({.max_lifetime = 0s});
  refused({.max_idle = -1s});
  DatabaseOptions fits{.max_connections = 10'000, .checkout_timeout = base::Duration::max(), .max_lifetime = 1s};
  base::UrlParams none(url);
  EXPECT_NO_THROW(fits.read(none));
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

WORLD_TEST(SqlPool, SessionsThatAreNoServersLiveAsLongAsTheyAreGood) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_lifetime = 1s, .max_idle = 1s});
  db->connect();
  runtime.sleep_for(1h);
  db->connect();
  EXPECT_EQ(script.opened, 1);
  EXPECT_EQ(script.asked, 0);
}

WORLD_TEST(SqlPool, IsMeasured) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 2});
  base::Metrics metrics;
  db->measure(metrics);
  const auto says = [&](const std::string& line) { return metrics.text().find(line) != std::string::npos; };
  {
    const auto a = db->connect();
    EXPECT_TRUE(says("tidelock_sql_pool_connections{database=\"fake:\",state=\"in_use\"} 1"));
    const auto b = db->connect();
    EXPECT_THROW_CODE(db->connect(runtime.in(1s)), Code::timeout);
  }
  EXPECT_TRUE(says("tidelock_sql_pool_connections{database=\"fake:\",state=\"in_use\"} 0"));
  EXPECT_TRUE(says("tidelock_sql_pool_connections{database=\"fake:\",state=\"idle\"} 2"));
  EXPECT_TRUE(says("tidelock_sql_pool_timeouts_total{database=\"fake:\"} 1"));
}

WORLD_TEST(SqlPool, WhatWasOpenedAndWhyItWasClosedIsMeasured) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 8, .max_lifetime = 1h, .max_idle = 10min});
  base::Metrics metrics;
  db->measure(metrics);
  const auto value = [&](const std::string& name, const std::string& labels = {}) {
    const auto line = name + "{database=\"fake:\"" + labels + "} ";
    const auto text = metrics.text();
    const auto at = text.find(line);
    return at == text.npos ? -1 : std::stod(text.substr(at + line.size()));
  };
  const auto idle = [&] { return value("tidelock_sql_pool_connections", ",state=\"idle\""); };
  const auto retired = [&](const std::string& why) {
    return value("tidelock_sql_pool_retired_total", ",reason=\"" + why + "\"");
  };
  {
    std::vector<Connection> burst;
    for (int i = 0; i < 8; ++i) burst.push_back(db->connect());
    auto waiter = runtime.spawn("waiter", [&](const std::stop_token&) { db->connect(); });
    while (db->pool_state().waiting == 0) runtime.yield();
    runtime.sleep_for(2s);
    burst.pop_back();
    waiter.join();
  }
  EXPECT_EQ(value("tidelock_sql_pool_opened_total"), 8);
  EXPECT_EQ(value("tidelock_sql_pool_wait_seconds_count"), 1);
  EXPECT_EQ(value("tidelock_sql_pool_wait_seconds_sum"), 2);
  EXPECT_EQ(idle(), 8);
  runtime.sleep_for(11min);
  db->connect();
  EXPECT_EQ(script.open, 1);
  EXPECT_EQ(idle(), 1);
  EXPECT_EQ(retired("unused"), 7);
  runtime.sleep_for(1h);
  db->connect();
  EXPECT_EQ(retired("old"), 1);
  EXPECT_EQ(retired("broken"), 0);
  EXPECT_EQ(value("tidelock_sql_pool_opened_total"), 9);
  EXPECT_EQ(idle(), 1);
}

// Also what is kept for tasks that are expected straight back, and what becomes of it when they stay away.
TEST(SqlPool, WhatIsMeasuredIsSoAtAnyMoment) {
  world::for_seeds(20, [](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      Script script;
      const auto db = make_fake(runtime, script, {.max_connections = 3});
      base::Metrics metrics;
      db->measure(metrics);
      const auto shown = [&](const char* state) {
        return metrics.gauge("tidelock_sql_pool_connections", "", {{"database", "fake:"}, {"state", state}}).value();
      };
      const auto check = [&] {
        const auto state = db->pool_state();
        EXPECT_EQ(shown("in_use"), static_cast<double>(state.in_use));
        EXPECT_EQ(shown("idle"), static_cast<double>(state.open - state.in_use));
      };
      std::vector<base::Task> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
          for (int k = 0; k < 100; ++k) {
            try {
              const auto mine = db->connect(runtime.in(std::chrono::microseconds(runtime.random() % 10'000)));
              check();
              runtime.sleep_for(std::chrono::microseconds(runtime.random() % 100));
              check();
            } catch (const Error& error) {
              EXPECT_EQ(error.code(), Code::timeout) << error.what();
            }
            check();
            if (runtime.random() % 16 == 0) runtime.sleep_for(std::chrono::microseconds(runtime.random() % 2000));
            check();
          }
        }));
      }
      for (auto& task : tasks) task.join();
      check();
    });
  });
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

WORLD_TEST(SqlCommit, AnUnknownOutcomeRunsNoHookAndClosesTheSession) {
  Script script;
  script.on_commit = [] { throw Error(Code::unknown_outcome, "no answer"); };
  const auto db = make_fake(runtime, script);
  int runs = 0;
  EXPECT_THROW_CODE(transact(*db, {.retry = {.max_attempts = 5}},
                             [&](Transaction& tx) {
                               ++runs;
                               tx.after_commit([] { ADD_FAILURE() << "it is not certain"; });
                             }),
                    Code::unknown_outcome);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(script.commits, 1);
  EXPECT_EQ(script.rollbacks, 0);
  EXPECT_EQ(script.open, 0);
}

WORLD_TEST(SqlCommit, AConflictAtCommitRunsTheUnitAgainOnAConnectionThatWasGivenBack) {
  Script script;
  script.on_commit = [&] {
    if (script.commits < 3) throw Error(Code::serialization_failure, "lost");
  };
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  int hooks = 0;
  const auto begin = runtime.now();
  transact(*db, [&](Transaction& tx) { tx.after_commit([&] { ++hooks; }); });
  EXPECT_EQ(script.commits, 3);
  EXPECT_EQ(script.opened, 1);
  EXPECT_EQ(hooks, 1);
  EXPECT_GT(runtime.now(), begin);  // It waited between.
}

// It is being started again.
WORLD_TEST(SqlCommit, AServerThatRefusesForAMomentAfterALossIsAskedAgain) {
  Script script{.is_server = true};
  script.on_commit = [&] {
    if (script.commits > 1) return;
    script.hung_up = true;
    throw Error(Code::connection_lost, "it went down");
  };
  int refused = 0;
  script.on_open = [&] {
    if (script.hung_up && refused < 3) throw Error(Code::unavailable, std::to_string(++refused));
    script.hung_up = false;
  };
  const auto db = make_fake(runtime, script);
  int runs = 0;
  transact(*db, [&](Transaction&) { ++runs; });
  EXPECT_EQ(script.commits, 2);
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(runs, 2);
}

WORLD_TEST(SqlCommit, AServerThatWasNotThereBeforeIsAskedOnce) {
  Script script{.is_server = true};
  int refused = 0;
  script.on_open = [&] { throw Error(Code::unavailable, std::to_string(++refused)); };
  const auto db = make_fake(runtime, script);
  EXPECT_THROW_CODE(transact(*db, [](Transaction&) {}), Code::unavailable);
  EXPECT_EQ(refused, 1);
}

WORLD_TEST(SqlCommit, WhatAUnitFoundUnavailableIsNotTriedAgain) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script);
  int runs = 0;
  EXPECT_THROW_CODE(transact(*db,
                             [&](Transaction&) {
                               if (++runs == 1) throw Error(Code::connection_lost, "of ours");
                               throw Error(Code::unavailable, "somebody else's");
                             }),
                    Code::unavailable);
  EXPECT_EQ(runs, 2);
}

WORLD_TEST(SqlCommit, PreparingEndsTheTransactionAndWhereTheEngineSaysSoItsConnection) {
  for (const bool ends : {false, true}) {
    Script script{.prepare_ends_connection = ends};
    const auto db = make_fake(runtime, script);
    {
      auto connection = db->connect();
      const auto canceller = connection.canceller();
      auto tx = connection.begin({.xid = "a-1"});
      tx.after_commit([] { ADD_FAILURE() << "it is not committed"; });
      tx.prepare_commit();
      EXPECT_FALSE(tx.is_open());
      EXPECT_EQ(script.open, ends ? 0 : 1);
      canceller.cancel();
      if (ends) {
        EXPECT_THROW_CODE(connection.begin(), Code::misuse);
        EXPECT_THROW_CODE(connection.execute("select 1"), Code::misuse);
      } else {
        connection.begin().commit();
      }
    }
    EXPECT_EQ(db->pool_state().in_use, 0U);
    db->connect().begin().commit();
    EXPECT_EQ(script.opened, ends ? 2 : 1);
    EXPECT_EQ(script.rollbacks, 0);
  }
}

WORLD_TEST(SqlCommit, AHookThatFailsIsToldOnStandardErrorWhereNobodyObserves) {
  Script script;
  const auto db = make_fake(runtime, script);
  ::testing::internal::CaptureStderr();
  transact(*db, [&](Transaction& tx) { tx.after_commit([] { throw std::runtime_error("no such file"); }); });
  const auto said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("level=warning msg=\"an after-commit hook failed; the commit stands\""), std::string::npos)
      << said;
  EXPECT_NE(said.find("error=\"no such file\""), std::string::npos) << said;
}

WORLD_TEST(SqlCommit, ACancellerOfAnEarlierUseHarmsNobody) {
  Script script;
  const auto db = make_fake(runtime, script);
  auto first = std::make_unique<Connection>(db->connect());
  const auto canceller = first->canceller();
  canceller.cancel();
  EXPECT_EQ(script.cancels, 1);
  first.reset();
  canceller.cancel();
  const auto second = db->connect();
  canceller.cancel();
  EXPECT_EQ(script.cancels, 1);
  second.canceller().cancel();
  EXPECT_EQ(script.cancels, 2);
}

// The engine refuses `command` once, in the inner of two savepoints, and `body` goes on from there.
template <typename Body>
void with_failing(base::Runtime& runtime, std::string_view command, bool poisoned, Body&& body) {
  Script script;
  script.poisoned_by_error = poisoned;
  const auto db = make_fake(runtime, script);
  auto connection = db->connect();
  auto tx = connection.begin();
  auto outer = tx.savepoint();
  bool failed = false;
  script.on_savepoint = [&](std::string_view given) {
    if (given == command && !std::exchange(failed, true)) throw Error(Code::timeout, "too slow");
  };
  body(tx, outer);
  tx.rollback();
  EXPECT_TRUE(failed);
}

WORLD_TEST(SqlSavepoints, OneThatFailsDoomsWhereAnyErrorDoes) {
  with_failing(runtime, "savepoint", true, [](Transaction& tx, Savepoint&) {
    EXPECT_THROW_CODE(tx.savepoint(), Code::timeout);
    EXPECT_THROW_CODE(tx.script("insert"), Code::timeout) << "the reason that it is doomed for";
    EXPECT_THROW_CODE(tx.commit(), Code::timeout);
  });
  with_failing(runtime, "savepoint", true, [](Transaction& tx, Savepoint& outer) {
    EXPECT_THROW_CODE(tx.savepoint(), Code::timeout);
    outer.rollback();
    tx.script("insert");
    tx.commit();
  });
  with_failing(runtime, "release", true, [](Transaction& tx, Savepoint&) {
    auto inner = tx.savepoint();
    EXPECT_THROW_CODE(inner.release(), Code::timeout);
    EXPECT_THROW_CODE(tx.script("insert"), Code::timeout);
    EXPECT_THROW_CODE(tx.commit(), Code::timeout);
  });
  with_failing(runtime, "release", true, [](Transaction& tx, Savepoint&) {
    auto inner = tx.savepoint();
    EXPECT_THROW_CODE(inner.release(), Code::timeout);
    inner.rollback();
    tx.script("insert");
    tx.commit();
  });
}

WORLD_TEST(SqlSavepoints, OneThatFailsChangesNothingWhereErrorsDoNotDoom) {
  with_failing(runtime, "savepoint", false, [](Transaction& tx, Savepoint& outer) {
    EXPECT_THROW_CODE(tx.savepoint(), Code::timeout);
    tx.savepoint().release();
    outer.release();
    tx.commit();
  });
  with_failing(runtime, "release", false, [](Transaction& tx, Savepoint&) {
    auto inner = tx.savepoint();
    EXPECT_THROW_CODE(inner.release(), Code::timeout);
    tx.script("insert");
    inner.release();
    tx.commit();
  });
}

WORLD_TEST(SqlSavepoints, WhatCouldNotBeTakenBackIsNeverCommitted) {
  for (const bool poisoned : {false, true}) {
    with_failing(runtime, "rollback to", poisoned, [&](Transaction& tx, Savepoint&) {
      auto inner = tx.savepoint();
      EXPECT_THROW_CODE(inner.rollback(), Code::timeout);
      EXPECT_THROW_CODE(tx.script("insert"), Code::timeout);
      EXPECT_THROW_CODE(tx.commit(), Code::timeout);
    });
    with_failing(runtime, "rollback to", poisoned, [&](Transaction& tx, Savepoint&) {
      auto inner = tx.savepoint();
      EXPECT_THROW_CODE(inner.rollback(), Code::timeout);
      inner.rollback();  // Now it goes.
      tx.script("insert");
      tx.commit();
    });
  }
}

}  // namespace
}  // namespace tidelock::sql

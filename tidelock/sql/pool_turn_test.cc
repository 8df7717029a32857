// Who gets a connection of the pool, and when, where tasks give theirs back and come straight back for another.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tidelock/base/duration.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/fake_engine.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;
using testing::make_fake;
using testing::Script;

// As docs/decisions/pool-in-turn.md has them.
constexpr base::Duration kTurn = 2ms;
constexpr base::Duration kComeBack = 50us;
constexpr base::Duration kLookSoonest = 1ms;
constexpr base::Duration kLookLatest = 16ms;
constexpr int kLookPart = 16;
constexpr base::Duration kOvertakenFor = 20ms;

// Tasks that take the only connection `rounds` times for 100 us each and come straight back, the first of which has it
// before the next one comes. Calls `used(who)` each time.
template <typename Used>
std::vector<base::Task> hurry(base::Runtime& runtime, Database& db, std::string_view names, int rounds, Used used) {
  std::vector<base::Task> tasks;
  for (const char who : names) {
    tasks.push_back(runtime.spawn("user", [&runtime, &db, used, who, rounds](const std::stop_token&) {
      for (int i = 0; i < rounds; ++i) {
        const auto mine = db.connect();
        used(who);
        runtime.sleep_for(100us);
      }
    }));
    while (db.pool_state().in_use + db.pool_state().waiting < tasks.size()) runtime.yield();
  }
  return tasks;
}

WORLD_TEST(SqlPoolTurn, WhoComesStraightBackIsServedForATurnAndThenTheFirstInLineIs) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  std::string served;
  auto tasks = hurry(runtime, *db, "abc", 61, [&](char who) { served += who; });
  for (auto& task : tasks) task.join();
  // Nobody is known to come straight back at first.
  std::string expected = "abc";
  for (int round = 0; round < 2; ++round) {
    for (const char who : {'a', 'b', 'c'}) expected.append(kTurn / 100us, who);
  }
  EXPECT_EQ(served.substr(0, expected.size()), expected);  // The end has fewer who want one.
  EXPECT_LE(db->pool_state().waited, 3U + 4U * 3U);
}

// How long the only connection lay idle each time that somebody waited for it.
struct Idle {
  void took(base::Instant asked, base::Instant now) {
    if (given_back > asked) gaps.push_back(now - given_back);
  }
  base::Instant given_back{};
  std::vector<base::Duration> gaps;
};

WORLD_TEST(SqlPoolTurn, WhatItsTaskDoesNotComeBackForGoesToTheFirstInLine) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  Idle idle;
  std::vector<base::Task> tasks;
  for (const char who : {'a', 'b'}) {
    tasks.push_back(runtime.spawn("user", [&, who](const std::stop_token&) {
      for (int i = 0; i < 60; ++i) {
        if (who == 'a' && i >= 45) runtime.sleep_for(10ms);  // It was quick so far.
        const auto asked = runtime.now();
        const auto mine = db->connect();
        idle.took(asked, runtime.now());
        runtime.sleep_for(100us);
        idle.given_back = runtime.now();
      }
    }));
    while (db->pool_state().in_use + db->pool_state().waiting < tasks.size()) runtime.yield();
  }
  for (auto& task : tasks) task.join();
  ASSERT_FALSE(idle.gaps.empty());
  EXPECT_GT(std::ranges::max(idle.gaps), 0us);
  EXPECT_LE(std::ranges::max(idle.gaps), kComeBack + kLookSoonest);
  EXPECT_EQ(std::ranges::count_if(idle.gaps, [](auto gap) { return gap > 0us; }), 1);  // Then it is not waited for.
}

WORLD_TEST(SqlPoolTurn, AmongTasksThatSoonStayAwayNobodyIsWaitedForAgainAndAgain) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  Idle idle;
  std::vector<base::Task> tasks;
  for (int task = 0; task < 6; ++task) {
    tasks.push_back(runtime.spawn("user", [&, task](const std::stop_token&) {
      for (int i = 0; i < 400; ++i) {
        if ((i + task) % 8 == 0) runtime.sleep_for(2ms);
        const auto asked = runtime.now();
        const auto mine = db->connect();
        idle.took(asked, runtime.now());
        runtime.sleep_for(50us);
        idle.given_back = runtime.now();
      }
    }));
  }
  for (auto& task : tasks) task.join();
  EXPECT_GT(idle.gaps.size(), 200U);
  EXPECT_LE(std::ranges::count_if(idle.gaps, [](auto gap) { return gap > 0us; }), 5);
}

// Between the moment in which a task counts as coming straight back and the next look at what is kept.
WORLD_TEST(SqlPoolTurn, TasksThatThinkForAMomentBetweenTheirStatementsKeepThePoolBusy) {
  for (const auto pause : {60us, 100us, 250us, 1000us, 3000us}) {
    Script script;
    const auto db = make_fake(runtime, script, {.max_connections = 2});
    int uses = 0;
    bool over = false;
    std::vector<base::Task> tasks;
    for (int task = 0; task < 80; ++task) {
      tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
        while (!over) {
          {
            const auto mine = db->connect();
            ++uses;
            runtime.sleep_for(100us);
          }
          runtime.sleep_for(pause);
        }
      }));
    }
    runtime.sleep_for(500ms);
    over = true;
    for (auto& task : tasks) task.join();
    EXPECT_GT(uses, 2 * 5000 * 9 / 10) << base::format_duration(pause);
  }
}

WORLD_TEST(SqlPoolTurn, WhoComesForAConnectionNoticesThatItsTaskStaysAway) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  Idle idle;
  std::vector<base::Task> tasks;
  for (const char who : {'a', 'b'}) {
    tasks.push_back(runtime.spawn("user", [&, who](const std::stop_token&) {
      for (int i = 0; i < 4000 + (who == 'b'); ++i) {
        const auto asked = runtime.now();
        const auto mine = db->connect();
        idle.took(asked, runtime.now());
        runtime.sleep_for(100us);
        idle.given_back = runtime.now();
      }
    }));
  }
  for (int i = 0; i < 2000; ++i) {  // Comes now and then.
    runtime.sleep_for(500us);
    db->connect(runtime.in(10ms));
  }
  for (auto& task : tasks) task.join();
  EXPECT_LE(std::ranges::max(idle.gaps), kComeBack + kLookSoonest);
}

WORLD_TEST(SqlPoolTurn, ABurstAfterQuietTimesIsOverSoon) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  for (int burst = 0; burst < 5; ++burst) {
    runtime.sleep_for(300ms);
    const auto began = runtime.now();
    std::vector<base::Task> tasks;
    for (int task = 0; task < 3; ++task) {
      tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
        for (int i = 0; i < 20; ++i) {
          const auto mine = db->connect();
          runtime.sleep_for(100us);
        }
      }));
    }
    for (auto& task : tasks) task.join();
    EXPECT_LE(runtime.now() - began, 3 * 20 * 100us + 3 * (kComeBack + kLookSoonest));
  }
}

WORLD_TEST(SqlPoolTurn, ATaskWhoseSessionWasClosedGetsAnOpenOne) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 2});
  {
    const auto one = db->connect();
    auto other = runtime.spawn("other", [&](const std::stop_token&) { db->connect(); });
    other.join();
    script.on_reset = [] { return false; };
  }
  script.on_reset = [] { return true; };
  EXPECT_EQ(script.open, 1);
  db->connect();
  EXPECT_EQ(script.opened, 2);
}

WORLD_TEST(SqlPoolTurn, WhoComesForTheFirstTimeDoesNotOvertake) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 2});
  std::string served;
  std::vector<base::Task> tasks;
  const auto spawn = [&](char who, base::Duration use) {
    tasks.push_back(runtime.spawn("user", [&, who, use](const std::stop_token&) {
      const auto mine = db->connect();
      served += who;
      runtime.sleep_for(use);
    }));
    runtime.sleep_for(10us);
  };
  auto regular = runtime.spawn("regular", [&](const std::stop_token&) {
    {
      const auto mine = db->connect(), other = db->connect();
      runtime.sleep_for(1ms);
    }
    const auto mine = db->connect();
    served += 'r';
    runtime.sleep_for(1ms);
  });
  while (db->pool_state().in_use < 2) runtime.yield();
  spawn('a', 1ms);
  spawn('b', 5ms);
  runtime.sleep_for(1ms);  // The regular one waits, behind nobody.
  spawn('c', 1ms);
  spawn('d', 1ms);
  regular.join();
  for (auto& task : tasks) task.join();
  EXPECT_LT(served.find('r'), served.find_first_of("cd")) << served;
}

// Those of the other connection would go before it for as long as the one it had is taken.
WORLD_TEST(SqlPoolTurn, WhoHadAConnectionThatIsTakenForLongIsNotOvertakenForLong) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 2});
  bool over = false;
  base::Duration longest{};
  std::vector<base::Task> tasks;
  for (int task = 0; task < 6; ++task) {
    tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
      while (!over) {
        const auto asked = runtime.now();
        const auto mine = db->connect();
        longest = std::max(longest, runtime.now() - asked);
        runtime.sleep_for(100us);
      }
    }));
  }
  tasks.push_back(runtime.spawn("slow", [&](const std::stop_token&) {
    runtime.sleep_for(50ms);
    const auto mine = db->connect();
    runtime.sleep_for(500ms);
    over = true;
  }));
  for (auto& task : tasks) task.join();
  EXPECT_LE(longest, kOvertakenFor + 7 * (kTurn + kComeBack + kLookSoonest));
}

// The longer all went well the later it is noticed, but it stays a small part.
WORLD_TEST(SqlPoolTurn, WhereATaskStaysAwayNowAndThenLittleIsLost) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  Idle idle;
  bool over = false;
  std::vector<base::Task> tasks;
  for (int task = 0; task < 4; ++task) {
    tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
      while (!over) {
        if (runtime.random() % 400 == 0) runtime.sleep_for(100ms);
        const auto asked = runtime.now();
        const auto mine = db->connect();
        idle.took(asked, runtime.now());
        runtime.sleep_for(100us);
        idle.given_back = runtime.now();
      }
    }));
  }
  const auto began = runtime.now();
  runtime.sleep_for(2s);
  over = true;
  for (auto& task : tasks) task.join();
  base::Duration lost{};
  for (const auto gap : idle.gaps) lost += gap;
  EXPECT_GT(lost, kLookSoonest);
  EXPECT_LT(lost, (runtime.now() - began) / 10);
  EXPECT_LE(std::ranges::max(idle.gaps), kComeBack + kLookLatest);
}

WORLD_TEST(SqlPoolTurn, ATaskFindsTheConnectionThatItJustHad) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 3});
  std::vector<base::Task> tasks;
  for (int task = 0; task < 2; ++task) {
    tasks.push_back(runtime.spawn("user", [&, task](const std::stop_token&) {
      std::set<std::uint64_t> had;
      for (int i = 0; i < 50; ++i) {
        {
          const auto mine = db->connect();
          had.insert(mine.id());
          runtime.sleep_for(task == 0 ? 100us : 130us);
        }
        runtime.sleep_for(60us);
      }
      EXPECT_EQ(had.size(), 1U);
    }));
  }
  for (auto& task : tasks) task.join();
}

WORLD_TEST(SqlPoolTurn, ATaskInLineGetsTheConnectionThatItHadAgain) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 3});
  std::vector<base::Task> tasks;
  int changed = 0;
  for (int task = 0; task < 9; ++task) {
    tasks.push_back(runtime.spawn("user", [&, task](const std::stop_token&) {
      std::uint64_t had = 0;
      for (int i = 0; i < 400; ++i) {
        const auto mine = db->connect();
        if (i > 100 && mine.id() != had) ++changed;
        had = mine.id();
        runtime.sleep_for(100us + std::chrono::microseconds(7 * task));
      }
    }));
  }
  for (auto& task : tasks) task.join();
  EXPECT_LE(changed, 9 * 2);  // At the end, when others are done.
}

WORLD_TEST(SqlPoolTurn, WhatIsKeptIsFreeOnceNobodyWaitsAnyMore) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 1});
  bool last = false;
  auto quick = runtime.spawn("quick", [&](const std::stop_token&) {
    while (!last) {
      const auto mine = db->connect();
      runtime.sleep_for(100us);
    }
    runtime.sleep_for(10ms);  // While its connection is kept.
  });
  while (db->pool_state().in_use == 0) runtime.yield();
  for (int i = 0; i < 40; ++i) {
    const auto mine = db->connect();
    runtime.sleep_for(100us);
  }
  {
    const auto mine = db->connect();
    runtime.sleep_for(kTurn);
    last = true;
  }
  db->connect(runtime.in(120us));  // Who would give up gets what is kept for somebody else.
  EXPECT_EQ(db->pool_state().in_use, 0U);
  EXPECT_EQ(db->pool_state().open, 1U);
  db->connect(runtime.now());  // Would not wait.
  quick.join();
}

// A turn, a moment in which its task may come back, and one more use; or until it is noticed that it does not come. For
// a while others may go before it, who had the connection last.
TEST(SqlPoolTurn, NoWaiterWaitsLongerThanTheTurnsBeforeIt) {
  constexpr base::Duration kLongestUse = 3ms;
  std::uint64_t kept_turns = 0;
  const auto passed = world::for_seeds(world::long_seeds(300), [&](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      Script script;
      const auto connections = 1 + runtime.random() % 3;
      const auto db = make_fake(runtime, script, {.max_connections = connections});
      const auto up_to = [&](base::Duration most) {
        return base::Duration(static_cast<std::int64_t>(runtime.random() % static_cast<std::uint64_t>(most.count())));
      };
      const auto began = runtime.now();
      const std::uint64_t uses_between_pauses = runtime.random() % 2 == 0 ? 8 : 200;
      std::uint64_t uses = 0;
      std::vector<base::Task> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(runtime.spawn("user", [&, i](const std::stop_token&) {
          for (int k = 0; k < 60; ++k) {
            if (runtime.random() % uses_between_pauses == 0) runtime.sleep_for(up_to(i % 2 == 0 ? 400us : 4ms));
            const auto before = runtime.now();
            const auto ahead = db->pool_state().waiting;
            const bool patient = runtime.random() % 8 != 0;
            try {
              const auto mine = patient ? db->connect() : db->connect(base::later(before, up_to(2ms)));
              const auto turns = static_cast<std::int64_t>(ahead / connections + 1);
              const auto look = std::clamp((runtime.now() - began) / kLookPart, kLookSoonest, kLookLatest);
              EXPECT_LE(runtime.now() - before,
                        kOvertakenFor + turns * (kTurn + kComeBack + std::max(kLongestUse, look)));
              ++uses;
              runtime.sleep_for(up_to(runtime.random() % 8 == 0 ? kLongestUse : base::Duration(150us)));
            } catch (const Error& error) {
              EXPECT_EQ(error.code(), Code::timeout) << error.what();
              EXPECT_FALSE(patient);
            }
          }
        }));
      }
      for (auto& task : tasks) task.join();
      const auto state = db->pool_state();
      EXPECT_EQ(state.in_use, 0U);
      EXPECT_EQ(state.waiting, 0U);
      if (uses > 2 * state.waited) ++kept_turns;
    });
  });
  EXPECT_GE(kept_turns, passed / 6);  // It is about turns that were used.
}

// The first in line is served first, whoever comes back meanwhile.
TEST(SqlPoolTurn, WhoWaitsIsServedInTheOrderOfComing) {
  world::for_seeds(100, [](world::World& world) {
    world.run([](base::Runtime& runtime) {
      Script script;
      const auto db = make_fake(runtime, script, {.max_connections = 1});
      std::vector<int> line;  // Who called connect() and has no connection yet.
      std::vector<base::Task> tasks;
      for (int i = 0; i < 6; ++i) {
        tasks.push_back(runtime.spawn("user", [&, i](const std::stop_token&) {
          for (int k = 0; k < 30; ++k) {
            line.push_back(i);
            const auto before = runtime.now();
            const auto mine = db->connect();
            if (runtime.now() != before) {  // Else it found one at once: its turn went on.
              EXPECT_EQ(line.front(), i);
            }
            std::erase(line, i);
            runtime.sleep_for(std::chrono::microseconds(runtime.random() % 300));
            if (runtime.random() % 4 == 0) runtime.yield();
          }
        }));
      }
      for (auto& task : tasks) task.join();
    });
  });
}

}  // namespace
}  // namespace tidelock::sql

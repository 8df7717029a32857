// What becomes of the classic anomalies between two connections (Berenson et al., "A Critique of ANSI SQL Isolation
// Levels", 1995; of writes: Adya, "Weak Consistency", 1999), at each level that an engine has, against what its
// documentation says.
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/sql/conformance/engines.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlIsolation);

// Two connections and a table of two rows, (1, 0) and (2, 0).
struct Pair {
  explicit Pair(const Place& place) : db(place.open("busy_timeout=20ms")) {
    db->script(
        "drop table if exists t; create table t (id integer primary key, v integer);"
        "insert into t values (1, 0), (2, 0)");
  }
  std::unique_ptr<Database> db;
  Connection a = db->connect();
  Connection b = db->connect();
};

// Runs what the second does; says how it was stopped, if it was.
template <typename Body>
Outcome outcome_of(Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() == Code::database_locked) return Outcome::second_waits;
    if (error.code() == Code::serialization_failure) return Outcome::second_fails;
    throw;
  }
}

std::int64_t value(Executor& on, int id) { return on.one<std::int64_t>("select v from t where id = ?", id); }

// Runs `body(pair, level)` at each level, which says what became of the anomaly.
template <typename Body>
void at_each_level(const Place& place, const Isolations& isolations, Outcome Anomalies::*expected, Body&& body) {
  for (const auto& anomalies : isolations.levels) {
    Pair pair(place);
    EXPECT_EQ(body(pair, anomalies.level), anomalies.*expected)
        << name(anomalies.level) << ", see " << isolations.reference;
    EXPECT_EQ(pair.a.one<int>("select 1"), 1);
    EXPECT_EQ(pair.b.one<int>("select 1"), 1);
  }
}

TEST_P(SqlIsolation, EveryLevelOfTheEngineIsDeclaredAndTheFirstIsItsDefault) {
  run([&](const Place& place) {
    std::vector<Isolation> levels;
    for (const auto& anomalies : declared().isolation.levels) levels.push_back(anomalies.level);
    EXPECT_EQ(place.open()->dialect().isolation_levels, levels);
  });
}

TEST_P(SqlIsolation, DirtyRead) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, &Anomalies::dirty_read, [](Pair& pair, Isolation level) {
      auto writer = pair.a.begin({.isolation = level});
      writer.execute("update t set v = 1 where id = 1");
      return outcome_of([&] {
        auto reader = pair.b.begin({.isolation = level, .read_only = true});
        return value(reader, 1) == 0 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

TEST_P(SqlIsolation, NonRepeatableRead) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, &Anomalies::non_repeatable_read, [](Pair& pair, Isolation level) {
      auto reader = pair.a.begin({.isolation = level, .read_only = true});
      EXPECT_EQ(value(reader, 1), 0);
      return outcome_of([&] {
        pair.b.execute("update t set v = 1 where id = 1");
        return value(reader, 1) == 0 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

TEST_P(SqlIsolation, Phantom) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, &Anomalies::phantom, [](Pair& pair, Isolation level) {
      auto reader = pair.a.begin({.isolation = level, .read_only = true});
      EXPECT_EQ(reader.one<int>("select count(*) from t where v = 0"), 2);
      return outcome_of([&] {
        pair.b.execute("insert into t values (3, 0)");
        return reader.one<int>("select count(*) from t where v = 0") == 2 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

// Both read 0 and add 1.
TEST_P(SqlIsolation, LostUpdate) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, &Anomalies::lost_update, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      const auto seen_first = value(first, 1);
      const auto outcome = outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        const auto seen_second = value(second, 1);
        first.execute("update t set v = ? where id = 1", seen_first + 1);
        first.commit();
        second.execute("update t set v = ? where id = 1", seen_second + 1);
        second.commit();
        return value(pair.a, 1) == 2 ? Outcome::not_seen : Outcome::happens;
      });
      if (first.is_open()) first.commit();
      return outcome;
    });
  });
}

// Each sees both rows at 0 and sets the other one: no serial order ends with both at 1.
TEST_P(SqlIsolation, WriteSkew) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, &Anomalies::write_skew, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      EXPECT_EQ(first.one<int>("select sum(v) from t"), 0);
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        EXPECT_EQ(second.one<int>("select sum(v) from t"), 0);
        first.execute("update t set v = 1 where id = 1");
        second.execute("update t set v = 1 where id = 2");
        first.commit();
        second.commit();
        return pair.a.one<int>("select sum(v) from t") == 2 ? Outcome::happens : Outcome::not_seen;
      });
    });
  });
}

// The first moves every row on by one: before and after its commit there is one row at 1, which the second is to
// delete.
TEST_P(SqlIsolation, PredicateWrite) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, &Anomalies::predicate_write, [&](Pair& pair, Isolation level) {
      pair.a.execute("update t set v = 1 where id = 2");
      auto first = pair.a.begin({.isolation = level});
      first.execute("update t set v = v + 1");
      return outcome_of([&] {
        TransactionOptions options{.isolation = level};
        const bool waits_are_seen = !declared().waiting.empty();
        if (waits_are_seen) options.lock_timeout = std::chrono::seconds(60);
        auto second = pair.b.begin(options);
        std::atomic<bool> reads = true;
        std::atomic<bool> waited_to_read = false;
        base::Task committer;  // Of the first, when the second waits for it.
        if (waits_are_seen) {
          committer = place.runtime.spawn("committer", [&](const std::stop_token& stop) {
            auto watcher = pair.db->connect();
            while (watcher.one<int>(declared().waiting) == 0) {
              // MariaDB looks anew only when nobody has asked for a tenth of a second.
              if (!place.runtime.sleep_for(std::chrono::milliseconds(150), stop)) return;
            }
            waited_to_read = reads.load();
            first.commit();
          });
        }
        second.one<int>("select count(*) from t where v = 1");
        reads = false;
        const auto deleted = second.execute("delete from t where v = 1");
        const auto left = second.one<int>("select count(*) from t where v = 1");
        second.commit();
        if (committer.joinable()) {
          committer.join();
        } else {
          first.commit();
        }
        if (waited_to_read) return Outcome::second_waits;
        return deleted == 1 && left == 0 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

// The first reads one row, the second changes both, and the first deletes what is like the row that it read. Whether it
// deletes what is no longer so, or misses what is so in its eyes: it must not commit.
TEST_P(SqlIsolation, StaleWrite) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, &Anomalies::stale_write, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      EXPECT_EQ(value(first, 1), 0);
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        second.execute("update t set v = 1");
        second.commit();
        first.execute("delete from t where v = 0");
        first.commit();
        return Outcome::happens;
      });
    });
  });
}

// With transact() around it, no update is lost, whatever the engine does about the conflict, at each level that loses
// none.
TEST_P(SqlIsolation, IncrementsByManyTasksAreAllThere) {
  run([&](const Place& place) {
    const auto db = place.open("max_connections=4&busy_timeout=60s");
    db->script("create table t (id integer primary key, v integer)");
    for (const auto& anomalies : declared().isolation.levels) {
      if (anomalies.lost_update == Outcome::happens) continue;
      db->script("delete from t; insert into t values (1, 0)");
      constexpr int kTasks = 4;
      constexpr int kEach = 25;
      std::vector<base::Task> tasks;
      for (int i = 0; i < kTasks; ++i) {
        tasks.push_back(place.runtime.spawn("increment", [&](const std::stop_token&) {
          for (int n = 0; n < kEach; ++n) {
            transact(*db,
                     {.isolation = anomalies.level,
                      .retry = {.max_attempts = 1000, .backoff = {.cap = std::chrono::milliseconds(200)}}},
                     [](Transaction& tx) {
                       const auto seen = value(tx, 1);
                       tx.execute("update t set v = ? where id = 1", seen + 1);
                     });
          }
        }));
      }
      for (auto& task : tasks) task.join();
      EXPECT_EQ(db->one<int>("select v from t"), kTasks * kEach) << name(anomalies.level);
    }
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

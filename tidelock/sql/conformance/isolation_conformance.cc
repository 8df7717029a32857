// What becomes of the classic anomalies between two or three connections (Berenson et al., "A Critique of ANSI SQL
// Isolation Levels", 1995; Adya, "Weak Consistency", 1999; Bailis et al., "Highly Available Transactions", 2013; Fekete
// et al., "A Read-Only Transaction Anomaly Under Snapshot Isolation", 2004; the programs are those of Hermitage), at
// each level that an engine has, against what its documentation says.
#include <atomic>
#include <functional>
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
void at_each_level(const Place& place, const Isolations& isolations, Anomaly anomaly, Body&& body) {
  for (const auto& level : isolations.levels) {
    Pair pair(place);
    EXPECT_EQ(body(pair, level.level), level.of(anomaly)) << name(level.level) << ", see " << isolations.reference;
    EXPECT_EQ(pair.a.one<int>("select 1"), 1);
    EXPECT_EQ(pair.b.one<int>("select 1"), 1);
  }
}

// Commits a transaction once a statement of another waits for it, or at the end where none ever waits while it runs.
class Committer {
 public:
  Committer(const Place& place, const Declared& declared, Pair& pair, Transaction& first,
            std::function<void()> on_wait = nullptr)
      : first_(first) {
    if (declared.waiting.empty()) return;
    task_ = place.runtime.spawn("committer", [&, on_wait = std::move(on_wait)](const std::stop_token& stop) {
      auto watcher = pair.db->connect();
      while (watcher.one<int>(declared.waiting) == 0) {
        // MariaDB looks anew only when nobody has asked for a tenth of a second.
        if (!place.runtime.sleep_for(std::chrono::milliseconds(150), stop)) return;
      }
      if (on_wait) on_wait();
      first.commit();
    });
  }
  // How the other is to wait.
  static TransactionOptions patient(const Declared& declared, Isolation level) {
    TransactionOptions options{.isolation = level};
    if (!declared.waiting.empty()) options.lock_timeout = std::chrono::seconds(60);
    return options;
  }
  void finish() {
    if (task_.joinable()) return task_.join();
    first_.commit();
  }

 private:
  Transaction& first_;
  base::Task task_;
};

TEST_P(SqlIsolation, EveryLevelOfTheEngineIsDeclaredAndTheFirstIsItsDefault) {
  run([&](const Place& place) {
    std::vector<Isolation> levels;
    for (const auto& level : declared().isolation.levels) levels.push_back(level.level);
    EXPECT_EQ(place.open()->dialect().isolation_levels, levels);
  });
}

TEST_P(SqlIsolation, DirtyWrite) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::dirty_write, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      first.execute("update t set v = 1 where id = 1");
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        second.execute("update t set v = 2 where id = 1");
        first.execute("update t set v = 1 where id = 2");
        first.commit();
        second.execute("update t set v = 2 where id = 2");
        second.commit();
        return value(pair.a, 1) == value(pair.a, 2) ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

TEST_P(SqlIsolation, AbortedRead) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::aborted_read, [](Pair& pair, Isolation level) {
      auto writer = pair.a.begin({.isolation = level});
      writer.execute("update t set v = 1 where id = 1");
      return outcome_of([&] {
        auto reader = pair.b.begin({.isolation = level, .read_only = true});
        const auto seen = value(reader, 1);
        writer.rollback();
        EXPECT_EQ(value(reader, 1), 0);
        return seen == 0 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

TEST_P(SqlIsolation, IntermediateRead) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::intermediate_read, [](Pair& pair, Isolation level) {
      auto writer = pair.a.begin({.isolation = level});
      writer.execute("update t set v = 1 where id = 1");
      return outcome_of([&] {
        auto reader = pair.b.begin({.isolation = level, .read_only = true});
        const auto seen = value(reader, 1);
        writer.execute("update t set v = 2 where id = 1");
        writer.commit();
        const auto then = value(reader, 1);
        EXPECT_TRUE(then == 0 || then == 2) << then;
        return seen == 0 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

// Each sees what the other has not committed.
TEST_P(SqlIsolation, CircularFlow) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::circular_flow, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      first.execute("update t set v = 1 where id = 1");
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        second.execute("update t set v = 1 where id = 2");
        const auto seen_first = value(first, 2);
        const auto seen_second = value(second, 1);
        first.commit();
        second.commit();
        return seen_first == 1 && seen_second == 1 ? Outcome::happens : Outcome::not_seen;
      });
    });
  });
}

TEST_P(SqlIsolation, NonRepeatableRead) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::non_repeatable_read, [](Pair& pair, Isolation level) {
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
    at_each_level(place, declared().isolation, Anomaly::phantom, [](Pair& pair, Isolation level) {
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
    at_each_level(place, declared().isolation, Anomaly::lost_update, [](Pair& pair, Isolation level) {
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
    at_each_level(place, declared().isolation, Anomaly::write_skew, [](Pair& pair, Isolation level) {
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
    at_each_level(place, declared().isolation, Anomaly::predicate_write, [&](Pair& pair, Isolation level) {
      pair.a.execute("update t set v = 1 where id = 2");
      auto first = pair.a.begin({.isolation = level});
      first.execute("update t set v = v + 1");
      return outcome_of([&] {
        auto second = pair.b.begin(Committer::patient(declared(), level));
        std::atomic<bool> reads = true;
        std::atomic<bool> waited_to_read = false;
        Committer committer(place, declared(), pair, first, [&] { waited_to_read = reads.load(); });
        second.one<int>("select count(*) from t where v = 1");
        reads = false;
        const auto deleted = second.execute("delete from t where v = 1");
        const auto left = second.one<int>("select count(*) from t where v = 1");
        second.commit();
        committer.finish();
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
    at_each_level(place, declared().isolation, Anomaly::stale_write, [](Pair& pair, Isolation level) {
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

// The second writes behind the first, and the third sees the second's write of one row, but not that of the other.
TEST_P(SqlIsolation, VanishedTransaction) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::vanished_transaction, [&](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      first.execute("update t set v = 1");
      return outcome_of([&] {
        auto second = pair.b.begin(Committer::patient(declared(), level));
        {
          Committer committer(place, declared(), pair, first);
          second.execute("update t set v = 2 where id = 1");
          committer.finish();
        }
        auto connection = pair.db->connect();
        auto third = connection.begin({.isolation = level, .read_only = true});
        const auto seen = std::pair(value(third, 1), value(third, 2));
        second.execute("update t set v = 2 where id = 2");
        second.commit();
        return seen == std::pair<std::int64_t, std::int64_t>(2, 1) ? Outcome::happens : Outcome::not_seen;
      });
    });
  });
}

// One row is read before the second's commit, the other behind it.
TEST_P(SqlIsolation, ReadSkew) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::read_skew, [](Pair& pair, Isolation level) {
      auto reader = pair.a.begin({.isolation = level, .read_only = true});
      EXPECT_EQ(value(reader, 1), 0);
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        second.execute("update t set v = 1 where id = 1");
        second.execute("update t set v = 1 where id = 2");
        second.commit();
        return value(reader, 2) == 0 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

TEST_P(SqlIsolation, PredicateReadSkew) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::predicate_read_skew, [](Pair& pair, Isolation level) {
      auto reader = pair.a.begin({.isolation = level, .read_only = true});
      EXPECT_EQ(reader.one<int>("select count(*) from t where v = 0"), 2);
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        second.execute("update t set v = 1 where v = 0");
        second.commit();
        return reader.one<int>("select count(*) from t where v = 1") == 0 ? Outcome::not_seen : Outcome::happens;
      });
    });
  });
}

// What the first writes builds on the second, which it has not seen in what it read.
TEST_P(SqlIsolation, DependentWrite) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::dependent_write, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      EXPECT_EQ(value(first, 1), 0);
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        second.execute("update t set v = 1");
        second.commit();
        first.execute("update t set v = v + 10 where id = 2");
        first.commit();
        return value(pair.b, 2) == 11 ? Outcome::happens : Outcome::not_seen;
      });
    });
  });
}

// Neither finds a row at 5, and each adds one.
TEST_P(SqlIsolation, PredicateWriteSkew) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::predicate_write_skew, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      EXPECT_EQ(first.one<int>("select count(*) from t where v = 5"), 0);
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        EXPECT_EQ(second.one<int>("select count(*) from t where v = 5"), 0);
        first.execute("insert into t values (3, 5)");
        second.execute("insert into t values (4, 5)");
        first.commit();
        second.commit();
        return pair.a.one<int>("select count(*) from t where v = 5") == 2 ? Outcome::happens : Outcome::not_seen;
      });
    });
  });
}

// The third sees the second's write and not the first's, so that the second was before it and the first behind; but the
// first has not seen the second.
TEST_P(SqlIsolation, ReadOnlyAnomaly) {
  run([&](const Place& place) {
    at_each_level(place, declared().isolation, Anomaly::read_only_anomaly, [](Pair& pair, Isolation level) {
      auto first = pair.a.begin({.isolation = level});
      EXPECT_EQ(first.one<int>("select sum(v) from t"), 0);
      return outcome_of([&] {
        auto second = pair.b.begin({.isolation = level});
        second.execute("update t set v = 5 where id = 2");
        second.commit();
        auto third = pair.b.begin({.isolation = level, .read_only = true});
        const auto seen = third.one<int>("select sum(v) from t");
        third.commit();
        first.execute("update t set v = -1 where id = 1");
        first.commit();
        return seen == 5 ? Outcome::happens : Outcome::not_seen;
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
    for (const auto& level : declared().isolation.levels) {
      if (level.of(Anomaly::lost_update) == Outcome::happens) continue;
      db->script("delete from t; insert into t values (1, 0)");
      constexpr int kTasks = 4;
      constexpr int kEach = 25;
      std::vector<base::Task> tasks;
      for (int i = 0; i < kTasks; ++i) {
        tasks.push_back(place.runtime.spawn("increment", [&](const std::stop_token&) {
          for (int n = 0; n < kEach; ++n) {
            transact(*db,
                     {.isolation = level.level,
                      .retry = {.max_attempts = 1000, .backoff = {.cap = std::chrono::milliseconds(200)}}},
                     [](Transaction& tx) {
                       const auto seen = value(tx, 1);
                       tx.execute("update t set v = ? where id = 1", seen + 1);
                     });
          }
        }));
      }
      for (auto& task : tasks) task.join();
      EXPECT_EQ(db->one<int>("select v from t"), kTasks * kEach) << name(level.level);
    }
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

// What becomes of the classic anomalies between two connections (Berenson et al., "A Critique of ANSI SQL Isolation
// Levels", 1995), at each engine's default level, against what its documentation says.
#include <string>

#include "tidelock/sql/conformance/engines.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlIsolation);

// Two connections and a table of two rows, (1, 0) and (2, 0).
struct Pair {
  explicit Pair(const Place& place) : db(place.open("busy_timeout=20ms")) {
    db->script("create table t (id integer primary key, v integer); insert into t values (1, 0), (2, 0)");
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

TEST_P(SqlIsolation, DirtyRead) {
  run([&](const Place& place) {
    Pair pair(place);
    auto writer = pair.a.begin();
    writer.execute("update t set v = 1 where id = 1");
    EXPECT_EQ(outcome_of([&] { return value(pair.b, 1) == 0 ? Outcome::not_seen : Outcome::happens; }),
              declared().isolation.dirty_read)
        << declared().isolation.reference;
  });
}

TEST_P(SqlIsolation, NonRepeatableRead) {
  run([&](const Place& place) {
    Pair pair(place);
    auto reader = pair.a.begin({.read_only = true});
    EXPECT_EQ(value(reader, 1), 0);
    EXPECT_EQ(outcome_of([&] {
                pair.b.execute("update t set v = 1 where id = 1");
                return value(reader, 1) == 0 ? Outcome::not_seen : Outcome::happens;
              }),
              declared().isolation.non_repeatable_read)
        << declared().isolation.reference;
  });
}

TEST_P(SqlIsolation, Phantom) {
  run([&](const Place& place) {
    Pair pair(place);
    auto reader = pair.a.begin({.read_only = true});
    EXPECT_EQ(reader.one<int>("select count(*) from t where v = 0"), 2);
    EXPECT_EQ(outcome_of([&] {
                pair.b.execute("insert into t values (3, 0)");
                return reader.one<int>("select count(*) from t where v = 0") == 2 ? Outcome::not_seen
                                                                                  : Outcome::happens;
              }),
              declared().isolation.phantom)
        << declared().isolation.reference;
  });
}

// Both read 0 and add 1.
TEST_P(SqlIsolation, LostUpdate) {
  run([&](const Place& place) {
    Pair pair(place);
    auto first = pair.a.begin();
    const auto seen_first = value(first, 1);
    const auto outcome = outcome_of([&] {
      auto second = pair.b.begin();
      const auto seen_second = value(second, 1);
      first.execute("update t set v = ? where id = 1", seen_first + 1);
      first.commit();
      second.execute("update t set v = ? where id = 1", seen_second + 1);
      second.commit();
      return value(pair.a, 1) == 2 ? Outcome::not_seen : Outcome::happens;
    });
    EXPECT_EQ(outcome, declared().isolation.lost_update) << declared().isolation.reference;
    if (first.is_open()) first.commit();
    EXPECT_EQ(pair.b.one<int>("select 1"), 1);
  });
}

// Each sees both rows at 0 and sets the other one: no serial order ends with both at 1.
TEST_P(SqlIsolation, WriteSkew) {
  run([&](const Place& place) {
    Pair pair(place);
    auto first = pair.a.begin();
    EXPECT_EQ(first.one<int>("select sum(v) from t"), 0);
    const auto outcome = outcome_of([&] {
      auto second = pair.b.begin();
      EXPECT_EQ(second.one<int>("select sum(v) from t"), 0);
      first.execute("update t set v = 1 where id = 1");
      second.execute("update t set v = 1 where id = 2");
      first.commit();
      second.commit();
      return pair.a.one<int>("select sum(v) from t") == 2 ? Outcome::happens : Outcome::not_seen;
    });
    EXPECT_EQ(outcome, declared().isolation.write_skew) << declared().isolation.reference;
  });
}

// With transact() around it, no update is lost, whatever the engine does about the conflict.
TEST_P(SqlIsolation, IncrementsByManyTasksAreAllThere) {
  run([](const Place& place) {
    const auto db = place.open("max_connections=4&busy_timeout=60s");
    db->script("create table t (id integer primary key, v integer); insert into t values (1, 0)");
    constexpr int kTasks = 4;
    constexpr int kEach = 25;
    std::vector<base::Task> tasks;
    for (int i = 0; i < kTasks; ++i) {
      tasks.push_back(place.runtime.spawn("increment", [&](const std::stop_token&) {
        for (int n = 0; n < kEach; ++n) {
          transact(*db, {.retry = {.max_attempts = 1000, .backoff = {.cap = std::chrono::milliseconds(200)}}},
                   [](Transaction& tx) {
                     const auto seen = value(tx, 1);
                     tx.execute("update t set v = ? where id = 1", seen + 1);
                   });
        }
      }));
    }
    for (auto& task : tasks) task.join();
    EXPECT_EQ(db->one<int>("select v from t"), kTasks * kEach);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

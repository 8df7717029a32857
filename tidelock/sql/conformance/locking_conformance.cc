// Optimistic and pessimistic locking of rows, and what others see meanwhile.
#include <string>
#include <utility>
#include <vector>

#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/row_lock.h"
#include "tidelock/sql/versioned.h"

namespace tidelock::sql::conformance {
namespace {

using namespace std::chrono_literals;

TIDELOCK_SQL_CONFORMANCE(SqlLocking);

std::unique_ptr<Database> with_items(const Place& place, const std::string& parameters = {}) {
  auto db = place.open(parameters);
  db->script(
      "create table items (id integer primary key, stock integer not null, version integer not null, changed_at " +
      db->dialect().column_type(Kind::timestamp) + " not null)");
  db->execute("insert into items values (1, 10, 1, ?)", Timestamp());
  db->execute("insert into items values (2, 20, 1, ?)", Timestamp());
  return db;
}

int stock(Executor& on, int id) { return on.one<int>("select stock from items where id = ?", id); }

TEST_P(SqlLocking, OfTwoWhoReadOneVersionOneChangesTheRow) {
  run([](const Place& place) {
    const auto db = with_items(place);
    auto first = db->connect();
    auto second = db->connect();
    EXPECT_EQ(update_versioned(first, "items", {{"id", 1}}, 1, {{"stock", 9}}), 2);
    EXPECT_THROW_CODE(update_versioned(second, "items", {{"id", 1}}, 1, {{"stock", 8}}), Code::stale_version);
    EXPECT_EQ(stock(first, 1), 9);
    EXPECT_EQ(update_versioned(second, "items", {{"id", 1}}, 2, {{"stock", 7}}), 3);
    EXPECT_EQ(stock(first, 1), 7);
    EXPECT_EQ(stock(first, 2), 20);
  });
}

TEST_P(SqlLocking, OfTwoWhoReadOneMomentOneChangesTheRow) {
  run([](const Place& place) {
    const auto db = with_items(place);
    auto first = db->connect();
    auto second = db->connect();
    const auto changed = update_stamped(first, "items", {{"id", 1}}, Timestamp(), {{"stock", 9}});
    EXPECT_GT(changed, Timestamp());
    EXPECT_THROW_CODE(update_stamped(second, "items", {{"id", 1}}, Timestamp(), {{"stock", 8}}), Code::stale_version);
    EXPECT_EQ(second.one<Timestamp>("select changed_at from items where id = 1"), changed);
    // Whatever the clock says, the next moment is a later one.
    const auto future = std::chrono::floor<std::chrono::seconds>(changed) + 24h + 1us;
    second.execute("update items set changed_at = ? where id = 1", future);
    EXPECT_EQ(update_stamped(second, "items", {{"id", 1}}, future, {{"stock", 7}}), future + 1us);
    EXPECT_EQ(stock(first, 1), 7);
  });
}

// A change within the second in which the row was changed last must not leave the moment that others have read.
TEST_P(SqlLocking, OfTwoWhoReadOneMomentOneChangesTheRowWhereItKeepsWholeSecondsOnly) {
  run([&](const Place& place) {
    const auto db = place.open();
    const auto type = declared().whole_seconds.value_or(db->dialect().column_type(Kind::timestamp));
    db->script("create table items (id integer primary key, stock integer not null, changed_at " + type + " not null)");
    auto first = db->connect();
    auto second = db->connect();
    const auto moment = [&] { return first.one<Timestamp>("select changed_at from items where id = 1"); };
    // The second that has begun, so that the clock does not get behind it before the row is changed.
    const auto second_of_now = std::chrono::floor<std::chrono::seconds>(place.runtime.wall_now());
    db->execute("insert into items values (1, 10, ?)", Timestamp(second_of_now));
    for (int i = 0; i < 4; ++i) {
      const auto seen = moment();
      EXPECT_GE(update_stamped(first, "items", {{"id", 1}}, seen, {{"stock", i}}), seen + 1us);
      EXPECT_GT(moment(), seen);
      EXPECT_THROW_CODE(update_stamped(second, "items", {{"id", 1}}, seen, {{"stock", 8}}), Code::stale_version);
      EXPECT_EQ(stock(second, 1), i);
    }
  });
}

// Where a transaction sees the rows as they were when it began, its own condition meets the version that it has read:
// the engine finds the other's change itself. Where it sees them as they are now, the condition finds it.
TEST_P(SqlLocking, WhoLosesInATransactionIsToldToRunItAgain) {
  run([&](const Place& place) {
    const auto db = with_items(place, "busy_timeout=200ms");
    for (const auto& level : declared().isolation.levels) {
      db->execute("update items set stock = 10, version = 1 where id = 1");
      auto winner = db->connect();
      auto loser = db->connect();
      auto tx = loser.begin({.isolation = level.level});
      EXPECT_EQ(tx.one<int>("select version from items where id = 1"), 1);
      try {
        update_versioned(winner, "items", {{"id", 1}}, 1, {{"stock", 9}});
      } catch (const Error& error) {  // Who reads keeps others from writing: there is nobody who could win.
        EXPECT_EQ(error.code(), Code::database_locked) << error.what();
        continue;
      }
      const bool sees_others = level.of(Anomaly::lost_update) == Outcome::happens;
      EXPECT_THROW_CODE(
          {
            update_versioned(tx, "items", {{"id", 1}}, 1, {{"stock", 8}});
            tx.commit();
          },
          sees_others ? Code::stale_version : Code::serialization_failure);
      tx.rollback();
      EXPECT_EQ(stock(winner, 1), 9);
    }
  });
}

TEST_P(SqlLocking, AStaleVersionSaysWhichRow) {
  run([](const Place& place) {
    const auto db = with_items(place);
    auto connection = db->connect();
    try {
      update_versioned(connection, "items", {{"id", 1}}, 7, {{"stock", 9}});
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::stale_version);
      EXPECT_EQ(error.disposition(), Disposition::rerun_unit);
      for (const auto* const part : {"items", "id = 1", "version 7"}) {
        EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
      }
    }
    EXPECT_THROW_CODE(update_versioned(connection, "items", {{"id", 9}}, 1, {{"stock", 9}}), Code::not_found);
    EXPECT_THROW_CODE(update_versioned(connection, "items", {}, 1, {{"stock", 9}}), Code::invalid_argument);
    {
      auto tx = connection.begin();
      EXPECT_THROW_CODE(update_versioned(tx, "items", {{"version", 1}}, 1, {{"stock", 9}}), Code::invalid_argument);
    }
    EXPECT_EQ(stock(connection, 1), 10);
  });
}

// A name with a quote in it stays a name.
TEST_P(SqlLocking, NamesAreQuoted) {
  run([](const Place& place) {
    const auto db = place.open();
    const auto table = db->dialect().quote("order \"of\" `the` day");
    db->script("create table " + table + " (id integer primary key, \"select\" integer, version integer)");
    db->execute("insert into " + table + " values (1, 0, 1)");
    auto connection = db->connect();
    EXPECT_EQ(update_versioned(connection, table, {{"id", 1}}, 1, {{"select", 5}}), 2);
    EXPECT_EQ(connection.one<int>("select \"select\" from " + table), 5);
    EXPECT_THROW_CODE(update_versioned(connection, "order of the day", {{"id", 1}}, 2, {{"select", 6}}),
                      Code::invalid_argument);
  });
}

TEST_P(SqlLocking, ATableMayBeNamedWithItsSchema) {
  run([&](const Place& place) {
    const auto db = with_items(place);
    auto connection = db->connect();
    const auto table = connection.one<std::string>(declared().schema) + ".items";
    EXPECT_EQ(update_versioned(connection, table, {{"id", 1}}, 1, {{"stock", 9}}), 2);
    EXPECT_THROW_CODE(update_versioned(connection, table, {{"id", 1}}, 1, {{"stock", 8}}), Code::stale_version);
    if (!db->dialect().row_locks.lock_table) return;
    auto tx = connection.begin();
    lock_table(tx, table);
    tx.commit();
  });
}

TEST_P(SqlLocking, EveryOptimisticIncrementIsThere) {
  run([](const Place& place) {
    const auto db = with_items(place, "max_connections=4&busy_timeout=60s");
    constexpr int kTasks = 4;
    constexpr int kEach = 10;
    std::vector<base::Task> tasks;
    for (int i = 0; i < kTasks; ++i) {
      tasks.push_back(place.runtime.spawn("increment", [&](const std::stop_token&) {
        for (int n = 0; n < kEach; ++n) {
          transact(*db, {.retry = {.max_attempts = 1000, .backoff = {.cap = 100ms}}}, [](Transaction& tx) {
            const auto version = tx.one<std::int64_t>("select version from items where id = 1");
            update_versioned(tx, "items", {{"id", 1}}, version, {{"stock", stock(tx, 1) + 1}});
          });
        }
      }));
    }
    for (auto& task : tasks) task.join();
    auto connection = db->connect();
    EXPECT_EQ(stock(connection, 1), 10 + kTasks * kEach);
    EXPECT_EQ(connection.one<int>("select version from items where id = 1"), 1 + kTasks * kEach);
  });
}

// On each engine, by the strongest lock of a row it has: a plain read neither waits nor sees what is not committed.
TEST_P(SqlLocking, APlainReadSeesTheLastCommitWhileARowIsLocked) {
  run([](const Place& place) {
    const auto db = with_items(place);
    auto writer = db->connect();
    auto reader = db->connect();
    auto tx = writer.begin();
    if (db->dialect().row_locks.for_update) {
      EXPECT_EQ(tx.one<int>("select stock from items where id = 1" + for_update(tx)), 10);
    }
    EXPECT_EQ(stock(reader, 1), 10);
    tx.execute("update items set stock = 5 where id = 1");
    EXPECT_EQ(stock(reader, 1), 10);
    tx.commit();
    EXPECT_EQ(stock(reader, 1), 5);
  });
}

TEST_P(SqlLocking, LocksThatAnEngineHasNoneOfAreRefusedWithTheReason) {
  run([](const Place& place) {
    const auto db = with_items(place);
    const auto& locks = db->dialect().row_locks;
    auto connection = db->connect();
    auto tx = connection.begin();
    const auto check = [&](const Clause& clause, auto&& call) {
      if (clause) {
        EXPECT_NO_THROW(call());
        return;
      }
      try {
        call();
        ADD_FAILURE() << "nothing was thrown";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::unsupported) << error.what();
        EXPECT_FALSE(clause.note.empty());
        EXPECT_NE(error.message().find(clause.note), std::string::npos) << error.what();
      }
    };
    check(locks.for_update, [&] { for_update(tx); });
    check(locks.for_share, [&] { for_share(tx); });
    if (locks.for_update) {
      check(locks.skip_locked, [&] { for_update(tx, IfLocked::skip); });
      check(locks.nowait, [&] { for_share(tx, IfLocked::fail); });
    }
    check(locks.lock_table, [&] { lock_table(tx, "items"); });
  });
}

TEST_P(SqlLocking, WorkersTakeDifferentRowsOfAQueue) {
  run([](const Place& place) {
    const auto db = with_items(place);
    if (!db->dialect().row_locks.skip_locked) return;
    auto first = db->connect();
    auto second = db->connect();
    auto one = first.begin();
    auto two = second.begin();
    const auto next = "select id from items order by id limit 1" + for_update(one, IfLocked::skip);
    EXPECT_EQ(one.one<int>(next), 1);
    EXPECT_EQ(two.one<int>(next), 2);
    auto third = db->connect();
    EXPECT_EQ(third.maybe<int>(next), std::nullopt);
    EXPECT_THROW_CODE(third.one<int>("select id from items where id = 1" + for_update(third, IfLocked::fail)),
                      Code::database_locked);
  });
}

TEST_P(SqlLocking, SharedLocksLetEachOtherInAndKeepWritersOut) {
  run([](const Place& place) {
    const auto db = with_items(place, "busy_timeout=50ms");
    if (!db->dialect().row_locks.for_share) return;
    auto first = db->connect();
    auto second = db->connect();
    auto one = first.begin();
    auto two = second.begin();
    EXPECT_EQ(one.one<int>("select stock from items where id = 1" + for_share(one)), 10);
    EXPECT_EQ(two.one<int>("select stock from items where id = 1" + for_share(two, IfLocked::fail)), 10);
    EXPECT_THROW_CODE(db->execute("update items set stock = 1 where id = 1"), Code::database_locked);
  });
}

TEST_P(SqlLocking, ALockedTableIsNotWrittenByOthers) {
  run([](const Place& place) {
    const auto db = with_items(place, "busy_timeout=50ms");
    if (!db->dialect().row_locks.lock_table) return;
    auto connection = db->connect();
    auto tx = connection.begin();
    lock_table(tx, "items");
    EXPECT_THROW_CODE(db->execute("update items set stock = 1 where id = 2"), Code::database_locked);
    tx.execute("update items set stock = 3 where id = 2");
    tx.commit();
    EXPECT_EQ(db->execute("update items set stock = 1 where id = 2"), 1);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

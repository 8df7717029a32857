// Transactions: all or nothing, savepoints, read-only, positions, hooks, and running a unit again.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "tidelock/sql/conformance/engines.h"

namespace tidelock::sql::conformance {
namespace {

using namespace std::chrono_literals;

TIDELOCK_SQL_CONFORMANCE(SqlTransactions);

std::unique_ptr<Database> with_table(const Place& place, const std::string& parameters = {}) {
  auto db = place.open(parameters);
  db->script("create table t (a integer primary key, b varchar(100))");
  return db;
}

std::int64_t count(Database& db) { return db.one<std::int64_t>("select count(*) from t"); }

TEST_P(SqlTransactions, WhatIsCommittedStaysAndTheRestDoesNot) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    {
      auto tx = connection.begin();
      tx.execute("insert into t values (1, 'kept')");
      tx.commit();
      EXPECT_FALSE(tx.is_open());
      EXPECT_THROW_CODE(tx.execute("insert into t values (2, 'late')"), Code::misuse);
      EXPECT_THROW_CODE(tx.commit(), Code::misuse);
      EXPECT_THROW_CODE(tx.savepoint(), Code::misuse);
      EXPECT_THROW_CODE(tx.after_commit([] {}), Code::misuse);
      tx.rollback();
    }
    {
      auto tx = connection.begin();
      tx.execute("insert into t values (3, 'dropped')");
    }
    {
      auto tx = connection.begin();
      tx.execute("insert into t values (4, 'rolled back')");
      tx.rollback();
      EXPECT_THROW_CODE(tx.commit(), Code::misuse);
    }
    EXPECT_EQ(connection.one<std::string>("select b from t"), "kept");
  });
}

TEST_P(SqlTransactions, WhatOutlivesItsTransactionIsMisused) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    auto tx = connection.begin();
    auto insert = tx.prepare("insert into t values (?, 'x')");
    insert.execute(1);
    EXPECT_THROW_CODE(connection.execute("delete from t"), Code::misuse);  // It is the transaction's now.
    EXPECT_THROW_CODE(connection.begin(), Code::misuse);
    auto rows = tx.query("select a from t");
    EXPECT_THROW_CODE(tx.commit(), Code::misuse);  // Rows are still read; and that ends it.
    EXPECT_THROW_CODE(rows.next(), Code::misuse);
    EXPECT_THROW_CODE(insert.execute(2), Code::misuse);
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);

    auto open = connection.begin();
    open.execute("insert into t values (5, 'x')");
    { const auto given_back = std::move(connection); }
    EXPECT_THROW_CODE(open.commit(), Code::misuse);
    EXPECT_EQ(count(*db), 0);
  });
}

TEST_P(SqlTransactions, SavepointsNest) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    auto tx = connection.begin();
    if (!db->dialect().savepoints) {
      EXPECT_FALSE(db->dialect().savepoints_note.empty());
      EXPECT_THROW_CODE(tx.savepoint(), Code::unsupported);
      tx.execute("insert into t values (1, 'x')");
      tx.commit();
      EXPECT_EQ(count(*db), 1);
      return;
    }
    tx.execute("insert into t values (1, 'outside')");
    {
      auto outer = tx.savepoint();
      tx.execute("insert into t values (2, 'outer')");
      {
        auto inner = tx.savepoint();
        tx.execute("insert into t values (3, 'inner')");
      }  // Taken back.
      EXPECT_EQ(tx.one<int>("select count(*) from t"), 2);
      {
        auto inner = tx.savepoint();
        tx.execute("insert into t values (4, 'inner')");
        inner.release();
        EXPECT_THROW_CODE(inner.release(), Code::misuse);
      }
      auto lost = tx.savepoint();
      outer.release();
      EXPECT_THROW_CODE(lost.release(), Code::misuse);
    }
    auto back = tx.savepoint();
    tx.execute("delete from t");
    back.rollback();
    tx.commit();
    EXPECT_EQ(count(*db), 3);
  });
}

TEST_P(SqlTransactions, AFailedStatementPoisonsWhereTheEngineSaysSo) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    auto tx = connection.begin();
    tx.execute("insert into t values (1, 'x')");
    EXPECT_THROW_CODE(tx.execute("insert into t values (1, 'y')"), Code::constraint_violation);
    if (db->dialect().poisoned_by_error) {
      EXPECT_THROW_CODE(tx.execute("insert into t values (2, 'z')"), Code::constraint_violation);
      EXPECT_THROW_CODE(tx.one<int>("select 1"), Code::constraint_violation);
      EXPECT_THROW_CODE(tx.commit(), Code::constraint_violation);
      EXPECT_EQ(count(*db), 0);
    } else {
      tx.execute("insert into t values (2, 'z')");
      tx.commit();
      EXPECT_EQ(count(*db), 2);
    }
    EXPECT_EQ(connection.one<int>("select 1"), 1);  // The connection is as good as new.
  });
}

TEST_P(SqlTransactions, AReadOnlyTransactionReadsASnapshotAndWritesNothing) {
  run([&](const Place& place) {
    const auto& levels = declared().isolation.levels;
    const auto snapshot = std::ranges::find_if(levels, [](const Level& level) {
                            return level.of(Anomaly::non_repeatable_read) == Outcome::not_seen;
                          })->level;  // Every engine has one.
    const auto db = with_table(place);
    auto reader = db->connect();
    auto tx = reader.begin({.isolation = snapshot, .read_only = true});
    EXPECT_EQ(tx.one<int>("select count(*) from t"), 0);
    db->execute("insert into t values (1, 'x')");  // No reader waits for a writer, and no writer for a reader.
    EXPECT_EQ(tx.one<int>("select count(*) from t"), 0);
    EXPECT_THROW_CODE(tx.execute("insert into t values (2, 'y')"), Code::read_only);
    tx.rollback();
    auto again = reader.begin({.read_only = true});
    EXPECT_THROW_CODE(again.execute("create table u (a integer)"), Code::read_only);
    again.rollback();
    auto last = reader.begin({.read_only = true});
    EXPECT_EQ(last.one<int>("select count(*) from t"), 1);
    EXPECT_TRUE(last.commit().empty());
  });
}

TEST_P(SqlTransactions, AnIsolationLevelThatIsMissingIsRefused) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    const auto& dialect = db->dialect();
    for (const auto level : {Isolation::read_uncommitted, Isolation::read_committed, Isolation::repeatable_read,
                             Isolation::snapshot, Isolation::serializable}) {
      if (dialect.has(level)) {
        auto tx = connection.begin({.isolation = level});
        tx.execute("insert into t values (?, 'x')", static_cast<int>(level));
        tx.commit();
      } else {
        EXPECT_THROW_CODE(connection.begin({.isolation = level}), Code::unsupported);
        EXPECT_FALSE(dialect.isolation_note.empty());
      }
    }
    EXPECT_EQ(count(*db), static_cast<std::int64_t>(dialect.isolation_levels.size()));
  });
}

TEST_P(SqlTransactions, PositionsAreInTheOrderOfCommits) {
  run([](const Place& place) {
    const auto db = with_table(place);
    const auto& dialect = db->dialect();
    auto connection = db->connect();
    const auto commit = [&](int a) {
      auto tx = connection.begin();
      tx.execute("insert into t values (?, 'x')", a);
      return tx.commit();
    };
    if (!dialect.commit_position) {
      EXPECT_TRUE(commit(1).empty());
      EXPECT_FALSE(dialect.position_note.empty());
      return;
    }
    Position last;
    auto other = db->connect();
    for (int i = 0; i < 20; ++i) {
      const auto next = commit(i);
      ASSERT_FALSE(next.empty());
      if (!last.empty()) {
        EXPECT_TRUE(dialect.compare_positions(last, next) < 0) << last.text << " " << next.text;
        EXPECT_TRUE(dialect.compare_positions(next, last) > 0);
      }
      EXPECT_TRUE(dialect.compare_positions(next, next) == 0);
      last = next;
      std::swap(connection, other);
    }
    auto nothing = connection.begin();
    EXPECT_TRUE(nothing.commit().empty());
    EXPECT_EQ(dialect.compare_positions(last, Position{"nonsense"}), std::partial_ordering::unordered);
  });
}

TEST_P(SqlTransactions, ACommitWithoutItsPositionIsACommit) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    int told = 0;
    for (const int a : {1, 2}) {
      auto tx = connection.begin();
      tx.execute("insert into t values (?, 'x')", a);
      tx.after_commit([&] { ++told; });
      tx.commit_without_position();
      EXPECT_FALSE(tx.is_open());
      EXPECT_THROW_CODE(tx.commit_without_position(), Code::misuse);
    }
    EXPECT_EQ(told, 2);
    EXPECT_EQ(db->connect().one<int>("select count(*) from t"), 2);
  });
}

TEST_P(SqlTransactions, HooksRunOnceTheCommitIsCertain) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    std::vector<std::string> told;
    {
      auto tx = connection.begin();
      tx.execute("insert into t values (1, 'x')");
      tx.after_commit([&] { told.emplace_back("first"); });
      tx.after_commit([&] { throw std::runtime_error("a hook that fails"); });
      tx.after_commit(
          [&] { told.push_back("rows: " + std::to_string(connection.one<int>("select count(*) from t"))); });
      EXPECT_TRUE(told.empty());
      tx.commit();
    }
    EXPECT_EQ(told, (std::vector<std::string>{"first", "rows: 1"}));
    {
      auto tx = connection.begin();
      tx.after_commit([&] { told.emplace_back("never"); });
    }
    {
      auto tx = connection.begin();
      tx.after_commit([&] { told.emplace_back("never"); });
      auto rows = tx.query("select 1");
      EXPECT_THROW_CODE(tx.commit(), Code::misuse);
    }
    EXPECT_EQ(told.size(), 2U);
  });
}

TEST_P(SqlTransactions, TransactCommitsAndReturnsWhatTheUnitReturned) {
  run([](const Place& place) {
    const auto db = with_table(place);
    const auto rows = transact(*db, [](Transaction& tx) {
      tx.execute("insert into t values (1, 'x')");
      return tx.one<int>("select count(*) from t");
    });
    EXPECT_EQ(rows, 1);
    EXPECT_EQ(count(*db), 1);
    transact(*db, {.read_only = true}, [](Transaction& tx) {
      EXPECT_THROW_CODE(tx.execute("delete from t"), Code::read_only);
      tx.rollback();
    });
    EXPECT_EQ(count(*db), 1);
  });
}

TEST_P(SqlTransactions, TransactRollsBackWhenTheUnitThrows) {
  run([](const Place& place) {
    const auto db = with_table(place);
    struct Mine : std::runtime_error {
      using std::runtime_error::runtime_error;
    };
    int runs = 0;
    try {
      transact(*db, [&](Transaction& tx) {
        ++runs;
        tx.execute("insert into t values (1, 'x')");
        throw Mine("unchanged");
      });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Mine& error) {
      EXPECT_STREQ(error.what(), "unchanged");
    }
    EXPECT_THROW_CODE(transact(*db, [&](Transaction& tx) { tx.execute("insert into nowhere values (1)"); }),
                      Code::statement_invalid);
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(count(*db), 0);
    EXPECT_EQ(db->pool_state().in_use, 0U);
  });
}

TEST_P(SqlTransactions, TransactRunsTheUnitAgainWhenItLostAConflict) {
  run([](const Place& place) {
    const auto db = with_table(place);
    int runs = 0;
    int hooks = 0;
    transact(*db, {.retry = {.max_attempts = 3, .backoff = {.base = 1us, .cap = 1us}}}, [&](Transaction& tx) {
      tx.execute("insert into t values (?, 'x')", ++runs);
      tx.after_commit([&] { ++hooks; });
      EXPECT_EQ(db->pool_state().in_use, 1U);
      if (runs < 3) throw Error(Code::serialization_failure, "lost");
    });
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(hooks, 1);
    EXPECT_EQ(db->one<int>("select a from t"), 3);

    runs = 0;
    EXPECT_THROW_CODE(transact(*db, {.retry = {.max_attempts = 2, .backoff = {.base = 1us, .cap = 1us}}},
                               [&](Transaction&) {
                                 ++runs;
                                 throw Error(Code::deadlock, "always");
                               }),
                      Code::deadlock);
    EXPECT_EQ(runs, 2);
  });
}

TEST_P(SqlTransactions, TransactNeverRepeatsAnUnknownOutcome) {
  run([](const Place& place) {
    const auto db = with_table(place);
    int runs = 0;
    EXPECT_THROW_CODE(transact(*db, {.retry = {.max_attempts = 5, .idempotent = true}},
                               [&](Transaction&) {
                                 ++runs;
                                 throw Error(Code::unknown_outcome, "who knows");
                               }),
                      Code::unknown_outcome);
    EXPECT_EQ(runs, 1);
  });
}

TEST_P(SqlTransactions, TransactStopsOnRequest) {
  run([](const Place& place) {
    const auto db = with_table(place);
    std::stop_source stop;
    EXPECT_THROW_CODE(transact(*db, {.stop = stop.get_token()},
                               [&](Transaction& tx) {
                                 tx.execute("insert into t values (1, 'x')");
                                 stop.request_stop();
                                 tx.execute("insert into t values (2, 'x')");
                               }),
                      Code::cancelled);
    EXPECT_THROW_CODE(transact(*db, {.stop = stop.get_token()}, [](Transaction&) {}), Code::cancelled);
    EXPECT_EQ(count(*db), 0);
  });
}

TEST_P(SqlTransactions, BulkRowsBelongToTheTransaction) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    {
      auto tx = connection.begin();
      auto bulk = tx.bulk("t", {"b", "a"});
      for (int i = 0; i < 5000; ++i) bulk.append("row", i);
      EXPECT_THROW_CODE(bulk.append("row"), Code::invalid_argument);
      EXPECT_THROW_CODE(bulk.append("a\xff", 1), Code::invalid_argument);
      EXPECT_THROW_CODE(tx.execute("delete from t"), Code::misuse);
      EXPECT_EQ(bulk.finish(), 5000);
      EXPECT_THROW_CODE(bulk.append("row", 1), Code::misuse);
      EXPECT_EQ(tx.one<int>("select count(*) from t"), 5000);
      tx.rollback();
    }
    EXPECT_EQ(count(*db), 0);
    {
      auto tx = connection.begin();
      auto bulk = tx.bulk("t", {"a"});
      bulk.append(1);
      bulk.finish();
      tx.commit();
    }
    EXPECT_EQ(count(*db), 1);
    {
      auto tx = connection.begin();
      {
        auto bulk = tx.bulk("t", {"a"});
        bulk.append(2);
      }  // Not finished.
      EXPECT_THROW_CODE(tx.commit(), Code::misuse);
    }
    EXPECT_EQ(count(*db), 1);
  });
}

TEST_P(SqlTransactions, BulkOnAConnectionIsATransactionOfItsOwn) {
  run([](const Place& place) {
    const auto db = with_table(place);
    auto connection = db->connect();
    {
      auto bulk = connection.bulk("t", {"a", "b"});
      for (int i = 0; i < 3000; ++i) bulk.append(i, std::optional<std::string>());
    }
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
    auto bulk = connection.bulk("t", {"a", "b"});
    for (int i = 0; i < 3000; ++i) bulk.append(i, "x");
    EXPECT_EQ(bulk.finish(), 3000);
    EXPECT_EQ(connection.one<int>("select count(*) from t where b = 'x'"), 3000);
    EXPECT_THROW_CODE(connection.bulk("nowhere", {"a"}), Code::statement_invalid);
    EXPECT_THROW_CODE(connection.bulk("t", {"nothing"}), Code::statement_invalid);
    EXPECT_THROW_CODE(connection.bulk("t", {}), Code::invalid_argument);
    EXPECT_EQ(connection.one<int>("select 1"), 1);
    if (!db->dialect().savepoints) return;
    auto tx = connection.begin();
    tx.execute("insert into t values (9000, 'y')");
    auto savepoint = tx.savepoint();
    EXPECT_THROW_CODE(tx.bulk("nowhere", {"a"}), Code::statement_invalid);
    savepoint.rollback();
    tx.commit();
    EXPECT_EQ(connection.one<int>("select count(*) from t where b = 'y'"), 1);
  });
}

TEST_P(SqlTransactions, ABulkConstraintViolationLeavesNothing) {
  run([](const Place& place) {
    const auto db = with_table(place);
    db->execute("insert into t values (7, 'x')");
    auto connection = db->connect();
    EXPECT_THROW_CODE(
        {
          auto bulk = connection.bulk("t", {"a", "b"});
          for (int i = 0; i < 10; ++i) bulk.append(i, "y");
          bulk.finish();
        },
        Code::constraint_violation);
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 1);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

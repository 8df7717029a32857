// How transactions and savepoints end, over an engine that fails as told.
#include "tidelock/sql/transaction.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/fake_engine.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using testing::make_fake;
using testing::Script;

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

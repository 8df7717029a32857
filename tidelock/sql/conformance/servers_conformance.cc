// What not every engine has: waits for locks with a limit, commit in two phases, session ids, liveness, notifications.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/sql/conformance/engines.h"

namespace tidelock::sql::conformance {
namespace {

using namespace std::chrono_literals;

TIDELOCK_SQL_CONFORMANCE(SqlServers);

// The refusal names the engine and says why.
template <typename Call>
void expect_refused(const Dialect& dialect, const std::string& note, Call&& call) {
  EXPECT_FALSE(note.empty());
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported) << error.what();
    EXPECT_NE(error.message().find(dialect.engine), std::string::npos) << error.what();
    EXPECT_NE(error.message().find(note), std::string::npos) << error.what();
  }
}

TEST_P(SqlServers, WhatTheEngineLacksIsRefusedWithTheReason) {
  run([](const Place& place) {
    const auto db = place.open();
    const auto& dialect = db->dialect();
    auto connection = db->connect();
    if (!dialect.lock_timeout) {
      expect_refused(dialect, dialect.lock_timeout.note, [&] { connection.begin({.lock_timeout = 1s}); });
    }
    if (!dialect.session_id) {
      expect_refused(dialect, dialect.session_id.note, [&] { connection.session_id(); });
    }
    if (!dialect.notifications) {
      expect_refused(dialect, dialect.notifications.note, [&] { connection.listen("news"); });
      expect_refused(dialect, dialect.notifications.note,
                     [&] { connection.wait_for_notification(place.runtime.now()); });
    }
    if (!dialect.two_phase) {
      expect_refused(dialect, dialect.two_phase.note, [&] { connection.begin({.xid = "order-7"}); });
      expect_refused(dialect, dialect.two_phase.note, [&] { db->commit_prepared("order-7"); });
      expect_refused(dialect, dialect.two_phase.note, [&] { db->rollback_prepared("order-7"); });
      expect_refused(dialect, dialect.two_phase.note, [&] { db->prepared_transactions(); });
    }
    const auto& locks = dialect.row_locks;
    for (const auto* const clause :
         {&locks.for_update, &locks.for_share, &locks.skip_locked, &locks.nowait, &locks.lock_table}) {
      if (*clause) continue;
      expect_refused(dialect, clause->note, [&] { dialect.require(*clause, "such lock"); });
    }
    EXPECT_EQ(connection.one<int>("select 1"), 1);
  });
}

TEST_P(SqlServers, AConnectionThatAnswersIsAlive) {
  run([](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    EXPECT_TRUE(connection.is_alive(place.runtime.in(10s)));
    {
      auto tx = connection.begin();
      EXPECT_THROW_CODE(connection.is_alive(place.runtime.in(10s)), Code::misuse);
    }
    auto rows = connection.query("select 1");
    EXPECT_THROW_CODE(connection.is_alive(place.runtime.in(10s)), Code::misuse);
    rows.finish();
    if (!db->dialect().session_id) return;
    const auto other = db->connect();
    EXPECT_NE(connection.session_id(), other.session_id());
  });
}

TEST_P(SqlServers, OptionsThatMeanNothingAreRefused) {
  run([](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    const auto& dialect = db->dialect();
    if (dialect.lock_timeout) {
      EXPECT_THROW_CODE(connection.begin({.lock_timeout = -1ns}), Code::invalid_argument);
    }
    auto plain = connection.begin();
    EXPECT_THROW_CODE(plain.prepare_commit(), Code::misuse);  // It has no name to be found under.
    EXPECT_FALSE(plain.is_open());
    if (!dialect.two_phase) return;
    for (const auto& xid : {std::string("a b"), std::string("it's"), std::string(kXidBytesMost + 1, 'x')}) {
      EXPECT_THROW_CODE(connection.begin({.xid = xid}), Code::invalid_argument);
    }
    EXPECT_THROW_CODE(db->commit_prepared("nobody-prepared-this"), Code::not_found);
    EXPECT_THROW_CODE(db->rollback_prepared("nobody-prepared-this"), Code::not_found);
  });
}

// How long each transaction waits is its own; afterwards the connection waits as before.
TEST_P(SqlServers, AWaitForALockEndsAfterItsTime) {
  run([](const Place& place) {
    const auto db = place.open("busy_timeout=20s");
    if (!db->dialect().lock_timeout) return;
    db->script("create table t (id integer primary key, v integer); insert into t values (1, 0)");
    auto first = db->connect();
    auto second = db->connect();
    auto writer = first.begin();
    writer.execute("update t set v = 1 where id = 1");
    const auto before = place.runtime.now();
    EXPECT_THROW_CODE(
        {
          auto tx = second.begin({.lock_timeout = 20ms});
          tx.execute("update t set v = 2 where id = 1");
        },
        Code::database_locked);
    EXPECT_GE(place.runtime.now() - before, 20ms);
    EXPECT_LT(place.runtime.now() - before, 15s);
    EXPECT_THROW_CODE(
        {
          auto tx = second.begin({.lock_timeout = 0ns});
          tx.execute("update t set v = 2 where id = 1");
        },
        Code::database_locked);
    writer.commit();
    second.execute("update t set v = v + 10 where id = 1");
    EXPECT_EQ(second.one<int>("select v from t"), 11);
  });
}

// Which prepares it, and waits for the table there already.
TEST_P(SqlServers, TheFirstRunOfATextHasTheTimeOfAStatement) {
  run([](const Place& place) {
    const auto db = place.open("busy_timeout=20s");
    if (!db->dialect().is_server) return;
    db->script("create table t (a integer); insert into t values (1)");
    auto reader = db->connect();
    auto reads = reader.begin();
    reads.one<int>("select count(*) from t");
    auto waiter = db->connect();
    waiter.set_statement_timeout(100ms);
    auto changer = place.runtime.spawn(
        "changer", [&](const std::stop_token&) { db->script("alter table t add column b integer"); });
    std::optional<Code> met;
    const auto deadline = place.runtime.in(30s);
    for (int i = 0; !met && !deadline.passed(place.runtime.now()); ++i) {  // Until it stands in line.
      try {
        waiter.one<int>("select count(*) as n" + std::to_string(i) + " from t");
        place.runtime.yield();
      } catch (const Error& error) {
        met = error.code();
      }
    }
    EXPECT_EQ(met, Code::timeout);
    reads.rollback();
    changer.join();
    EXPECT_EQ(waiter.one<int>("select count(b) from t"), 0);
  });
}

TEST_P(SqlServers, WhatWasPreparedIsCommittedOrRolledBackFromAnotherConnection) {
  run([](const Place& place) {
    const auto db = place.open();
    if (!db->dialect().two_phase) return;
    db->script("create table t (a integer primary key)");
    const auto prepare = [&](const std::string& xid, int a) {
      auto connection = db->connect();
      auto tx = connection.begin({.xid = xid});
      tx.execute("insert into t values (?)", a);
      tx.after_commit([] { ADD_FAILURE() << "it is not committed"; });
      tx.prepare_commit();
      EXPECT_FALSE(tx.is_open());
      EXPECT_THROW_CODE(tx.commit(), Code::misuse);
    };
    const auto listed = [&] {
      std::vector<std::string> xids;
      for (const auto& prepared : db->prepared_transactions()) xids.push_back(prepared.xid);
      std::ranges::sort(xids);
      return xids;
    };
    prepare("kept:1", 1);
    prepare("dropped:2", 2);
    EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
    EXPECT_EQ(listed(), (std::vector<std::string>{"dropped:2", "kept:1"}));
    EXPECT_THROW_CODE(prepare("kept:1", 3), Code::already_exists);
    db->rollback_prepared("dropped:2");
    const auto position = db->commit_prepared("kept:1");
    EXPECT_EQ(position.empty(), !db->dialect().commit_position);
    EXPECT_THROW_CODE(db->commit_prepared("kept:1"), Code::not_found);
    EXPECT_TRUE(listed().empty());
    EXPECT_EQ(db->one<int>("select a from t"), 1);

    auto connection = db->connect();
    auto plain = connection.begin({.xid = "one-phase"});  // Named, and not prepared.
    plain.execute("insert into t values (9)");
    plain.commit();
    auto undone = connection.begin({.xid = "undone"});
    undone.execute("insert into t values (10)");
    undone.rollback();
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 2);
    EXPECT_TRUE(listed().empty());
  });
}

// What a plain read sees while a row is locked, and what others who want it do.
TEST_P(SqlServers, ARowIsLockedForItsUpdate) {
  run([](const Place& place) {
    const auto db = place.open("busy_timeout=50ms");
    const auto& locks = db->dialect().row_locks;
    if (!locks.for_update) return;
    db->script("create table t (id integer primary key, v integer); insert into t values (1, 0), (2, 0)");
    auto first = db->connect();
    auto second = db->connect();
    auto tx = first.begin();
    EXPECT_EQ(tx.one<int>("select v from t where id = 1 " + locks.for_update.sql), 0);
    tx.execute("update t set v = 1 where id = 1");
    EXPECT_EQ(second.one<int>("select v from t where id = 1"), 0);  // A plain read waits for nobody.
    EXPECT_THROW_CODE(second.one<int>("select v from t where id = 1 " + locks.for_update.sql), Code::database_locked);
    if (locks.for_share) {
      EXPECT_THROW_CODE(second.one<int>("select v from t where id = 1 " + locks.for_share.sql), Code::database_locked);
    }
    if (locks.nowait) {
      EXPECT_THROW_CODE(
          second.one<int>("select v from t where id = 1 " + locks.for_update.sql + " " + locks.nowait.sql),
          Code::database_locked);
    }
    if (locks.skip_locked) {
      EXPECT_EQ(
          second.one<int>("select id from t order by id limit 1 " + locks.for_update.sql + " " + locks.skip_locked.sql),
          2);
    }
    tx.commit();
    EXPECT_EQ(second.one<int>("select v from t where id = 1 " + locks.for_update.sql), 1);
  });
}

TEST_P(SqlServers, NotificationsArriveInTheirOrder) {
  run([](const Place& place) {
    const auto db = place.open();
    if (!db->dialect().notifications) return;
    auto listener = db->connect();
    listener.listen("Stock \"7\"");
    EXPECT_EQ(listener.wait_for_notification(place.runtime.in(1ms)).has_value(), false);
    {
      auto connection = db->connect();
      auto tx = connection.begin();
      tx.one<Value>("select pg_notify(?, ?)::text", "Stock \"7\"", "first");
      tx.one<Value>("select pg_notify(?, ?)::text", "Stock \"7\"", "second");
      EXPECT_EQ(listener.wait_for_notification(place.runtime.in(1ms)).has_value(), false);  // Not committed yet.
      tx.commit();
    }
    for (const auto* const payload : {"first", "second"}) {
      const auto told = listener.wait_for_notification(place.runtime.in(20s));
      ASSERT_TRUE(told.has_value());
      EXPECT_EQ(told->channel, "Stock \"7\"");
      EXPECT_EQ(told->payload, payload);
    }
    EXPECT_EQ(listener.one<int>("select 1"), 1);
  });
}

// The end that is not meant comes much later, so that who does not heed the other one fails and does not hang.
TEST_P(SqlServers, AWaitForANotificationEndsAtTheDeadlineAndOnRequest) {
  run([](const Place& place) {
    const auto db = place.open();
    if (!db->dialect().notifications) return;
    auto& runtime = place.runtime;
    auto listener = db->connect();
    listener.listen("c");
    for (const bool stopped : {false, true}) {
      SCOPED_TRACE(stopped ? "stopped" : "until a deadline");
      std::stop_source stop;
      auto stopper = runtime.spawn("stopper", [&](const std::stop_token& over) {
        if (stopped || runtime.sleep_for(30s, over)) stop.request_stop();
      });
      const auto begin = runtime.now();
      EXPECT_FALSE(listener.wait_for_notification(runtime.in(stopped ? 30s : 1ms), stop.get_token()).has_value());
      EXPECT_LT(runtime.now() - begin, 20s);
    }
    EXPECT_EQ(listener.one<int>("select 1"), 1);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

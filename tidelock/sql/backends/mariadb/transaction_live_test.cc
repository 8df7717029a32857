// What a real server does to a transaction without being asked to: nobody is told that it was committed.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

class MariadbTransactions : public testing::MariadbTest {
 protected:
  void SetUp() override {
    MariadbTest::SetUp();
    if (IsSkipped()) return;
    db_ = open("busy_timeout=30s");
    db_->script(
        "create table big (id integer primary key, b varchar(100));"
        "insert into big select seq, 'x' from seq_1_to_600; create table log (a integer primary key)");
  }

  int logged() { return db_->one<int>("select count(*) from log"); }

  static void read_all(Rows rows) {
    while (rows.next()) {
    }
  }

  // The server finds a row that another has changed since, and rolls the transaction back, among the rows that nobody
  // reads any more.
  void lose_among_dropped_rows(Transaction& tx) {
    EXPECT_EQ(tx.one<int>("select count(*) from big"), 600);  // The snapshot is taken.
    tx.execute("insert into log values (1)");
    db_->execute("update big set b = concat(b, 'y') where id = 500");
    auto rows = tx.query("select * from big for update");
    EXPECT_TRUE(rows.next());
  }

  std::unique_ptr<Database> db_;
};

TEST_F(MariadbTransactions, OneThatWasRolledBackAmongRowsThatWereDroppedIsNotCommitted) {
  if (!db_->dialect().has(Isolation::snapshot)) GTEST_SKIP() << "the server has no innodb_snapshot_isolation";
  const std::vector<std::pair<const char*, std::function<void(Transaction&)>>> goes_on = {
      {"commit", nullptr},
      {"execute", [](Transaction& tx) { tx.execute("insert into log values (2)"); }},
      {"script", [](Transaction& tx) { tx.script("insert into log values (2)"); }},
      {"savepoint", [](Transaction& tx) { tx.savepoint().release(); }},
      {"bulk",
       [](Transaction& tx) {
         auto bulk = tx.bulk("log", {"a"});
         bulk.append(2);
         bulk.finish();
       }},
  };
  for (const auto* const mode : {"disable", "require"}) {
    db_ = open(std::string("sslmode=") + mode);
    for (const auto& [what, go_on] : goes_on) {
      SCOPED_TRACE(std::string(what) + ", sslmode=" + mode);
      auto connection = db_->connect();
      auto tx = connection.begin({.isolation = Isolation::snapshot});
      lose_among_dropped_rows(tx);
      if (go_on) {
        EXPECT_THROW_CODE(go_on(tx), Code::serialization_failure);
      }
      EXPECT_THROW_CODE(tx.commit(), Code::serialization_failure);
      EXPECT_EQ(logged(), 0);
      connection.execute("insert into log values (3)");  // The connection is as before.
      connection.execute("delete from log where a = 3");
    }
  }
}

// The refusal stands for what may meet a single SET, such as a KILL QUERY by somebody.
TEST_F(MariadbTransactions, ABeginningThatFailedLeavesTheNextOneTheIsolationItAsksFor) {
  if (!db_->dialect().has(Isolation::snapshot)) GTEST_SKIP() << "the server has no innodb_snapshot_isolation";
  sql::testing::Proxy proxy(runtime_, "127.0.0.1", *url_.hosts.front().port);
  std::atomic<bool> refused = true;
  proxy.edit_requests([&](std::span<char> piece) {
    constexpr std::string_view kSetting = "snapshot_isolation = on";
    const auto found = std::search(piece.begin(), piece.end(), kSetting.begin(), kSetting.end());
    if (refused && found != piece.end()) *(found + kSetting.size() - 1) = 'x';
  });
  auto url = url_;
  url.hosts.front() = {"127.0.0.1", proxy.port()};
  const auto db = open_url(url);
  auto connection = db->connect();
  const auto is_on = [](auto& on) { return on.template one<int>("select @@innodb_snapshot_isolation"); };
  EXPECT_THROW(connection.begin({.isolation = Isolation::snapshot}), Error);
  refused = false;
  {
    auto tx = connection.begin({.isolation = Isolation::snapshot});
    EXPECT_EQ(is_on(tx), 1);
  }
  EXPECT_EQ(is_on(connection), 0);
}

TEST_F(MariadbTransactions, OneThatWasRolledBackAmongRowsThatWereDroppedIsNotPrepared) {
  if (!db_->dialect().has(Isolation::snapshot)) GTEST_SKIP() << "the server has no innodb_snapshot_isolation";
  auto connection = db_->connect();
  auto tx = connection.begin({.isolation = Isolation::snapshot, .xid = "lost"});
  lose_among_dropped_rows(tx);
  EXPECT_THROW_CODE(tx.prepare_commit(), Code::serialization_failure);
  EXPECT_TRUE(db_->prepared_transactions().empty());
  EXPECT_EQ(logged(), 0);
}

TEST_F(MariadbTransactions, OneThatWasRolledBackAmongTheLaterRowsOfAProcedureIsNotCommitted) {
  if (!db_->dialect().has(Isolation::snapshot)) GTEST_SKIP() << "the server has no innodb_snapshot_isolation";
  db_->script("create procedure p() begin select 1; select * from big for update; end");
  auto connection = db_->connect();
  auto tx = connection.begin({.isolation = Isolation::snapshot});
  EXPECT_EQ(tx.one<int>("select count(*) from big"), 600);
  tx.execute("insert into log values (1)");
  db_->execute("update big set b = 'y' where id = 500");
  EXPECT_THROW_CODE(tx.execute("call p()"), Code::serialization_failure);
  EXPECT_THROW_CODE(tx.commit(), Code::serialization_failure);
  EXPECT_EQ(logged(), 0);
}

TEST_F(MariadbTransactions, AVictimOfADeadlockAmongRowsThatWereDroppedIsRunAgain) {
  int runs = 0;
  base::Task other;
  auto held = db_->connect();
  auto holder = held.begin();
  transact(*db_, [&](Transaction& tx) {
    tx.execute("insert into log values (1)");
    if (++runs == 1) {
      // It has changed more, so that it is not the victim, and wants what `tx` has inserted.
      holder.execute("update big set b = 'y' where id >= 300");
      other = runtime_.spawn("other", [&](const std::stop_token&) {
        EXPECT_EQ(holder.one<int>("select count(*) from log where a = 1 for update"), 0);
        holder.commit();
      });
    }
    auto rows = tx.query("select * from big for update");
    EXPECT_TRUE(rows.next());
  });
  other.join();
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(logged(), 1);
}

TEST_F(MariadbTransactions, AWriteThatFailedAmongRowsThatWereDroppedIsNotCommitted) {
  db_->execute("insert into log values (500)");
  auto connection = db_->connect();
  auto tx = connection.begin();
  {
    auto rows = tx.query("insert into log select id from big returning a");
    EXPECT_TRUE(rows.next());
  }
  EXPECT_THROW_CODE(tx.commit(), Code::constraint_violation);
  EXPECT_EQ(logged(), 1);
}

TEST_F(MariadbTransactions, AProcedureThatFailsAfterItsFirstRowsFails) {
  db_->script(
      "create procedure p() begin insert into log values (1); select id from big limit 3; insert into log values (1);"
      " end");
  auto connection = db_->connect();
  EXPECT_THROW_CODE(connection.execute("call p()"), Code::constraint_violation);
  connection.execute("delete from log where a = 1");
  EXPECT_THROW_CODE(read_all(connection.query("call p()")), Code::constraint_violation);
  connection.execute("delete from log where a = 1");
  auto tx = connection.begin();
  {
    auto rows = tx.query("call p()");
    EXPECT_TRUE(rows.next());
  }
  EXPECT_THROW_CODE(tx.commit(), Code::constraint_violation);
  EXPECT_EQ(logged(), 0);
}

TEST_F(MariadbTransactions, OneThatAProcedureEndedIsOver) {
  db_->script(
      "create procedure plain() begin commit; end; "
      "create procedure rows_first() begin select id from big limit 3; commit; end; "
      "create procedure fails() begin commit; insert into log values (1); end");
  const std::vector<std::pair<const char*, std::function<void(Transaction&)>>> ends = {
      {"execute", [](Transaction& tx) { tx.execute("call plain()"); }},
      {"script", [](Transaction& tx) { tx.script("call plain()"); }},
      {"a part of a script", [](Transaction& tx) { tx.script("call plain(); insert into log values (2)"); }},
      {"a script that fails", [](Transaction& tx) { tx.script("call plain(); insert into log values (1)"); }},
      {"rows", [](Transaction& tx) { tx.execute("call rows_first()"); }},
      {"rows that are read", [](Transaction& tx) { read_all(tx.query("call rows_first()")); }},
      {"rows that are dropped", [](Transaction& tx) { tx.query("call rows_first()"); }},
      {"a procedure that fails", [](Transaction& tx) { tx.execute("call fails()"); }},
      {"a block that fails",
       [](Transaction& tx) { tx.execute("if 1 then commit; insert into log values (1); end if"); }},
  };
  for (const auto& [what, end] : ends) {
    SCOPED_TRACE(what);
    db_->execute("delete from log where true or a = 0");
    auto connection = db_->connect();
    auto tx = connection.begin();
    tx.execute("insert into log values (1)");
    try {
      end(tx);
    } catch (const Error&) {  // Told by the call, or by the next one.
    }
    EXPECT_THROW(tx.execute("insert into log values (3)"), Error);
    const auto error = error_of([&] { tx.commit(); });
    EXPECT_THAT(error.message(), HasSubstr("transaction"));
    EXPECT_EQ(db_->one<int>("select count(*) from log where a = 3"), 0);
  }
}

// A procedure may end the savepoint of its caller.
TEST_F(MariadbTransactions, WhatASavepointCouldNotTakeBackIsNotCommitted) {
  db_->script("create procedure forget() release savepoint tidelock_1");
  auto connection = db_->connect();
  auto tx = connection.begin();
  auto savepoint = tx.savepoint();
  tx.execute("insert into log values (1)");
  tx.execute("call forget()");
  EXPECT_THROW_CODE(savepoint.rollback(), Code::statement_invalid);
  EXPECT_THROW_CODE(tx.commit(), Code::statement_invalid);
  EXPECT_EQ(logged(), 0);
}

}  // namespace
}  // namespace tidelock::sql::mariadb

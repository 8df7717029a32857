// A deadline that passes, or a request to stop that comes, when the server has already done what was asked.
#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using testing::error_of;

class MariadbLateStops : public testing::MariadbTest {
 protected:
  void SetUp() override {
    MariadbTest::SetUp();
    if (IsSkipped()) return;
    db_ = open();
    db_->script(
        "create table log (a integer primary key);"
        "create function note(n int) returns int deterministic modifies sql data begin "
        "insert into log values (n); return n; end;"
        "create procedure noted(n int) begin insert into log values (n); select n; end");
  }

  int logged() { return db_->one<int>("select count(*) from log"); }

  // Runs it, has its time pass or stops it, and reads its rows: either they come and it is there, or it says that it
  // was undone, and it is.
  void expect_true(const std::function<void(Connection&)>& stop, const std::string& sql, bool in_transaction) {
    SCOPED_TRACE(sql + (in_transaction ? " in a transaction" : ""));
    db_->execute("delete from log where true or a = 0");
    auto connection = db_->connect();
    connection.set_statement_timeout(300ms);
    bool came = false;
    bool undone = false;
    const auto run = [&](Executor& on) {
      auto rows = on.query(sql);
      stop(connection);
      while (rows.next()) came = true;
    };
    try {
      if (in_transaction) {
        auto tx = connection.begin();
        run(tx);
        tx.commit();
      } else {
        run(connection);
      }
    } catch (const Error& error) {
      undone = true;
      EXPECT_EQ(logged(), 0) << error.what();
    }
    EXPECT_EQ(logged(), undone ? 0 : 1);
    EXPECT_TRUE(came || undone);
    connection.set_statement_timeout(kNoTimeout);
    EXPECT_EQ(connection.one<int>("select 1"), 1);
  }

  std::unique_ptr<Database> db_;
};

TEST_F(MariadbLateStops, WhatHasWrittenIsNotSaidToBeUndone) {
  const auto time_passes = [&](Connection&) {
    for (const auto deadline = runtime_.in(310ms); !deadline.passed(runtime_.now());) runtime_.yield();
  };
  const auto is_stopped = [](Connection& connection) { connection.canceller().cancel(); };
  for (const auto* const sql : {"insert into log values (1) returning a", "call noted(1)", "select note(1)",
                                "replace into log values (1) returning a"}) {
    for (const bool in_transaction : {false, true}) {
      expect_true(time_passes, sql, in_transaction);
      expect_true(is_stopped, sql, in_transaction);
    }
  }
}

TEST_F(MariadbLateStops, AQueryThatIsOverItsTimeBetweenTwoRowsSaysSo) {
  auto connection = db_->connect();
  connection.set_statement_timeout(1s);
  auto rows = connection.query("select seq + 0 from seq_1_to_1000000");
  ASSERT_TRUE(rows.next());
  for (const auto deadline = runtime_.in(1100ms); !deadline.passed(runtime_.now());) runtime_.yield();
  EXPECT_THROW_CODE(while (rows.next());, Code::timeout);
  connection.set_statement_timeout(kNoTimeout);
  EXPECT_EQ(connection.one<int>("select 1"), 1);
}

// A query that calls what may write is not killed for being left early: what it has done would be undone.
TEST_F(MariadbLateStops, AQueryThatWritesAndIsLeftEarlyIsDoneWhole) {
  auto connection = db_->connect();
  {
    auto rows = connection.query("select note(seq) from seq_1_to_3000");
    ASSERT_TRUE(rows.next());
  }
  EXPECT_EQ(logged(), 3000);
  {
    auto tx = connection.begin();
    {
      auto rows = tx.query("select note(seq + 5000) from seq_1_to_3000");
      ASSERT_TRUE(rows.next());
    }
    tx.commit();
  }
  EXPECT_EQ(logged(), 6000);
}

// Outside a transaction nobody hears later what such a statement met behind the rows that were read.
TEST_F(MariadbLateStops, AWriteByItselfHasSucceededBeforeItsFirstRowIsGiven) {
  for (const auto* const mode : {"disable", "require"}) {
    SCOPED_TRACE(mode);
    db_ = open(std::string("sslmode=") + mode);
    db_->script("delete from log where true or a = 0; insert into log values (2500)");
    auto connection = db_->connect();
    EXPECT_THROW_CODE(connection.query("insert into log select seq from seq_1_to_3000 returning a"),
                      Code::constraint_violation);
    EXPECT_EQ(logged(), 1);
    db_->execute("delete from log where a = 2500");
    {
      auto rows = connection.query("insert into log select seq from seq_1_to_3000 returning a");
      ASSERT_TRUE(rows.next());
      EXPECT_EQ(rows.row().get<int>(0), 1);
      EXPECT_EQ(logged(), 3000);
    }
    int sum = 0;
    for (const auto row : connection.query("delete from log where a <= ? returning a, 'it is ' || a", 100)) {
      sum += row.get<int>(0);
      EXPECT_EQ(row.get<std::string>(1), "it is " + std::to_string(row.get<int>(0)));
    }
    EXPECT_EQ(sum, 5050);
  }
}

// The server has run it when the client finds that it cannot read its rows.
TEST_F(MariadbLateStops, AQueryThatWritesIsNotRunAgainBecauseATableHasOtherColumns) {
  db_->script("create table t (a integer); insert into t values (7)");
  auto connection = db_->connect();
  const std::string sql = "select note(?), t.* from t";
  EXPECT_EQ(connection.execute(sql, 1), 0);
  db_->script("alter table t add b integer");
  const auto error = error_of([&] { connection.execute(sql, 2); });
  EXPECT_EQ(error.code(), Code::unknown_outcome) << error.what();
  EXPECT_EQ(logged(), 2);
  EXPECT_EQ(connection.one<int>("select 1"), 1);  // In step with the server.
  auto returning = connection.prepare("insert into t (a) values (?) returning *");
  EXPECT_EQ(returning.execute(8), 1);
  db_->script("alter table t add c integer");
  EXPECT_THROW_CODE(returning.execute(9), Code::unknown_outcome);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 3);
}

// Each is killed as it ends, more or less.
TEST_F(MariadbLateStops, AKillThatComesTooLateMeetsNobodyElse) {
  auto connection = db_->connect();
  const std::vector<std::pair<const char*, std::function<void()>>> kinds = {
      {"script", [&] { connection.script("do sleep(0.003)"); }},
      {"execute", [&] { connection.execute("do sleep(0.003)"); }},
  };
  for (const auto& [what, run] : kinds) {
    SCOPED_TRACE(what);
    for (int i = 0; i < 60; ++i) {
      connection.set_statement_timeout(2ms + i * 50us);
      try {
        run();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::timeout) << error.what();
      }
      connection.set_statement_timeout(kNoTimeout);
      ASSERT_EQ(connection.one<int>("select sum(seq + ?) from seq_1_to_100", 0), 5050);  // It looks for a kill.
    }
  }
}

}  // namespace
}  // namespace tidelock::sql::mariadb

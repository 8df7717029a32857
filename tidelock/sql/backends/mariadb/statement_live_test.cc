// What a statement does on a real server that is refused, left early, stopped or out of time.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <stop_token>
#include <string>

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::MariadbSessions;

TEST_F(MariadbSessions, AProcedureGivesTheRowsOfItsFirstResult) {
  const auto db = with_table();
  db->script("create procedure p() begin select 1 as n union select 2; select 'other'; end");
  auto connection = db->connect();
  int sum = 0;
  for (const auto row : connection.query("call p()")) sum += row.get<int>("n");
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(connection.one<int>("select 5"), 5);
}

TEST_F(MariadbSessions, RefuseInATransactionWhatWouldCommitIt) {
  const auto db = with_table();
  auto connection = db->connect();
  {
    auto tx = connection.begin();
    tx.execute("insert into t values (1, 'x')");
    EXPECT_THROW_CODE(tx.execute("create table u (a integer)"), Code::unsupported);
    EXPECT_THROW_CODE(tx.script("truncate table t"), Code::unsupported);
    EXPECT_THROW_CODE(tx.execute("/*!commit*/"), Code::misuse);
    tx.execute("create temporary table u (a integer)");
    tx.rollback();
  }
  {
    auto tx = connection.begin({.read_only = true});
    EXPECT_THROW_CODE(tx.execute("create table u (a integer)"), Code::read_only);
    EXPECT_THROW_CODE(tx.execute("analyze update t set b = 'y'"), Code::read_only);
    EXPECT_THAT(tx.one<std::string>("analyze format=json select * from t"), HasSubstr("query_block"));
  }
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  EXPECT_THROW_CODE(connection.script("start transaction; insert into t values (1, 'x')"), Code::misuse);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  connection.script("start transaction; insert into t values (1, 'x'); commit");
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 1);
}

// Rows that nobody reads to the end: the statement is killed, and the connection goes on.
TEST_F(MariadbSessions, AQueryThatIsLeftEarlyIsKilled) {
  const auto db = open();
  auto connection = db->connect();
  const auto session = connection.session_id();
  for (int i = 0; i < 5; ++i) {
    {
      auto rows = connection.query("select seq + 0, repeat('x', 1000) from seq_1_to_100000000");
      ASSERT_TRUE(rows.next());
    }
    EXPECT_EQ(connection.one<int>("select ?", i), i);
  }
  EXPECT_EQ(connection.session_id(), session);
  auto tx = connection.begin();
  { auto rows = tx.query("select seq + 0 from seq_1_to_100000000"); }
  EXPECT_EQ(tx.one<int>("select 1"), 1);
  tx.commit();
}

TEST_F(MariadbSessions, ATimeoutInATransactionTakesBackItsStatementOnly) {
  const auto db = with_table();
  auto connection = db->connect();
  connection.set_statement_timeout(100ms);
  auto tx = connection.begin();
  tx.execute("insert into t values (1, 'x')");
  EXPECT_THROW_CODE(tx.execute("insert into t select seq, 'y' from seq_2_to_100000000"), Code::timeout);
  EXPECT_THROW_CODE(tx.one<int>("select sleep(20)"), Code::timeout);
  tx.commit();
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

TEST_F(MariadbSessions, AWaitForALockIsCancelled) {
  const auto db = with_table("busy_timeout=1h");
  db->execute("insert into t values (1, 'x')");
  auto holder = db->connect();
  auto tx = holder.begin();
  tx.execute("update t set b = 'y'");
  auto waiter = db->connect();
  std::atomic<bool> over = false;
  auto canceller = runtime_.spawn("canceller", [&, handle = waiter.canceller()](const std::stop_token&) {
    while (!over) {
      handle.cancel();
      runtime_.yield();
    }
  });
  EXPECT_THROW_CODE(waiter.execute("update t set b = 'z'"), Code::cancelled);
  over = true;
  canceller.join();
  EXPECT_EQ(waiter.one<std::string>("select b from t"), "x");
}

}  // namespace
}  // namespace tidelock::sql::mariadb

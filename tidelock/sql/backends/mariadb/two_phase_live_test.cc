// Transactions under an id, which a real server keeps between their two phases.
#include <gtest/gtest.h>

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using testing::MariadbSessions;

TEST_F(MariadbSessions, ALongTransactionUnderAnIdHasItsDatabaseToItself) {
  const auto db = with_table();
  auto elsewhere_url = url_;
  elsewhere_url.path += "_b";
  {
    const auto elsewhere = open_url(elsewhere_url);
    auto connection = db->connect();
    auto tx = connection.begin({.xid = "order:7"});
    tx.execute("insert into t values (1, 'x')");
    tx.prepare_commit();
    EXPECT_TRUE(elsewhere->prepared_transactions().empty());
    EXPECT_THROW_CODE(elsewhere->commit_prepared("order:7"), Code::not_found);
  }
  ASSERT_EQ(db->prepared_transactions().size(), 1U);
  EXPECT_EQ(db->prepared_transactions().front().xid, "order:7");
  EXPECT_FALSE(db->commit_prepared("order:7").empty());
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
  admin_->execute("drop database `" + elsewhere_url.path.substr(1) + "`");
}

// The server rolls back what has written nothing, as soon as the session that prepared it has gone.
TEST_F(MariadbSessions, ATransactionThatOnlyReadHasNothingToCommitInItsSecondPhase) {
  const auto db = with_table();
  const auto prepare = [&] {
    auto connection = db->connect();
    auto tx = connection.begin({.read_only = true, .xid = "read-only"});
    EXPECT_EQ(tx.one<int>("select count(*) from t"), 0);
    tx.prepare_commit();
  };
  prepare();
  db->rollback_prepared("read-only");
  prepare();
  EXPECT_THROW_CODE(db->commit_prepared("read-only"), Code::serialization_failure);
  EXPECT_TRUE(db->prepared_transactions().empty());
}

TEST_F(MariadbSessions, ATransactionThatCouldNotBeginLeavesNothingToTheNext) {
  const auto db = with_table();
  {
    auto holder = db->connect();
    auto tx = holder.begin({.xid = "taken"});
    tx.execute("insert into t values (1, 'x')");
    tx.prepare_commit();
  }
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.begin({.read_only = true, .xid = "taken"}), Code::already_exists);
  connection.execute("insert into t values (2, 'y')");  // It is not the one that was to be read-only.
  db->commit_prepared("taken");
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 2);
}

}  // namespace
}  // namespace tidelock::sql::mariadb

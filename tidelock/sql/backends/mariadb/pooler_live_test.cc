// Behind a pooler that lends its sessions for a transaction, as it shows itself: another session greets than answers.
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/schema.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using testing::error_of;
using ::testing::HasSubstr;

// A greeting is the first packet: its number is 0, then come the version of the protocol, 10, that of the server as
// text, and the number of the session.
void greet_as_another(std::span<char> piece) {
  constexpr std::size_t kHeaderBytes = 4;
  if (piece.size() < kHeaderBytes + 1 || piece[3] != 0 || piece[kHeaderBytes] != 10) return;
  const auto end = std::find(piece.begin() + kHeaderBytes + 1, piece.end(), '\0');
  if (piece.end() - end > 4) *(end + 3) = static_cast<char>(*(end + 3) ^ 0x55);  // A high byte.
}

class MariadbPoolers : public testing::MariadbTest {
 protected:
  void SetUp() override {
    MariadbTest::SetUp();
    if (IsSkipped()) return;
    direct_ = open();
    direct_->script("create table t (id integer primary key, s varchar(100))");
    proxy_ = std::make_unique<sql::testing::Proxy>(runtime_, "127.0.0.1", *url_.hosts.front().port);
    proxy_->edit(greet_as_another);
    own_url_ = url_;
    url_.hosts.front() = {"127.0.0.1", proxy_->port()};
  }
  void expect_refused(const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported) << error.what();
    EXPECT_THAT(error.message(), HasSubstr("pooler=session"));
  }

  base::Url own_url_;  // Without a pooler.
  std::unique_ptr<Database> direct_;
  std::unique_ptr<sql::testing::Proxy> proxy_;
};

TEST_F(MariadbPoolers, WhatNeedsASessionOfItsOwnIsRefusedAndSaysHowToHaveOne) {
  const auto db = open();
  auto connection = db->connect();
  expect_refused(error_of([&] { connection.session_id(); }));
  for (const auto* const sql :
       {"select get_lock('x', 0)", "select `get_lock`('x', 0)", "set sql_mode = ''", "set @mine = 1", "use mysql",
        "create temporary table mine (a integer)", "select 1 into @mine", "/*!50000 set @mine = 1 */"}) {
    expect_refused(error_of([&] { connection.execute(sql); }));
    expect_refused(error_of([&] { connection.script(sql); }));
    auto tx = connection.begin();
    expect_refused(error_of([&] { tx.execute(sql); }));
  }
  expect_refused(error_of([&] { connection.begin({.xid = "order:7"}); }));
  EXPECT_EQ(connection.one<int>("select 1"), 1);
}

TEST_F(MariadbPoolers, TablesOfOurOwnAreMadeThroughOne) {
  static constexpr std::string_view kSteps[] = {"create table if not exists tidelock_mine (id integer primary key)"};
  const auto db = open("max_connections=1");
  const Schema schema{.room = "mine", .steps = kSteps};
  migrate(*db, schema, base::Deadline::never());
  EXPECT_TRUE(has_tables(*db, schema, base::Deadline::never()));
}

TEST_F(MariadbPoolers, WhatATransactionHadForItselfIsTakenBackBehindIt) {
  const auto db = open("busy_timeout=9s");
  auto connection = db->connect();
  for (int i = 0; i < 2; ++i) {
    auto tx = connection.begin({.lock_timeout = 7s});
    EXPECT_EQ(tx.one<int>("select @@innodb_lock_wait_timeout"), 7);
    tx.commit();
    EXPECT_EQ(connection.one<int>("select @@innodb_lock_wait_timeout"), 9);
  }
}

TEST_F(MariadbPoolers, AllElseWorksAsWithoutOne) {
  const auto db = open("max_connections=2");
  {
    auto connection = db->connect();
    connection.execute("insert into t values (?, ?)", 1, "one");
    auto bulk = connection.bulk("t", {"id", "s"});
    bulk.append(2, "two");
    EXPECT_EQ(bulk.finish(), 1);
    connection.script("insert into t values (3, 'three'); update t set s = 'III' where id = 3");
  }
  transact(*db, [&](Transaction& tx) {
    tx.execute("insert into t values (4, 'four')");
    EXPECT_EQ(tx.one<std::string>("select s from t where id = 3"), "III");
  });
  {
    auto connection = db->connect();
    auto tx = connection.begin({.isolation = Isolation::serializable, .lock_timeout = 7s});
    EXPECT_EQ(tx.one<int>("select @@innodb_lock_wait_timeout"), 7);
    EXPECT_EQ(tx.one<std::string>("select @@time_zone"), "+00:00");
  }
  {
    auto connection = db->connect();
    auto tx = connection.begin();
    EXPECT_EQ(tx.one<int>("select @@innodb_lock_wait_timeout"), 5);
  }
  EXPECT_EQ(direct_->one<int>("select count(*) from t"), 4);
  auto connection = db->connect();
  connection.set_statement_timeout(50ms);
  EXPECT_THROW_CODE(connection.one<int>("select sleep(20)"), Code::timeout);
  EXPECT_EQ(db->one<int>("select 1"), 1);
}

TEST_F(MariadbPoolers, NothingIsWrittenThroughOneThatIsReadOnly) {
  const auto db = open("mode=ro");
  auto connection = db->connect();
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  EXPECT_THROW_CODE(connection.execute("insert into t values (1, 'x')"), Code::read_only);
  EXPECT_THROW_CODE(connection.script("insert into t values (1, 'x')"), Code::read_only);
  auto tx = connection.begin();
  EXPECT_THROW_CODE(tx.execute("insert into t values (1, 'x')"), Code::read_only);
}

TEST_F(MariadbPoolers, TheUrlSaysWhatCannotBeSeen) {
  const auto db = open("pooler=session&max_connections=1");
  std::int64_t session = 0;
  {
    auto connection = db->connect();
    session = connection.session_id();
    EXPECT_EQ(connection.one<std::int64_t>("select connection_id()"), session);
    EXPECT_EQ(connection.one<int>("select get_lock('tidelock-pooler', 0)"), 1);
    connection.execute("set @mine = 7");
  }
  auto connection = db->connect();
  EXPECT_EQ(connection.session_id(), session);
  EXPECT_EQ(connection.one<std::optional<std::int64_t>>("select @mine"), std::nullopt);
  EXPECT_EQ(direct_->one<std::optional<std::int64_t>>("select is_used_lock('tidelock-pooler')"), std::nullopt);

  own_url_.params["pooler"] = "transaction";  // For one that passes the number on.
  const auto told = open_url(own_url_);
  expect_refused(error_of([&] { told->connect().session_id(); }));
  EXPECT_EQ(told->one<int>("select 1"), 1);
}

}  // namespace
}  // namespace tidelock::sql::mariadb

// What becomes of work whose connection a real server ends, at every step.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/testing/ledger.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using testing::MariadbSessions;

using MariadbCommits = testing::MariadbPlain;

// The client library closes a connection that was lost, and its number is given to the next that is opened.
TEST_F(MariadbSessions, ALostConnectionTouchesNobodyElsesDescriptor) {
  const auto db = with_table("max_connections=1");
  struct Pair {
    base::Descriptor mine, other;
  };
  std::vector<Pair> pairs;
  {
    auto connection = db->connect();
    kill(connection.session_id());
    EXPECT_THROW_CODE(connection.one<int>("select 1"), Code::connection_lost);
    for (int i = 0; i < 16; ++i) {
      std::array<int, 2> ends{};
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
      pairs.push_back({base::Descriptor(ends[0]), base::Descriptor(ends[1])});
    }
    EXPECT_THROW_CODE(connection.execute("insert into t values (1, 'x')"), Code::connection_lost);
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
  for (const auto& pair : pairs) {
    char byte = 'x';
    EXPECT_EQ(::send(pair.mine.get(), &byte, 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(::recv(pair.other.get(), &byte, 1, MSG_DONTWAIT), 1);
  }
}

// The server ends the session at every step of a transaction, before its commit and after: what became of it is known.
TEST_F(MariadbSessions, AKilledConnectionIsToldAtEveryStep) {
  const auto db = with_table();
  for (int step = 0; step < 5; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    db->execute("delete from t");
    auto connection = db->connect();
    const auto session = connection.session_id();
    std::optional<Code> code;
    try {
      if (step == 0) kill(session);
      auto tx = connection.begin();
      if (step == 1) kill(session);
      tx.execute("insert into t values (1, 'x')");
      if (step == 2) kill(session);
      EXPECT_EQ(tx.one<int>("select count(*) from t"), 1);
      if (step == 3) kill(session);
      tx.commit();
      if (step == 4) kill(session);
    } catch (const Error& error) {
      code = error.code();
    }
    const auto rows = db->one<int>("select count(*) from t");
    switch (step) {
      case 4:
        EXPECT_EQ(code, std::nullopt);
        EXPECT_EQ(rows, 1);
        break;
      default:
        EXPECT_EQ(code, Code::connection_lost);
        EXPECT_EQ(rows, 0);
        break;
    }
  }
  EXPECT_EQ(db->one<int>("select 1"), 1);
}

// Nothing comes as far as the server, and that is known.
TEST_F(MariadbSessions, AConnectionThatWasLostBeforeAStatementByItselfIsNoUnknownOutcome) {
  const auto db = with_table("max_connections=2");
  db->script(
      "create function f() returns int deterministic modifies sql data begin insert into t values (3, 'x'); return 1; "
      "end");
  {
    auto connection = db->connect();
    auto insert = connection.prepare("insert into t values (1, 'x')");
    kill(connection.session_id());
    EXPECT_THROW_CODE(insert.execute(), Code::connection_lost);
    EXPECT_THROW_CODE(connection.execute("insert into t values (2, 'x')"), Code::connection_lost);
  }
  {
    auto connection = db->connect();
    kill(connection.session_id());
    EXPECT_THROW_CODE(connection.script("insert into t values (4, 'x')"), Code::connection_lost);
  }
  {
    auto connection = db->connect();
    kill(connection.session_id());
    EXPECT_THROW_CODE(connection.one<int>("select count(*) from t"), Code::connection_lost);
    EXPECT_THROW_CODE(connection.one<int>("select count(*) from t"), Code::connection_lost);
  }
  {
    auto connection = db->connect();
    auto query = connection.prepare("select f()");  // Committed by itself, as a statement that writes.
    kill(connection.session_id());
    EXPECT_THROW_CODE(query.execute(), Code::connection_lost);
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

// In the middle of it: the server waits for a backup that lets nobody commit.
TEST_F(MariadbCommits, ACommitWhoseConnectionIsKilledIsUnknown) {
  const auto db = open("max_connections=1");
  db->script("create table t (id bigint not null)");
  sql::testing::Ledger ledger;
  auto backup = admin_->connect();
  backup.script("backup stage start; backup stage flush; backup stage block_ddl; backup stage block_commit");
  base::Task killer;
  const auto told = ledger.note(1, [&] {
    auto connection = db->connect();
    const auto session = connection.session_id();
    auto tx = connection.begin();
    tx.execute("insert into t values (1)");
    killer = runtime_.spawn("killer", [&, session](const std::stop_token&) {
      const auto waits = [&] {
        return backup.one<int>(
                   "select count(*) from information_schema.processlist where id = ? and info = 'commit' and state "
                   "like "
                   "'Waiting for%'",
                   session) == 1;
      };
      for (const auto deadline = runtime_.in(30s); !waits() && !deadline.passed(runtime_.now());)
        runtime_.sleep_for(1ms);
      EXPECT_TRUE(waits());
      backup.script("kill connection " + std::to_string(session));
    });
    tx.commit();
  });
  killer.join();
  backup.script("backup stage end");
  EXPECT_EQ(told, sql::testing::Told::unknown);
  const auto others = "select count(*) from information_schema.processlist where db = '" + url_.path.substr(1) + "'";
  for (const auto deadline = runtime_.in(30s); admin_->one<int>(others) != 0;) {
    ASSERT_FALSE(deadline.passed(runtime_.now()));
    runtime_.sleep_for(1ms);
  }
  ledger.expect_kept(*db);
}

TEST_F(MariadbSessions, TransactRunsTheUnitAgainOnANewConnection) {
  const auto db = with_table();
  int runs = 0;
  transact(*db, {.retry = {.max_attempts = 3, .backoff = {.base = 1us, .cap = 1us}}}, [&](Transaction& tx) {
    const auto session = tx.one<std::int64_t>("select connection_id()");
    tx.execute("insert into t values (1, 'x')");
    if (++runs < 3) kill(session);
    tx.execute("insert into t values (2, 'y')");
  });
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 2);
}

TEST_F(MariadbSessions, AConnectionThatWasHungUpIsNotHandedOut) {
  const auto db = with_table("max_connections=1");
  std::int64_t session = 0;
  {
    const auto connection = db->connect();
    session = connection.session_id();
  }
  kill(session);
  EXPECT_EQ(db->execute("insert into t values (1, 'x')"), 1);
  EXPECT_NE(db->connect().session_id(), session);
}

}  // namespace
}  // namespace tidelock::sql::mariadb

// A deadline that passes, or a request to stop that comes, when the server has already done what was asked.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/testing/proxy.h"
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
  // was undone, and it is. A procedure commits in parts outside a transaction: whether it did is unknown.
  void expect_true(const std::function<void(Connection&)>& stop, const std::string& sql, bool in_transaction) {
    SCOPED_TRACE(sql + (in_transaction ? " in a transaction" : ""));
    db_->execute("delete from log where true or a = 0");
    auto connection = db_->connect();
    connection.set_statement_timeout(300ms);
    const bool commits_in_parts = !in_transaction && sql.starts_with("call");
    bool came = false;
    bool undone = false;
    bool unknown = false;
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
      (commits_in_parts ? unknown : undone) = true;
      EXPECT_EQ(error.code() == Code::unknown_outcome, unknown) << error.what();
      EXPECT_TRUE(unknown || logged() == 0) << error.what();
    }
    EXPECT_TRUE(unknown || logged() == (undone ? 0 : 1));
    EXPECT_TRUE(came || undone || unknown);
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

// Between a session and its server: keeps an answer back until the server has answered a KILL of another session, and
// may then play a server that keeps the kill for what the session says next.
class LateKill {
 public:
  LateKill(base::Runtime& runtime, std::uint16_t port)
      : runtime_(runtime), killed_(runtime.make_signal("a kill")), proxy_(runtime, "127.0.0.1", port) {
    proxy_.edit([this](std::span<char> piece) { pass(piece); });
  }

  std::uint16_t port() const { return proxy_.port(); }
  // Whoever is answered next is the session.
  void follow() { session_ = 0; }
  // The session's next answer is kept back, and `held` called. `meets_next`: the answer after that tells of a kill.
  void hold(bool meets_next, std::function<void()> held) {
    held_ = std::move(held);
    meets_next_ = meets_next;
    kills_ = killed_->count();
    holds_ = true;
  }
  // Whether the server had answered before it was told to kill.
  bool came_late() const { return came_late_; }
  // Whether the kill has met somebody, if it was to.
  bool is_spent() const { return !meets_; }

 private:
  // Runs in a task of each connection.
  void pass(std::span<char> piece) {
    const auto connection = runtime_.current_task();
    if (session_ == 0) session_ = connection;
    if (connection != session_) {
      const bool answers = piece.size() > 4 && piece[3] == 1 && piece[4] == 0;  // OK, to a command and not to a login.
      if (answers) killed_->notify_all();
    } else if (holds_.exchange(false)) {
      came_late_ = killed_->count() == kills_;
      held_();
      EXPECT_TRUE(killed_->wait(kills_, runtime_.in(30s))) << "nothing was killed";
      meets_ = meets_next_;
    } else if (piece.size() > 6 && meets_.exchange(false)) {
      piece[4] = '\xff';  // An error, and its number: ER_QUERY_INTERRUPTED. What follows is its text.
      piece[5] = static_cast<char>(1317 & 0xff);
      piece[6] = static_cast<char>(1317 >> 8);
    }
  }

  base::Runtime& runtime_;
  const std::unique_ptr<base::Signal> killed_;
  std::atomic<std::uint64_t> session_ = 1;
  std::function<void()> held_;
  bool meets_next_ = false;
  std::uint64_t kills_ = 0;
  std::atomic<bool> holds_ = false;
  std::atomic<bool> came_late_ = false;
  std::atomic<bool> meets_ = false;
  sql::testing::Proxy proxy_;
};

// A MariaDB 10.11 forgets the KILL QUERY of a session that does nothing; others, and poolers before them, may not.
TEST_F(MariadbLateStops, AKillThatComesTooLateMeetsNobodyElse) {
  LateKill late(runtime_, *url_.hosts.front().port);
  auto url = url_;
  url.hosts.front() = {"127.0.0.1", late.port()};
  url.params["sslmode"] = "disable";
  const auto db = open_url(url);
  auto connection = db->connect();
  late.follow();
  EXPECT_EQ(connection.one<int>("select 1"), 1);
  auto canceller = connection.canceller();
  auto prepared = connection.prepare("do ?");
  const std::vector<std::pair<const char*, std::function<void()>>> kinds = {
      {"script", [&] { connection.script("do 1"); }},
      {"execute", [&] { connection.execute("do 1"); }},
      {"prepared", [&] { prepared.execute(1); }},
      {"rows", [&] { connection.one<int>("select 1"); }},
      {"write", [&] { connection.execute("delete from log where a = 0"); }},
  };
  const auto expect_well_after = [&](const auto& run, bool stopped, bool meets_next) {
    connection.set_statement_timeout(stopped ? kNoTimeout : base::Duration(100ms));
    late.hold(meets_next, [&] {
      if (stopped) canceller.cancel();
    });
    try {
      run();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), stopped ? Code::cancelled : Code::timeout) << error.what();
    }
    EXPECT_TRUE(late.came_late());
    EXPECT_TRUE(late.is_spent());
    connection.set_statement_timeout(kNoTimeout);
    EXPECT_EQ(connection.one<int>("select sum(seq + ?) from seq_1_to_100", 0), 5050);  // It looks for a kill.
  };
  for (const auto& [what, run] : kinds) {
    for (const bool stopped : {false, true}) {
      for (const bool meets_next : {false, true}) {
        SCOPED_TRACE(std::string(what) + (stopped ? " stopped" : " over its time") + (meets_next ? ", kept" : ""));
        expect_well_after(run, stopped, meets_next);
      }
    }
  }
}

}  // namespace
}  // namespace tidelock::sql::mariadb

// What becomes of a unit of work when the process that serves it is ended, at every step. For what is the same on all
// servers see conformance/loss_conformance.cc.
#include <sys/types.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/postgres/testing/live.h"
#include "tidelock/sql/testing/ledger.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/sql/testing/turn.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;
using testing::Ledger;
using testing::Proxy;
using testing::Told;

class PostgresLossLive : public PostgresLiveTest {
 protected:
  using PostgresLiveTest::PostgresLiveTest;
  void make_table() {
    direct_ = open();
    direct_->script("create table t (id bigint not null)");
  }

  std::unique_ptr<Database> direct_;
};

TEST_F(PostgresLossLive, ABackendIsEndedAtEveryStep) {
  make_table();
  direct_->script(
      "create function end_me() returns trigger language plpgsql as $$ begin "
      "perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(10); return null; end $$;"
      "create table doomed (id bigint);"
      "create constraint trigger at_commit after insert on doomed deferrable initially deferred "
      "for each row execute function end_me()");
  const auto db = open({{"max_connections", "1"}});
  {  // Idle in the pool: found before anything is sent.
    end_session(db->connect().session_id());
    EXPECT_EQ(db->execute("insert into t values (1)"), 1);
  }
  {  // Idle in the hand.
    auto connection = db->connect();
    end_session(connection.session_id());
    EXPECT_THROW_CODE(connection.execute("insert into t values (2)"), Code::connection_lost);
    EXPECT_FALSE(connection.is_alive(runtime_.in(1s)));
  }
  {  // Before the first statement, between two, before the commit.
    for (int step = 0; step < 3; ++step) {
      auto connection = db->connect();
      const auto pid = connection.session_id();
      auto tx = connection.begin();
      if (step == 0) end_session(pid);
      const auto code = [&] {
        try {
          tx.execute("insert into t values (3)");
          if (step == 1) end_session(pid);
          tx.execute("insert into t values (4)");
          if (step == 2) end_session(pid);
          tx.commit();
        } catch (const Error& error) {
          return error.code();
        }
        return Code::internal;
      }();
      EXPECT_EQ(code, Code::connection_lost) << step;  // The commit was never sent.
    }
  }
  {  // In a statement that commits itself, and in a commit.
    EXPECT_THROW_CODE(db->execute("insert into doomed values (1)"), Code::unknown_outcome);
    auto connection = db->connect();
    auto tx = connection.begin();
    tx.execute("insert into doomed values (2)");
    EXPECT_THROW_CODE(tx.commit(), Code::unknown_outcome);
  }
  {  // After it.
    auto connection = db->connect();
    const auto pid = connection.session_id();
    auto tx = connection.begin();
    tx.execute("insert into t values (5)");
    tx.commit();
    end_session(pid);
  }
  int runs = 0;  // A unit of transact() is run again.
  transact(*db, [&](Transaction& tx) {
    tx.execute("insert into t values (6)");
    if (++runs == 1) end_session(tx.one<std::int64_t>("select pg_backend_pid()"));
    tx.one<int>("select 1");
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(direct_->one<std::string>("select string_agg(id::text, ' ' order by id) from t"), "1 5 6");
  EXPECT_EQ(direct_->one<int>("select count(*) from doomed"), 0);
}

TEST_F(PostgresLossLive, ASessionThatIsEndedBeforeAPrepareHasPreparedNothing) {
  make_table();
  const auto db = open();
  auto connection = db->connect();
  auto tx = connection.begin({.xid = url_.path.substr(1) + ":1"});
  tx.execute("insert into t values (1)");
  end_session(tx.one<std::int64_t>("select pg_backend_pid()"));
  EXPECT_THROW_CODE(tx.prepare_commit(), Code::connection_lost);
  EXPECT_TRUE(direct_->prepared_transactions().empty());
}

// Where the commit stands is asked behind its answer: what goes wrong then says nothing about the commit.
TEST_F(PostgresLossLive, ACommitOfWhatWasPreparedIsKnownOnceItWasAnswered) {
  make_table();
  Ledger ledger;
  std::map<Told, int> seen;
  std::int64_t id = 0;
  const auto prepare = [&](Database& db) {
    const auto xid = url_.path.substr(1) + ":" + std::to_string(++id);
    auto connection = db.connect();
    auto tx = connection.begin({.xid = xid});
    tx.execute("insert into t values (?)", id);
    tx.prepare_commit();
    return xid;
  };
  const auto end = [&](const std::string& xid) {  // What nobody ended, so that the database can be dropped.
    wait_until([&] {
      try {
        direct_->rollback_prepared(xid);
        return true;
      } catch (const Error& error) {
        return error.code() == Code::not_found;
      }
    });
  };
  for (const bool to_server : {true, false}) {
    bool through = false;
    for (std::int64_t bytes = 0; !through; ++bytes) {
      ASSERT_LT(bytes, 1000) << "it was never through";
      Proxy proxy(runtime_, "127.0.0.1", port());
      const auto db = open_url(by_port(proxy.port()), {{"sslmode", "disable"}, {"max_connections", "1"}});
      const auto xid = prepare(*db);
      to_server ? proxy.cut_after_to_server(bytes) : proxy.cut_after_to_client(bytes);
      const auto told = ledger.note(id, [&] { through = !db->commit_prepared(xid).empty(); });
      ++seen[told];
      if (told == Told::unknown) end(xid);
    }
  }
  EXPECT_EQ(seen[Told::not_applied], 0);
  EXPECT_GT(seen[Told::unknown], 10);
  EXPECT_GT(seen[Told::applied], 50);

  Proxy proxy(runtime_, "127.0.0.1", port());
  proxy.edit([&](std::span<char> bytes) {  // Silent from then on.
    if (!std::ranges::search(bytes, std::string_view("COMMIT PREPARED")).empty()) proxy.freeze(true);
  });
  const auto db = open_url(by_port(proxy.port()), {{"sslmode", "disable"}, {"statement_timeout", "500ms"}});
  const auto xid = prepare(*db);
  EXPECT_EQ(ledger.note(id, [&] { EXPECT_TRUE(db->commit_prepared(xid).empty()); }), Told::applied);
  ledger.expect_kept(*direct_);
}

// A server by itself, with the settings of a fresh installation, which tests crash and which comes back.
class PostgresPlainLive : public PostgresLossLive {
 protected:
  // Until the server is there.
  template <typename Call>
  auto again(Call&& call) {
    for (const auto deadline = runtime_.in(60s);;) {
      try {
        return call();
      } catch (const Error& error) {
        const bool crashed = error.code() == Code::unavailable || error.disposition() == Disposition::rerun_unit ||
                             error.code() == Code::unknown_outcome;
        if (!crashed || deadline.passed(runtime_.now())) throw;
      }
      runtime_.sleep_for(5ms);
    }
  }

  PostgresPlainLive() : PostgresLossLive("TIDELOCK_TEST_POSTGRES_PLAIN") {}
  void SetUp() override {
    if (const char* const file = std::getenv("TIDELOCK_TEST_POSTGRES_PLAIN_PID")) {
      turn_.emplace(std::filesystem::path(file).parent_path());
    }
    PostgresLossLive::SetUp();
  }

 private:
  std::optional<testing::Turn> turn_;
};

TEST_F(PostgresPlainLive, WhatAFreshInstallationLacksIsNamed) {
  const auto error = again([&] {
    const auto db = open();
    auto connection = db->connect();
    auto tx = connection.begin({.xid = "a-1"});
    tx.execute("create table t (a integer)");
    try {
      tx.prepare_commit();
    } catch (const Error& refused) {
      if (refused.code() == Code::unsupported) return refused;
      throw;
    }
    return Error(Code::internal, "it was prepared");
  });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_NE(error.message().find("max_prepared_transactions"), std::string::npos) << error.what();
  const auto no_tls = again([&] {
    try {
      open({{"sslmode", "require"}});
    } catch (const Error& refused) {
      if (refused.code() == Code::unsupported) return refused;
      throw;
    }
    return Error(Code::internal, "there is TLS");
  });
  EXPECT_EQ(no_tls.code(), Code::unsupported);
  EXPECT_NE(no_tls.message().find("TLS"), std::string::npos) << no_tls.what();
}

TEST_F(PostgresPlainLive, AServerThatIsShuttingDownSaysSo) {
  const char* const file = std::getenv("TIDELOCK_TEST_POSTGRES_PLAIN_PID");
  ASSERT_NE(file, nullptr);
  again([&] { open(); });
  const auto db = again([&] { return open({{"max_connections", "1"}}); });
  {
    const auto held = again([&] { return db->connect(); });  // It waits for this one.
    pid_t server = 0;
    std::ifstream(file) >> server;
    ASSERT_GT(server, 1);
    ASSERT_EQ(::kill(server, SIGTERM), 0);
    std::optional<Error> met;
    wait_until([&] {
      try {
        open({{"mode", "rw"}});
        return false;  // It has not begun.
      } catch (const Error& error) {
        met = error;
        return true;
      }
    });
    EXPECT_EQ(met->code(), Code::unavailable) << met->what();
    EXPECT_EQ(met->native()->state, "57P03") << met->what();
    EXPECT_NE(met->message().find("try again"), std::string::npos) << met->what();
    ASSERT_EQ(::kill(server, SIGINT), 0);  // It waits no longer.
  }
  again([&] { EXPECT_EQ(open({{"mode", "rw"}})->one<int>("select 1"), 1); });
}

TEST_F(PostgresPlainLive, AServerWithoutConnectionsLeftSaysWhatToDo) {
  const auto name = "u_" + std::to_string(runtime_.random());
  again([&] {
    open();
    admin_->execute("create role " + name + " login");
  });
  {
    auto url = url_;
    url.user = name;
    std::vector<Connection> held;
    const auto met = error_of([&] {
      const auto db = open_url(url, {{"max_connections", "200"}, {"mode", "rw"}});
      for (int i = 0; i < 200; ++i) held.push_back(db->connect());
    });
    EXPECT_EQ(met.code(), Code::unavailable) << met.what();
    EXPECT_EQ(met.disposition(), Disposition::retry_call);
    EXPECT_EQ(met.native()->state, "53300") << met.what();
    EXPECT_NE(met.message().find("max_connections"), std::string::npos) << met.what();
  }
  again([&] { return admin_->execute("drop role " + name); });
}

// One backend dies by SIGKILL, before, in and after the commit; the server then ends all others, recovers, and takes
// nobody for a while.
TEST_F(PostgresPlainLive, ABackendIsKilledAtEveryStep) {
  const auto fresh = [&] {
    again([&] {
      direct_ = open({{"max_connections", "1"}});
      direct_->script(
          "drop table if exists t; create table t (id bigint not null);"
          "create or replace function wait_here() returns trigger language plpgsql as $$ begin "
          "perform pg_sleep(60); return null; end $$");
    });
  };
  const auto kill = [this](std::int64_t pid) {  // Until it is gone, and its connection with it.
    ASSERT_EQ(::kill(static_cast<pid_t>(pid), SIGKILL), 0);
    wait_until([&] { return ::kill(static_cast<pid_t>(pid), 0) != 0; });
  };
  enum class Step { before_the_statement, before_the_commit, in_the_commit, after_the_commit };
  for (const auto step :
       {Step::before_the_statement, Step::before_the_commit, Step::in_the_commit, Step::after_the_commit}) {
    SCOPED_TRACE(static_cast<int>(step));
    fresh();
    if (step == Step::in_the_commit) {
      again([&] {
        direct_->script(
            "create constraint trigger at_commit after insert on t deferrable initially deferred "
            "for each row execute function wait_here()");
      });
    }
    Ledger ledger;
    auto db = again([&] { return open({{"max_connections", "1"}}); });
    base::Task killer;
    const auto told = ledger.note(1, [&] {
      auto connection = db->connect();
      const auto pid = connection.session_id();
      auto tx = connection.begin();
      if (step == Step::before_the_statement) kill(pid);
      tx.execute("insert into t values (1)");
      if (step == Step::before_the_commit) kill(pid);
      if (step == Step::in_the_commit) {
        killer = runtime_.spawn("killer", [&, pid](const std::stop_token&) {
          wait_until([&] {
            return direct_->one<int>("select count(*) from pg_stat_activity where pid = ? and wait_event = 'PgSleep'",
                                     pid) == 1;
          });
          kill(pid);
        });
      }
      tx.commit();
      if (step == Step::after_the_commit) kill(pid);
    });
    if (killer.joinable()) killer.join();
    EXPECT_EQ(told, step == Step::after_the_commit ? Told::applied
                    : step == Step::in_the_commit  ? Told::unknown
                                                   : Told::not_applied);
    again([&] {
      direct_ = open({{"max_connections", "1"}});
      direct_->one<int>("select 1");
    });
    ledger.expect_kept(*direct_);
  }
}

}  // namespace
}  // namespace tidelock::sql::postgres

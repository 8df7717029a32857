// What becomes of a unit of work when its connection is lost: at every byte of its commit, at every step, under load.
#include <sys/types.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tidelock/sql/backends/postgres/testing/live.h"
#include "tidelock/sql/backends/postgres/testing/proxy.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;

// What the caller was told about the unit of each number.
enum class Told { applied, not_applied, unknown };

class PostgresLossLive : public PostgresLiveTest {
 protected:
  void make_table() {
    direct_ = open();
    direct_->script("create table t (id bigint not null)");
  }

  // Inserts `id` and commits.
  template <typename BeforeCommit>
  Told unit(Database& db, std::int64_t id, BeforeCommit&& before_commit) {
    try {
      auto connection = db.connect();
      auto tx = connection.begin();
      tx.execute("insert into t values (?)", id);
      before_commit();
      tx.commit();
      return Told::applied;
    } catch (const Error& error) {
      if (error.code() == Code::unknown_outcome) return Told::unknown;
      EXPECT_TRUE(error.code() == Code::connection_lost || error.code() == Code::unavailable) << error.what();
      return Told::not_applied;
    }
  }

  // Every session but ours has ended, and so what it did is decided.
  void wait_for_the_others() {
    wait_until([&] {
      return direct_->one<int>(
                 "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
                 "and backend_type = 'client backend'") == 0;
    });
  }

  void expect_as_told(const std::map<std::int64_t, Told>& told) {
    std::map<std::int64_t, int> rows;
    auto connection = direct_->connect();
    for (const auto row : connection.query("select id, count(*) from t group by id")) {
      rows[row.get<std::int64_t>(0)] = row.get<int>(1);
    }
    for (const auto& [id, what] : told) {
      const int count = rows.contains(id) ? rows[id] : 0;
      EXPECT_LE(count, 1) << id << " was applied twice";
      EXPECT_FALSE(what == Told::applied && count == 0) << id << " is lost";
      EXPECT_FALSE(what == Told::not_applied && count == 1) << id << " was applied after all";
    }
  }

  std::unique_ptr<Database> direct_;
};

TEST_F(PostgresLossLive, ACommitIsCutAtEveryByteInBothDirections) {
  make_table();
  std::map<std::int64_t, Told> told;
  std::int64_t id = 0;
  std::map<Told, int> seen;
  for (const bool to_server : {true, false}) {
    for (std::int64_t bytes = 0;; ++bytes) {
      Proxy proxy(runtime_, "127.0.0.1", port());
      const auto db = open_url(by_port(proxy.port()), {{"max_connections", "1"}, {"sslmode", "disable"}});
      ASSERT_EQ(unit(*db, ++id, [] {}), Told::applied);  // What a first commit prepares is prepared now.
      told[id] = Told::applied;
      const auto what =
          unit(*db, ++id, [&] { to_server ? proxy.cut_after_to_server(bytes) : proxy.cut_after_to_client(bytes); });
      told[id] = what;
      ++seen[what];
      if (what == Told::applied) break;
      ASSERT_LT(bytes, 2000) << "a commit was never through";
    }
  }
  wait_for_the_others();
  expect_as_told(told);
  EXPECT_GT(seen[Told::unknown], 100);
  EXPECT_EQ(seen[Told::applied], 2);
}

TEST_F(PostgresLossLive, ADelayedCommitIsOnlyLate) {
  make_table();
  Proxy proxy(runtime_, "127.0.0.1", port());
  const auto db = open_url(by_port(proxy.port()), {{"sslmode", "disable"}});
  proxy.delay(3ms);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(unit(*db, i, [] {}), Told::applied);
  EXPECT_EQ(direct_->one<int>("select count(*) from t"), 5);
}

TEST_F(PostgresLossLive, ASilentServerIsGivenUpAtTheDeadline) {
  make_table();
  Proxy proxy(runtime_, "127.0.0.1", port());
  const auto db = open_url(by_port(proxy.port()), {{"sslmode", "disable"}});
  auto connection = db->connect();
  {
    auto first = connection.begin();
    first.execute("insert into t values (0)");
    first.commit();
  }
  auto tx = connection.begin({.timeout = 300ms});
  tx.execute("insert into t values (1)");
  proxy.freeze(true);
  EXPECT_THROW_CODE(tx.commit(), Code::unknown_outcome);
  EXPECT_FALSE(connection.is_alive(runtime_.in(1s)));
  proxy.freeze(false);
}

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

// Many tasks on few connections, against a server that is broken again and again by `strike`.
void run_under_fire(base::Runtime& runtime, Database& db, const std::function<void()>& strike, int tasks, int units,
                    std::map<std::int64_t, Told>& told) {
  std::atomic<bool> over = false;
  auto fire = runtime.spawn("fire", [&](const std::stop_token&) {
    for (int strikes = 0; strikes < 60 && !over; ++strikes) {  // Not for ever: a slow machine gets through as well.
      strike();
      const auto pause = runtime.make_signal("a pause of fire");
      pause->wait(pause->count(), runtime.in(10ms));
    }
  });
  base::LocalMutex mutex;
  std::vector<base::Task> all;
  for (int task = 0; task < tasks; ++task) {
    all.push_back(runtime.spawn("unit", [&, task](const std::stop_token&) {
      for (int n = 0; n < units; ++n) {
        const std::int64_t id = task * 1000 + n;
        auto what = Told::applied;
        try {
          transact(db, {.retry = {.max_attempts = 1000, .backoff = {.base = 1ms, .cap = 20ms}}},
                   [&](Transaction& tx) { tx.execute("insert into t values (?)", id); });
        } catch (const Error& error) {
          what = error.code() == Code::unknown_outcome ? Told::unknown : Told::not_applied;
          EXPECT_TRUE(what == Told::unknown || error.code() == Code::unavailable || error.code() == Code::timeout)
              << error.what();
        }
        const base::LocalGuard guard(mutex);
        told[id] = what;
      }
    }));
  }
  for (auto& task : all) task.join();
  over = true;
  fire.join();
}

TEST_F(PostgresLossLive, UnderLoadNoUnitIsLostAndNoneAppliedTwice) {
  make_table();
  std::map<std::int64_t, Told> told;
  {
    const auto db = open({{"max_connections", "6"}});
    const auto killer = open({{"max_connections", "1"}});
    direct_.reset();
    const auto end_any = [&] {
      killer->one<std::int64_t>(
          "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where datname = "
          "current_database() and pid <> pg_backend_pid() order by random() limit 1) as one");
    };
    run_under_fire(runtime_, *db, end_any, 200, 2, told);
    EXPECT_EQ(db->pool_state().in_use, 0U);
    EXPECT_EQ(db->pool_state().waiting, 0U);
  }
  direct_ = open();
  wait_for_the_others();
  expect_as_told(told);
}

// A server by itself, with the settings of a fresh installation: the tests of it bear that another one crashes it.
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
      runtime_.yield();
    }
  }

  void SetUp() override {
    PostgresLossLive::SetUp();
    if (admin_ == nullptr) return;
    TearDown();
    const char* const url = std::getenv("TIDELOCK_TEST_POSTGRES_PLAIN");
    ASSERT_NE(url, nullptr);
    const auto path = url_.path;
    url_ = base::Url::parse(url);
    admin_ = again([&] { return sql::open(runtime_, files_, url_, {.max_connections = 2}); });
    url_.path = path;
  }
  void TearDown() override {
    if (admin_ == nullptr) return;
    again([&] { return admin_->execute("drop database if exists " + url_.path.substr(1) + " with (force)"); });
  }
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

// One backend dies by SIGKILL; the server then ends all others, recovers, and takes nobody for a while.
TEST_F(PostgresPlainLive, AcrossCrashesOfTheServerNoUnitIsLostAndNoneAppliedTwice) {
  again([&] {
    direct_ = open();
    return direct_->execute("create table if not exists t (id bigint not null)");
  });
  direct_.reset();
  std::map<std::int64_t, Told> told;
  int crashes = 0;
  {
    const auto db = again([&] { return open({{"max_connections", "4"}}); });
    const auto crash = [&] {
      if (crashes == 3) return;
      try {
        const auto pid = admin_->maybe<int>(
            "select pid from pg_stat_activity where datname = ? order by random() limit 1", url_.path.substr(1));
        if (pid && ::kill(*pid, SIGKILL) == 0) ++crashes;
      } catch (const Error& error) {
        EXPECT_NE(error.disposition(), Disposition::permanent) << error.what();
      }
    };
    run_under_fire(runtime_, *db, crash, 20, 20, told);
  }
  EXPECT_GT(crashes, 0);
  again([&] {
    direct_ = open();
    return direct_->one<int>("select 1");
  });
  expect_as_told(told);
}

}  // namespace
}  // namespace tidelock::sql::postgres

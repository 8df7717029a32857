// Locks on real servers: what the conformance suite does not ask.
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/lock/backends/sql/state_server.h"
#include "tidelock/lock/conformance/live_database.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/sql/testing/silent_listener.h"
#include "tidelock/sql/testing/turn.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

class ServerLocks : public ::testing::TestWithParam<conformance::ServerKind> {
 protected:
  void SetUp() override {
    TIDELOCK_NEEDS_VARIABLE(GetParam().variable);
    place_.emplace(runtime_, files_, GetParam());
  }

  std::unique_ptr<SqlBackend> open(const OpenOptions& options = {}) {
    return std::make_unique<SqlBackend>(runtime_, files_, place_->url(), options);
  }
  base::Deadline soon() { return runtime_.in(10s); }
  LeaseOptions owner(const std::string& name) { return {.ttl = 10s, .margin = 1s, .owner = name}; }
  // As backends do from time to time, but to the end. Returns how many times it looked at some keys.
  int tidy(base::Duration timeout) {
    StateServer source(runtime_, files_, place_->url(), {}, GetParam().clock);
    const auto state = source.get(soon());
    state->tables().sweep_all(state->database(), timeout);
    int looks = 0;
    std::string at;
    do {
      at = state->tables().forget_some(state->database(), at, timeout);
      ++looks;
    } while (!at.empty());
    return looks;
  }
  // Until so many wait for the key, for a while.
  void until_waiting(Backend& backend, std::string_view key, std::size_t count) {
    const auto deadline = runtime_.in(20s);
    for (;;) {
      const auto keys = backend.snapshot(key, soon());
      if (!keys.empty() && keys.front().waiters.size() == count) return;
      ASSERT_FALSE(deadline.passed(runtime_.now())) << "nobody waits";
      runtime_.yield();
    }
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::optional<conformance::LiveDatabase> place_;
};

TEST_P(ServerLocks, TwoBackendsExcludeEachOtherAndHandOver) {
  const auto first = open();
  const auto second = open();
  Mutex alice(*first, runtime_, "x", owner("alice"));
  Mutex bob(*second, runtime_, "x", owner("bob"));
  const auto lease = alice.try_acquire(soon());
  ASSERT_TRUE(lease);
  EXPECT_FALSE(bob.try_acquire(soon()));
  EXPECT_EQ(alice.renew(*lease, soon()).token, lease->token);

  std::optional<Lease> next;
  auto waiting = runtime_.spawn("bob", [&](auto) { next = bob.acquire(runtime_.in(10s)); });
  until_waiting(*first, "x", 1);
  EXPECT_NO_THROW(alice.renew(*lease, soon())) << "while somebody waits";
  alice.release(*lease, soon());
  waiting.join();
  ASSERT_TRUE(next);
  EXPECT_GT(next->token, lease->token);
  EXPECT_FALSE(alice.try_acquire(soon()));
  bob.release(*next, soon());
  EXPECT_TRUE(first->snapshot(std::nullopt, soon()).empty());
  EXPECT_TRUE(alice.try_acquire(soon()));
}

TEST_P(ServerLocks, OneConnectionIsEnoughForAHolderAndAWaiter) {
  auto url = place_->url();
  url.params["max_connections"] = "1";
  SqlBackend locks(runtime_, files_, url);
  Mutex alice(locks, runtime_, "x", owner("alice"));
  Mutex bob(locks, runtime_, "x", owner("bob"));
  auto lease = alice.try_acquire(soon());
  ASSERT_TRUE(lease);
  std::optional<Lease> next;
  auto waiting = runtime_.spawn("bob", [&](auto) { next = bob.acquire(runtime_.in(60s)); });
  until_waiting(locks, "x", 1);
  for (int i = 0; i < 20; ++i) lease = alice.renew(*lease, runtime_.in(5s));  // The watch is at it by then.
  alice.release(*lease, runtime_.in(5s));
  waiting.join();
  EXPECT_TRUE(next);
}

TEST_P(ServerLocks, EveryClaimIdIsTaken) {
  const auto locks = open();
  for (const auto* text : {"f60c4582-089c-808b-8096-13d4afc1c42a", "00000000-0000-0000-0000-000000000000",
                           "ffffffff-ffff-ffff-ffff-ffffffffffff"}) {
    const Claim claim{.key = text, .id = base::Uuid::parse(text), .owner = "a", .ttl = 10s, .token = {}};
    EXPECT_TRUE(locks->try_acquire(claim, Backend::Queue::no, soon()).granted) << text;
    EXPECT_NO_THROW(locks->renew(claim, soon())) << text;
    EXPECT_EQ(locks->snapshot(text, soon()).at(0).holders.at(0).id, claim.id);
    EXPECT_NO_THROW(locks->release(claim, soon())) << text;
  }
}

// As seen in the row of the key: its next holder goes on with one statement each.
TEST_P(ServerLocks, AReleaseThatComesTooLateLeavesTheKeyAsItsNextHolderHasIt) {
  const auto locks = place_->locks_on_own_clock(runtime_);
  Mutex alice(*locks, runtime_, "x", owner("alice"));
  Mutex bob(*locks, runtime_, "x", owner("bob"));
  const auto lapsed = alice.try_acquire(soon());
  ASSERT_TRUE(lapsed);
  place_->move_clock(11s);
  const auto lease = bob.try_acquire(soon());
  ASSERT_TRUE(lease);
  const auto holders_of_quiet_keys = [&] {
    return place_->database().one<int>("select count(*) from tidelock_lock where not crowded and claim is not null");
  };
  EXPECT_EQ(holders_of_quiet_keys(), 1);
  alice.release(*lapsed, soon());
  EXPECT_EQ(holders_of_quiet_keys(), 1);
  EXPECT_EQ(locks->break_claims("x", std::array{lapsed->claim}, soon()), 0U);
  EXPECT_EQ(holders_of_quiet_keys(), 1);
  EXPECT_NO_THROW(bob.renew(*lease, soon()));
}

TEST_P(ServerLocks, AStandbyIsRefused) {
  TIDELOCK_NEEDS_VARIABLE(GetParam().standby);
  std::optional<sql::testing::Turn> turn;
  if (GetParam().name == "mariadb") turn.emplace(sql::testing::mariadb_replica_folder());
  const auto url = base::Url::parse(std::getenv(GetParam().standby));
  EXPECT_THROW_CODE(SqlBackend(runtime_, files_, url), Code::read_only_server);
}

TEST_P(ServerLocks, AStandbyIsLookedAt) {
  TIDELOCK_NEEDS_VARIABLE(GetParam().standby);
  std::optional<sql::testing::Turn> turn;
  if (GetParam().name == "mariadb") turn.emplace(sql::testing::mariadb_replica_folder());
  const auto locks = open();
  Mutex alice(*locks, runtime_, "x", {.ttl = 600s, .margin = 1s, .owner = "alice"});
  ASSERT_TRUE(alice.try_acquire(soon()));
  auto url = base::Url::parse(std::getenv(GetParam().standby));
  url.path = place_->url().path;
  std::vector<KeyState> seen;
  std::string said;
  for (const auto deadline = runtime_.in(60s); seen.empty(); runtime_.yield()) {  // It follows.
    ASSERT_FALSE(deadline.passed(runtime_.now())) << said;
    try {
      seen = SqlBackend(runtime_, files_, url, {.read_only = true}).snapshot("x", soon());
    } catch (const Error& error) {
      said = error.what();
    }
  }
  ASSERT_EQ(seen.front().holders.size(), 1U);
  EXPECT_EQ(seen.front().holders.front().owner, "alice");
}

TEST_P(ServerLocks, LookingAtLocksMakesNoDatabase) {
  auto url = place_->url();
  url.path += "_not_there";
  EXPECT_THROW_CODE(SqlBackend(runtime_, files_, url, {.read_only = true}), Code::not_found);
  url.params["mode"] = "rw";
  EXPECT_THROW_CODE(sql::open(runtime_, files_, url), Code::not_found);
}

TEST_P(ServerLocks, OpeningThemEndsInTimeWhereAServerSaysNothing) {
  auto url = place_->url();
  const auto port = url.hosts.front().port.value();
  const sql::testing::SilentListener silent(runtime_, port, true);
  url.hosts.front() = {silent.address(), port};
  url.params["connect_timeout"] = "60s";
  const auto begin = runtime_.now();
  EXPECT_THROW_CODE(SqlBackend(runtime_, files_, url, {.patience = 200ms}), Code::timeout);
  EXPECT_LT(runtime_.now() - begin, 30s);
}

// The watch of locks ends with its backend, and looks for itself meanwhile.
TEST_P(ServerLocks, ListeningEndsInTimeWhereAServerFallsSilentAndAtOnceOnRequest) {
  auto url = place_->url();
  sql::testing::Proxy proxy(runtime_, url.hosts.front().name, url.hosts.front().port.value());
  url.hosts.front() = {"127.0.0.1", proxy.port()};
  if (GetParam().name == "mariadb") url.params["sslmode"] = "disable";
  StateServer source(runtime_, files_, url, {});
  const auto state = source.get(soon());
  if (!state->database().dialect().notifications) return;
  EXPECT_NE(state->watch(soon(), {}), nullptr);
  for (const bool stopped : {false, true}) {
    state->database().connect();
    proxy.freeze(true);
    std::stop_source stop;
    if (stopped) stop.request_stop();
    const auto begin = runtime_.now();
    EXPECT_THROW_CODE(state->watch(runtime_.in(stopped ? 60s : 100ms), stop.get_token()),
                      stopped ? Code::cancelled : Code::timeout);
    EXPECT_LT(runtime_.now() - begin, 30s);
    proxy.freeze(false);
  }
  EXPECT_NE(state->watch(soon(), {}), nullptr);
}

// --- What is left behind ------------------------------------------------------------------------------------------

TEST_P(ServerLocks, KeysAreForgottenButTheirTokensAreNot) {
  const auto locks = place_->locks_on_own_clock(runtime_);
  std::optional<FencingToken> last;
  for (int i = 0; i < 20; ++i) {
    Mutex mutex(*locks, runtime_, "key " + std::to_string(i), owner("a"));
    const auto lease = mutex.try_acquire(soon());
    ASSERT_TRUE(lease);
    last = lease->token;
    if (i % 2 == 0) mutex.release(*lease, soon());
    const Claim waiter{.key = mutex.key(), .id = base::uuid_v7(runtime_), .owner = "b", .ttl = 10s, .token = {}};
    if (i % 3 == 1) static_cast<void>(locks->try_acquire(waiter, Backend::Queue::yes, soon()));
  }
  place_->move_clock(25h);
  tidy(10s);
  EXPECT_EQ(place_->database().one<int>("select count(*) from tidelock_lock"), 1) << "only the floor for all of them";
  EXPECT_EQ(place_->database().one<int>("select count(*) from tidelock_lease"), 0);
  EXPECT_EQ(place_->database().one<int>("select count(*) from tidelock_waiter"), 0);
  place_->move_clock(-48h);
  for (const auto* key : {"key 7", "key 8", "new"}) {
    const auto again = Mutex(*locks, runtime_, key, owner("a")).try_acquire(soon());
    ASSERT_TRUE(again);
    EXPECT_GT(again->token, last);
  }
}

TEST_P(ServerLocks, WhatIsHeldOrWaitedForIsNotForgotten) {
  const auto locks = place_->locks_on_own_clock(runtime_);
  const LeaseOptions long_lease{.ttl = std::chrono::hours(48), .margin = 1s, .owner = "a"};
  Mutex quiet(*locks, runtime_, "quiet", long_lease);
  Mutex crowded(*locks, runtime_, "crowded", long_lease);
  const auto first = quiet.try_acquire(soon());
  const auto second = crowded.try_acquire(soon());
  ASSERT_TRUE(first && second);
  const Claim waiter{.key = "crowded", .id = base::uuid_v7(runtime_), .owner = "b", .ttl = 48h, .token = {}};
  EXPECT_FALSE(locks->try_acquire(waiter, Backend::Queue::yes, soon()).granted);
  place_->move_clock(25h);
  EXPECT_FALSE(locks->try_acquire(waiter, Backend::Queue::yes, soon()).granted);  // Who waits comes again.
  tidy(10s);
  EXPECT_EQ(locks->snapshot(std::nullopt, soon()).size(), 2U);
  EXPECT_NO_THROW(quiet.release(*first, soon()));
  EXPECT_NO_THROW(crowded.release(*second, soon()));
  EXPECT_FALSE(crowded.try_acquire(soon())) << "it is the turn of the waiter";
  EXPECT_TRUE(locks->try_acquire(waiter, Backend::Queue::yes, soon()).granted);
}

TEST_P(ServerLocks, ManyIdleKeysAreForgottenLittleByLittle) {
  const auto locks = place_->locks_on_own_clock(runtime_);
  auto& database = place_->database();
  database.execute("insert into tidelock_lock (" + database.dialect().quote("key") +
                   ", token) with recursive n as (select 1 as i union all select i + 1 from n where i < 500) "
                   "select concat('idle ', 1000 * a.i + b.i), a.i from n as a, n as b where a.i <= 400");
  Mutex young(*locks, runtime_, "idle 5005", owner("a"));
  const auto lease = young.try_acquire(soon());
  ASSERT_TRUE(lease);
  young.release(*lease, soon());
  const auto keys = [&] { return database.one<int>("select count(*) from tidelock_lock"); };
  for (const auto deadline = runtime_.in(5min); keys() > 2;) {
    ASSERT_FALSE(deadline.passed(runtime_.now())) << keys() << " are left";
    try {
      tidy(100ms);
    } catch (const Error& error) {  // On a busy machine. What is gone is gone.
      ASSERT_NE(error.disposition(), Disposition::permanent) << error.what();
    }
  }
  EXPECT_EQ(keys(), 2) << "the young one, and the floor for the others";
}

// Acts once, before the commit of the transaction that deletes keys.
class BeforeKeysAreGone final : public sql::Observer {
 public:
  explicit BeforeKeysAreGone(std::function<void()> act) : act_(std::move(act)) {}

  void on_start(const sql::StatementEvent& event) noexcept override {
    if (event.category != sql::Category::commit || event.transaction != deletes_) return;
    if (const auto act = std::exchange(act_, nullptr)) act();
  }
  void on_statement(const sql::StatementEvent& event) noexcept override {
    if (event.sql.starts_with("delete from tidelock_lock ")) deletes_ = event.transaction;
  }
  bool acted() const { return act_ == nullptr; }

 private:
  std::function<void()> act_;
  std::optional<std::uint64_t> deletes_;
};

// On MariaDB the grant of a new key locks the row of the floor for sharing.
TEST_P(ServerLocks, NobodyWaitsForANewKeyWhileOldOnesAreForgotten) {
  const auto locks = place_->locks_on_own_clock(runtime_);
  Mutex old(*locks, runtime_, "old", owner("a"));
  const auto lease = old.try_acquire(soon());
  ASSERT_TRUE(lease);
  old.release(*lease, soon());
  place_->move_clock(25h);
  StateServer source(runtime_, files_, place_->url(), {}, GetParam().clock);
  const auto state = source.get(soon());
  const auto observer = std::make_shared<BeforeKeysAreGone>(
      [&] { EXPECT_NO_THROW(EXPECT_TRUE(Mutex(*locks, runtime_, "new", owner("b")).try_acquire(soon()))); });
  state->database().observe(observer);
  EXPECT_EQ(state->tables().forget_some(state->database(), "", 60s), "old");
  EXPECT_TRUE(observer->acted());
  EXPECT_EQ(place_->database().one<int>("select count(*) from tidelock_lock where token > 0"), 2) << "floor, and new";
}

// --- Under attack -------------------------------------------------------------------------------------------------

// Releases, whatever becomes of the connections meanwhile.
void release_surely(Mutex& mutex, const Lease& lease, base::Runtime& runtime) {
  for (const auto deadline = runtime.in(30s);;) {
    try {
      return mutex.release(lease, runtime.in(5s));
    } catch (const Error& error) {
      if (error.disposition() == Disposition::permanent || deadline.passed(runtime.now())) throw;
    }
    runtime.yield();
  }
}

TEST_P(ServerLocks, WhoeverKillsTheSessionsLetsNobodyInTwice) {
  std::atomic<int> inside = 0;
  std::atomic<int> entered = 0;
  std::vector<std::unique_ptr<SqlBackend>> backends;
  for (int i = 0; i < 4; ++i) backends.push_back(open());
  std::vector<base::Task> tasks;
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(runtime_.spawn("worker", [&, i](const std::stop_token& stop) {
      Mutex mutex(*backends[static_cast<std::size_t>(i)], runtime_, "x", owner("worker " + std::to_string(i)));
      while (!stop.stop_requested()) {
        const auto lease = mutex.acquire(runtime_.in(60s));
        ASSERT_TRUE(lease);
        EXPECT_EQ(++inside, 1);
        runtime_.yield();
        --inside;
        ++entered;
        release_surely(mutex, *lease, runtime_);
      }
    }));
  }
  std::size_t killed = 0;
  for (const auto deadline = runtime_.in(30s); killed < 50 || entered < 20;) {
    ASSERT_FALSE(deadline.passed(runtime_.now())) << killed << " killed, " << entered << " entered";
    killed += place_->kill_sessions();
    runtime_.sleep_for(200ms);
  }
  for (auto& task : tasks) task.request_stop();
  for (auto& task : tasks) task.join();
  EXPECT_TRUE(backends.front()->snapshot(std::nullopt, soon()).empty());
}

TEST_P(ServerLocks, EightWorkersLoseNoUpdate) {
  auto& database = place_->database();
  database.script("create table counter (value bigint); insert into counter values (0)");
  std::atomic<int> done = 0;
  std::vector<base::Task> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(runtime_.spawn("worker", [&, i](auto) {
      const auto locks = open();
      Mutex mutex(*locks, runtime_, "counter", owner("worker " + std::to_string(i)));
      const auto end = runtime_.in(2s);
      while (!end.passed(runtime_.now())) {
        const auto lease = mutex.acquire(runtime_.in(60s));
        ASSERT_TRUE(lease);
        const auto value = database.one<std::int64_t>("select value from counter");
        database.execute("update counter set value = ?", value + 1);
        ++done;
        mutex.release(*lease, soon());
      }
    }));
  }
  for (auto& task : tasks) task.join();
  EXPECT_EQ(database.one<int>("select value from counter"), done);
  EXPECT_GT(done, 8);
}

TEST_P(ServerLocks, WhileARenewalHangsTheHolderStopsInTimeAndTheNextGetsIn) {
  const auto locks = open();
  const LeaseOptions brief{.ttl = 1500ms, .margin = 300ms, .owner = "alice"};
  Mutex alice(*locks, runtime_, "x", brief);
  Mutex bob(*locks, runtime_, "x", owner("bob"));
  const auto lease = alice.try_acquire(soon());
  ASSERT_TRUE(lease);
  {
    auto connection = place_->database().connect();
    auto blocking = connection.begin();
    blocking.execute("update tidelock_lock set token = token + 1");
    Keeper keeper(alice, *lease, Keeper::AtEnd::leave);
    const auto stopped = runtime_.make_signal("the end of the lease");
    std::stop_callback tell(keeper.stop_token(), [&] { stopped->notify_all(); });
    EXPECT_TRUE(stopped->wait(0, runtime_.in(10s)));
    EXPECT_TRUE(keeper.lost());
    EXPECT_LT(runtime_.now(), lease->expires + 300ms);
  }
  const auto next = bob.acquire(runtime_.in(20s));
  ASSERT_TRUE(next);
  EXPECT_GT(next->token, lease->token);
  EXPECT_THROW_CODE(alice.renew(*lease, soon()), Code::lease_lost);
}

INSTANTIATE_TEST_SUITE_P(Servers, ServerLocks, ::testing::ValuesIn(conformance::server_kinds()),
                         [](const auto& info) { return info.param.name; });

// A server by itself, which the tests crash.
class PlainServerLocks : public ::testing::Test {
 protected:
  // Until the server is there.
  template <typename Call>
  auto again(Call&& call) {
    for (const auto deadline = runtime_.in(60s);;) {
      try {
        return call();
      } catch (const Error& error) {
        if (error.disposition() == Disposition::permanent || deadline.passed(runtime_.now())) throw;
      }
      runtime_.yield();
    }
  }

  // The server recovers, and takes nobody for a while.
  void expect_kept_by_a_crash(conformance::ServerKind kind, const char* variable,
                              const std::function<void(sql::Database&)>& crash) {
    kind.variable = variable;
    TIDELOCK_NEEDS_VARIABLE(variable);
    std::optional<conformance::LiveDatabase> place;
    again([&] { place.emplace(runtime_, files_, kind); });
    const auto open = [&] {
      return again([&] { return std::make_unique<SqlBackend>(runtime_, files_, place->url()); });
    };
    const auto locks = open();
    const auto others = open();
    Mutex alice(*locks, runtime_, "x", {.ttl = 60s, .margin = 1s, .owner = "alice"});
    Mutex bob(*others, runtime_, "x", {.ttl = 60s, .margin = 1s, .owner = "bob"});
    Mutex carol(*others, runtime_, "x", {.ttl = 60s, .margin = 1s, .owner = "carol"});
    Mutex free(*others, runtime_, "free", {.ttl = 60s, .margin = 1s, .owner = "carol"});
    const auto lease = again([&] { return alice.try_acquire(runtime_.in(10s)); });
    ASSERT_TRUE(lease);
    const auto before = again([&] { return free.try_acquire(runtime_.in(10s)); });
    ASSERT_TRUE(before);
    again([&] { free.release(*before, runtime_.in(10s)); });
    std::optional<Lease> next;
    auto waiting = runtime_.spawn("bob", [&](auto) { next = bob.acquire(runtime_.in(60s)); });
    const auto waiters = [&] {
      const auto keys = again([&] { return locks->snapshot("x", runtime_.in(10s)); });
      return keys.empty() ? 0 : keys.front().waiters.size();
    };
    while (waiters() != 1) runtime_.yield();

    again([&] { crash(place->database()); });
    EXPECT_EQ(again([&] { return alice.renew(*lease, runtime_.in(10s)); }).token, lease->token);
    EXPECT_EQ(waiters(), 1U);
    EXPECT_FALSE(again([&] { return carol.try_acquire(runtime_.in(10s)); }));
    const auto after = again([&] { return free.try_acquire(runtime_.in(10s)); });
    ASSERT_TRUE(after);
    EXPECT_GT(after->token, before->token);
    again([&] { alice.release(*lease, runtime_.in(10s)); });
    waiting.join();
    ASSERT_TRUE(next);
    EXPECT_GT(next->token, lease->token);
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
};

#if TIDELOCK_HAVE_MARIADB
TEST_F(PlainServerLocks, ACrashOfMariadbTakesNeitherTheLeaseNorThePlaceInTheQueue) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_PLAIN_PID");
  const char* const file = std::getenv("TIDELOCK_TEST_MARIADB_PLAIN_PID");
  const sql::testing::Turn turn(std::filesystem::path(file).parent_path());
  expect_kept_by_a_crash(conformance::server_kinds().back(), "TIDELOCK_TEST_MARIADB_PLAIN", [&](sql::Database&) {
    pid_t process = 0;
    ASSERT_TRUE(std::ifstream(file) >> process && process > 1);
    ASSERT_EQ(::kill(process, SIGKILL), 0);
  });
}
#endif

#if TIDELOCK_HAVE_POSTGRES
// One backend dies by SIGKILL; the server then ends all others.
TEST_F(PlainServerLocks, ACrashOfPostgresTakesNeitherTheLeaseNorThePlaceInTheQueue) {
  expect_kept_by_a_crash(conformance::server_kinds().front(), "TIDELOCK_TEST_POSTGRES_PLAIN", [](sql::Database& by) {
    ASSERT_EQ(::kill(by.one<int>("select pg_backend_pid()"), SIGKILL), 0);
  });
}

TEST_F(PlainServerLocks, ALeaseLeavesNothingInItsSessionsThatWouldHaveToBeReset) {
  const auto kind = conformance::server_kinds().front();
  TIDELOCK_NEEDS_VARIABLE(kind.variable);
  conformance::LiveDatabase place(runtime_, files_, kind);
  SqlBackend locks(runtime_, files_, place.url());
  Mutex mutex(locks, runtime_, "x", {.ttl = 60s, .margin = 1s, .owner = "alice"});
  const Claim waiter{.key = "x", .id = base::uuid_v7(runtime_), .owner = "bob", .ttl = 60s, .token = {}};
  const auto resets = [&] {
    return place.database().one<int>(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
        "and query like '%discard%'");
  };
  auto lease = mutex.try_acquire(runtime_.in(10s)).value();
  EXPECT_EQ(resets(), 0) << "acquire";
  lease = mutex.renew(lease, runtime_.in(10s));
  EXPECT_EQ(resets(), 0) << "renew";
  EXPECT_FALSE(locks.try_acquire(waiter, Backend::Queue::yes, runtime_.in(10s)).granted);
  EXPECT_EQ(resets(), 0) << "wait";
  mutex.release(lease, runtime_.in(10s));
  EXPECT_EQ(resets(), 0) << "release to a waiter";
  EXPECT_TRUE(locks.try_acquire(waiter, Backend::Queue::yes, runtime_.in(10s)).granted);
  locks.release(waiter, runtime_.in(10s));
  EXPECT_TRUE(locks.snapshot(std::nullopt, runtime_.in(10s)).empty());
  EXPECT_EQ(resets(), 0) << "look";
}

// Behind a real PgBouncer, which lends its sessions for a transaction. All tests of it use one database.
class PooledLocks : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto* variable :
         {"TIDELOCK_TEST_PGBOUNCER", "TIDELOCK_TEST_PGBOUNCER_SERVER", "TIDELOCK_TEST_PGBOUNCER_FOLDER"}) {
      TIDELOCK_NEEDS_VARIABLE(variable);
    }
    turn_.emplace(std::getenv("TIDELOCK_TEST_PGBOUNCER_FOLDER"));
    direct_ = sql::open(runtime_, files_, base::Url::parse(std::getenv("TIDELOCK_TEST_PGBOUNCER_SERVER")));
    clear();
    url_ = base::Url::parse(std::getenv("TIDELOCK_TEST_PGBOUNCER"));
    url_.params["pooler"] = "transaction";
  }
  void TearDown() override {
    if (direct_ != nullptr) clear();
  }
  void clear() {
    direct_->script(
        "drop table if exists tidelock_lock, tidelock_lease, tidelock_waiter, tidelock_schema, lock_counter");
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::optional<sql::testing::Turn> turn_;
  std::unique_ptr<sql::Database> direct_;
  base::Url url_;
};

TEST_F(PooledLocks, TwoProcessesExcludeEachOtherHandOverAndLoseNoUpdate) {
  SqlBackend first(runtime_, files_, url_);
  SqlBackend second(runtime_, files_, url_);
  Mutex alice(first, runtime_, "x", {.ttl = 60s, .margin = 1s, .owner = "alice"});
  Mutex bob(second, runtime_, "x", {.ttl = 60s, .margin = 1s, .owner = "bob"});
  auto lease = alice.try_acquire(runtime_.in(10s));
  ASSERT_TRUE(lease);
  EXPECT_FALSE(bob.try_acquire(runtime_.in(10s)));
  std::optional<Lease> next;
  auto waiting = runtime_.spawn("bob", [&](auto) { next = bob.acquire(runtime_.in(60s)); });
  while (first.snapshot("x", runtime_.in(10s)).front().waiters.empty()) runtime_.yield();
  lease = alice.renew(*lease, runtime_.in(10s));
  alice.release(*lease, runtime_.in(10s));
  waiting.join();
  ASSERT_TRUE(next);
  EXPECT_GT(next->token, lease->token);
  EXPECT_FALSE(alice.try_acquire(runtime_.in(10s)));
  bob.release(*next, runtime_.in(10s));

  direct_->script("create table lock_counter (value bigint); insert into lock_counter values (0)");
  std::atomic<int> done = 0;
  std::vector<base::Task> workers;
  for (int i = 0; i < 4; ++i) {
    workers.push_back(runtime_.spawn("worker", [&, i](auto) {
      Mutex mutex(i % 2 == 0 ? first : second, runtime_, "counter",
                  {.ttl = 60s, .margin = 1s, .owner = "worker " + std::to_string(i)});
      for (int turn = 0; turn < 10; ++turn) {
        const auto held = mutex.acquire(runtime_.in(60s));
        ASSERT_TRUE(held);
        const auto value = direct_->one<std::int64_t>("select value from lock_counter");
        direct_->execute("update lock_counter set value = ?", value + 1);
        ++done;
        mutex.release(*held, runtime_.in(10s));
      }
    }));
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(done, 40);
  EXPECT_EQ(direct_->one<int>("select value from lock_counter"), done);
  EXPECT_TRUE(first.snapshot(std::nullopt, runtime_.in(10s)).empty());
}
#endif

#if TIDELOCK_HAVE_MARIADB
// As replicas are unless somebody sets read_only. The user has no privilege to ask for more than its status.
TEST(MariadbServerLocks, AReplicaThatCanBeWrittenIsNoPrimary) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_REPLICA");
  const sql::testing::Turn turn(sql::testing::mariadb_replica_folder());
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_MARIADB_REPLICA"));
  auto admin_url = url;
  admin_url.user = "root";
  const auto admin = sql::open(runtime, files, admin_url, {.max_connections = 1});
  admin->script("set global read_only = off");
  EXPECT_THROW_CODE(SqlBackend(runtime, files, url), Code::read_only_server);
  admin->script("set global read_only = on");
}
#endif

}  // namespace
}  // namespace tidelock::lock

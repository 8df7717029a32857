// Locks on real servers: what the conformance suite does not ask.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/uuid.h"
#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/lock/backends/sql/state_server.h"
#include "tidelock/lock/backends/sql/testing/server_locks.h"
#include "tidelock/lock/conformance/live_database.h"
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
using testing::ServerLocks;

INSTANTIATE_TEST_SUITE_P(Servers, ServerLocks, ::testing::ValuesIn(conformance::server_kinds()),
                         [](const auto& info) { return info.param.name; });

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

// As in a failover that moves a name or an address. Nothing is tried to be written: the standby would have it alone.
TEST_P(ServerLocks, AStateThatWasOpenedOnThePrimaryIsRefusedWhereItsNextConnectionComesToAStandby) {
  TIDELOCK_NEEDS_VARIABLE(GetParam().standby);
  std::optional<sql::testing::Turn> turn;
  if (GetParam().name == "mariadb") turn.emplace(sql::testing::mariadb_replica_folder());
  auto url = place_->url();
  const auto port = url.hosts.front().port.value();
  const auto standby = base::Url::parse(std::getenv(GetParam().standby)).hosts.front().port.value();
  sql::testing::Proxy proxy(runtime_, url.hosts.front().name, port);
  url.hosts.front() = {"127.0.0.1", proxy.port()};
  if (GetParam().name == "mariadb") url.params["sslmode"] = "disable";
  StateServer source(runtime_, files_, url, {});
  const auto state = source.get(soon());
  EXPECT_NO_THROW(state->database().connect(soon()));

  proxy.lead_to(standby);
  while (place_->kill_sessions() != 0) runtime_.yield();
  std::string said;
  for (const auto deadline = runtime_.in(60s); said.empty(); runtime_.yield()) {  // The database arrives there.
    ASSERT_FALSE(deadline.passed(runtime_.now()));
    try {
      state->database().connect(soon());
    } catch (const Error& error) {
      if (error.code() == Code::read_only_server) said = error.what();
    }
  }
  EXPECT_NE(said.find("standby"), std::string::npos) << said;
  proxy.lead_to(port);
  EXPECT_NO_THROW(state->database().connect(soon()));
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
  std::stop_source stop;
  std::atomic<bool> stopped = false;
  sql::testing::Proxy proxy(runtime_, url.hosts.front().name, url.hosts.front().port.value());
  proxy.on_held([&] {
    if (stopped) stop.request_stop();
  });
  url.hosts.front() = {"127.0.0.1", proxy.port()};
  if (GetParam().name == "mariadb") url.params["sslmode"] = "disable";
  StateServer source(runtime_, files_, url, {});
  const auto state = source.get(soon());
  if (!state->database().dialect().notifications) return;
  EXPECT_NE(state->watch(soon(), {}), nullptr);
  for (const bool last : {false, true}) {
    state->database().connect();
    proxy.freeze(true);
    stopped = last;
    const auto begin = runtime_.now();
    EXPECT_THROW_CODE(state->watch(runtime_.in(last ? 60s : 100ms), stop.get_token()),
                      last ? Code::cancelled : Code::timeout);
    EXPECT_LT(runtime_.now() - begin, 30s);
    proxy.freeze(false);
  }
  EXPECT_NE(state->watch(soon(), {}), nullptr);
}

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

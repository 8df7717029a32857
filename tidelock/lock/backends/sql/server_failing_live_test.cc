// Locks on real servers that crash, hang and lose their sessions, and under many workers.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/uuid.h"
#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/lock/backends/sql/testing/server_locks.h"
#include "tidelock/lock/conformance/live_database.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/turn.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;
using testing::ServerLocks;

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

#if TIDELOCK_HAVE_MARIADB
// No session ends by that, and read_only stops nobody who may do everything.
TEST_F(PlainServerLocks, AMariadbThatWasDemotedGivesNoLeaseNorTakesOneBackAlsoOfAUserWithAllRights) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_PLAIN_PID");
  const sql::testing::Turn turn(std::filesystem::path(std::getenv("TIDELOCK_TEST_MARIADB_PLAIN_PID")).parent_path());
  auto kind = conformance::server_kinds().back();
  kind.variable = "TIDELOCK_TEST_MARIADB_PLAIN";
  TIDELOCK_NEEDS_VARIABLE(kind.variable);
  conformance::LiveDatabase place(runtime_, files_, kind);
  SqlBackend locks(runtime_, files_, place.url());
  const auto soon = [&] { return runtime_.in(10s); };
  const auto make = [&](const std::string& key, const std::string& owner) {
    return std::make_unique<Mutex>(locks, runtime_, key, LeaseOptions{.ttl = 600s, .margin = 1s, .owner = owner});
  };
  const auto alice = make("x", "alice");
  const auto bob = make("x", "bob");
  const auto carol = make("free", "carol");
  const auto lease = alice->try_acquire(soon());
  ASSERT_TRUE(lease);
  const auto demote = [&](bool on) {
    place.database().script(on ? "set global read_only = 1" : "set global read_only = 0");
  };
  const std::shared_ptr<void> at_end(nullptr, [&](void*) { demote(false); });
  const auto rows = [&] {
    return place.database().one<int>("select count(*) from tidelock_lock") * 100 +
           place.database().one<int>("select count(*) from tidelock_lock where claim is not null") * 10 +
           place.database().one<int>("select count(*) from tidelock_waiter");
  };
  const auto before = rows();
  const std::vector<std::function<void()>> requests = {
      [&] { carol->try_acquire(soon()); }, [&] { alice->renew(*lease, soon()); },
      [&] { alice->release(*lease, soon()); }, [&] { bob->acquire(soon()); }};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    demote(false);
    alice->renew(*lease, soon());  // On a session that is there when the server is demoted.
    demote(true);
    EXPECT_THROW_CODE(requests[i](), Code::read_only_server) << i;
    while (place.kill_sessions() != 0) runtime_.yield();
    EXPECT_THROW_CODE(again(requests[i]), Code::read_only_server) << i << ", on a new session";
    EXPECT_EQ(rows(), before) << i;
  }
  demote(false);
  EXPECT_NO_THROW(alice->renew(*lease, soon()));
  EXPECT_NO_THROW(alice->release(*lease, soon()));
  EXPECT_TRUE(bob->try_acquire(soon()));
  EXPECT_TRUE(carol->try_acquire(soon()));
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
#endif

}  // namespace
}  // namespace tidelock::lock

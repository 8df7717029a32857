// Locks behind a real PgBouncer, which lends its sessions for a transaction.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/turn.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

#if TIDELOCK_HAVE_POSTGRES
// All tests of it use one database.
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

}  // namespace
}  // namespace tidelock::lock

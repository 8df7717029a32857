// What locks leave behind on real servers, and when it is forgotten.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tidelock/base/uuid.h"
#include "tidelock/lock/backends/sql/state_server.h"
#include "tidelock/lock/backends/sql/testing/server_locks.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/observer.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;
using testing::ServerLocks;

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

}  // namespace
}  // namespace tidelock::lock

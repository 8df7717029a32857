#include "tidelock/toolkit/toolkit.h"

#include <chrono>

#include "tidelock/lock/mutex.h"
#include "tidelock/world/testing.h"

namespace tidelock {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(Toolkit, OpensDatabasesByUrl) {
  Toolkit toolkit(runtime, files);
  toolkit.database("sqlite:/shop.db")->execute("create table item (name text)");
  EXPECT_EQ(toolkit.database("sqlite:/shop.db")->one<int>("select count(*) from item"), 0);
  EXPECT_THROW_CODE(toolkit.database("gopher:x"), Code::invalid_argument);
  EXPECT_THROW_CODE(toolkit.database("no url"), Code::invalid_argument);
}

WORLD_TEST(Toolkit, AllWhoNameOneUrlShareItsLocks) {
  Toolkit toolkit(runtime, files);
  for (const auto* url : {"memory:", "sqlite:/locks.db"}) {
    EXPECT_EQ(toolkit.lock_backend(url), toolkit.lock_backend(url));
    lock::Mutex first(*toolkit.lock_backend(url), runtime, "x");
    lock::Mutex second(*toolkit.lock_backend(url), runtime, "x");
    EXPECT_TRUE(first.try_acquire(runtime.in(1s)));
    EXPECT_FALSE(second.try_acquire(runtime.in(1s)));
  }
  EXPECT_THROW_CODE(toolkit.lock_backend("gopher:x"), Code::invalid_argument);
}

WORLD_TEST(Toolkit, OneUrlInTwoSpellingsIsOneArbiter) {
  Toolkit toolkit(runtime, files);
  EXPECT_EQ(toolkit.lock_backend("memory:"), toolkit.lock_backend("Memory:"));
  EXPECT_EQ(toolkit.lock_backend("sqlite:/locks.db?mode=rwc&synchronous=full"),
            toolkit.lock_backend("SQLite:///l%6Fcks.db?synchronous=full&mode=rwc"));
  EXPECT_NE(toolkit.lock_backend("sqlite:/locks.db"), toolkit.lock_backend("sqlite:/Locks.db"));
}

WORLD_TEST(Toolkit, TwoToolkitsShareWhatIsOnDisk) {
  Toolkit first(runtime, files);
  Toolkit second(runtime, files);
  lock::Mutex here(*first.lock_backend("sqlite:/locks.db"), runtime, "x");
  lock::Mutex there(*second.lock_backend("sqlite:/locks.db"), runtime, "x");
  EXPECT_TRUE(here.try_acquire(runtime.in(1s)));
  EXPECT_FALSE(there.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Toolkit, OpensBrokersByUrl) {
  Toolkit toolkit(runtime, files);
  auto events = toolkit.broker("sqlite:/events.db");
  events->create_topic("orders");
  events->producer()->publish("orders", std::vector<broker::Message>{{"1", "paid", {}}});
  auto elsewhere = toolkit.broker("sqlite:/events.db");
  EXPECT_EQ(elsewhere->consumer("mail", {"orders"})->poll(9, runtime.in(1s)).size(), 1U);
  EXPECT_THROW_CODE(toolkit.broker("gopher:x"), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock

#include "tidelock/lock/guard.h"

#include <chrono>
#include <utility>

#include "tidelock/lock/backends/all.h"
#include "tidelock/lock/testing/faulty_backend.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(Guard, ReleasesAtTheEndOfItsScope) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  Mutex mutex(backend, runtime, "x");
  {
    const auto guard = hold(mutex, runtime.in(1s));
    ASSERT_TRUE(guard);
    EXPECT_TRUE(guard->still_held());
    EXPECT_EQ(guard->token(), guard->lease().token);
    EXPECT_FALSE(mutex.try_acquire(runtime.in(1s)));
  }
  EXPECT_TRUE(mutex.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Guard, IsEmptyWhenTheLockIsNotGotInTime) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  Mutex mutex(backend, runtime, "x", {.ttl = 1min, .margin = 1s, .owner = "a"});
  Mutex other(backend, runtime, "x", {.ttl = 1min, .margin = 1s, .owner = "b"});
  const auto guard = hold(mutex, runtime.in(1s));
  EXPECT_FALSE(hold(other, runtime.in(1s)));
}

WORLD_TEST(Guard, MovesWithItsLease) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  Mutex mutex(backend, runtime, "x");
  auto first = hold(mutex, runtime.in(1s));
  {
    const Guard second = std::move(*first);
    EXPECT_TRUE(second.still_held());
    EXPECT_FALSE(first->still_held());
    EXPECT_THROW_CODE(first->renew(runtime.in(1s)), Code::misuse);
  }
  EXPECT_TRUE(mutex.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Guard, SaysWhenItsLeaseIsOver) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  Mutex mutex(backend, runtime, "x", {.ttl = 10s, .margin = 1s, .owner = {}});
  auto guard = hold(mutex, runtime.in(1s));
  runtime.sleep_for(5s);
  guard->renew(runtime.in(1s));
  runtime.sleep_for(9s - 1ns);
  EXPECT_TRUE(guard->still_held());
  runtime.sleep_for(1ns);
  EXPECT_FALSE(guard->still_held());
  runtime.sleep_for(1s);
  EXPECT_THROW_CODE(guard->renew(runtime.in(1s)), Code::lease_lost);
}

WORLD_TEST(Guard, ReleasedEarlyItReleasesOnce) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  Mutex mutex(backend, runtime, "x");
  std::optional<Lease> next;
  {
    auto guard = hold(mutex, runtime.in(1s));
    guard->release(runtime.in(1s));
    EXPECT_FALSE(guard->still_held());
    next = mutex.try_acquire(runtime.in(1s));
  }
  EXPECT_TRUE(next);
  EXPECT_FALSE(mutex.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Guard, WhenItsReleaseFailsTheLeaseExpires) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  testing::FaultyBackend line(backend, runtime);
  Mutex mutex(line, runtime, "x");
  {
    const auto guard = hold(mutex, runtime.in(1s));
    line.next(testing::Fault::refuse);
  }
  EXPECT_FALSE(mutex.try_acquire(runtime.in(1s)));
  runtime.sleep_for(10s);
  EXPECT_TRUE(mutex.try_acquire(runtime.in(1s)));
}

TEST(TokenOf, ALeaseWithoutATokenIsRefused) {
  EXPECT_THROW_CODE(token_of(Lease{}), Code::unsupported);
  EXPECT_EQ(token_of(Lease{.token = FencingToken{7}, .expires = {}, .claim = {}}).value, 7);
}

}  // namespace
}  // namespace tidelock::lock

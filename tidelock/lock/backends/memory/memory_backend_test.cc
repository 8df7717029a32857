#include "tidelock/lock/backends/memory/memory_backend.h"

#include <chrono>
#include <string>
#include <vector>

#include "tidelock/lock/mutex.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(MemoryBackend, AReleaseWakesTheNextWaiterOnlyAndAtOnce) {
  MemoryBackend backend(runtime);
  Mutex mutex(backend, runtime, "x", {.ttl = 1h, .margin = 1s, .owner = {}});
  const auto lease = mutex.try_acquire(runtime.in(1s));
  std::vector<base::Task> waiters;
  std::vector<base::Instant> got;
  for (int i = 0; i < 50; ++i) {
    waiters.push_back(runtime.spawn("waiter", [&](auto) {
      const auto mine = mutex.acquire(base::Deadline::never());
      got.push_back(runtime.now());
      mutex.release(*mine, runtime.in(1s));
    }));
  }
  runtime.sleep_for(100ms);  // Before the first of them looks for a deadlock.
  const auto released = runtime.now();
  const auto steps = world.steps();
  mutex.release(*lease, runtime.in(1s));
  for (auto& waiter : waiters) waiter.join();
  EXPECT_EQ(got, std::vector<base::Instant>(50, released));
  EXPECT_LT(world.steps() - steps, 300u) << "waiters are woken whose turn it is not";
}

WORLD_TEST(MemoryBackend, KeysThatLapsedAreForgottenAlthoughNobodyAsksForThemAgain) {
  MemoryBackend backend(runtime);
  for (int i = 0; i < 20'000; ++i) {
    Mutex mutex(backend, runtime, "key " + std::to_string(i), {.ttl = 1s, .margin = 100ms});
    ASSERT_TRUE(mutex.try_acquire(runtime.in(1s)));
    runtime.sleep_for(10ms);
  }
  EXPECT_LT(backend.snapshot(std::nullopt, runtime.in(1s)).size(), 5'000U);
}

WORLD_TEST(MemoryBackend, KeysThatAreNoLongerUsedAreForgotten) {
  MemoryBackend backend(runtime);
  std::optional<FencingToken> last;
  for (int i = 0; i < 20'000; ++i) {
    Mutex mutex(backend, runtime, "key " + std::to_string(i % 5000));
    const auto lease = mutex.try_acquire(runtime.in(1s));
    ASSERT_TRUE(lease);
    EXPECT_GT(lease->token, last);
    last = lease->token;
    mutex.release(*lease, runtime.in(1s));
  }
  EXPECT_TRUE(backend.snapshot(std::nullopt, runtime.in(1s)).empty());
}

WORLD_TEST(MemoryBackend, ASemaphoreHoldsManyClaims) {
  MemoryBackend backend(runtime);
  Semaphore semaphore(backend, runtime, "x", 1000);
  std::vector<Lease> leases;
  for (int i = 0; i < 1000; ++i) leases.push_back(semaphore.try_acquire(runtime.in(1s)).value());
  EXPECT_FALSE(semaphore.try_acquire(runtime.in(1s)));
  const auto states = backend.snapshot("x", runtime.in(1s));
  ASSERT_EQ(states.size(), 1u);
  ASSERT_EQ(states[0].holders.size(), 1000u);
  for (std::size_t i = 0; i < leases.size(); ++i) EXPECT_EQ(states[0].holders[i].token, leases[i].token);
  for (const auto& lease : leases) semaphore.release(lease, runtime.in(1s));
  EXPECT_TRUE(backend.snapshot("x", runtime.in(1s)).empty());
}

}  // namespace
}  // namespace tidelock::lock

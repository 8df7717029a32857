#include "tidelock/lock/mutex.h"

#include <chrono>
#include <set>
#include <string>

#include "tidelock/lock/backends/all.h"
#include "tidelock/lock/testing/faulty_backend.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

WORLD_TEST(Mutex, ImpossibleOptionsAreRefusedWithTheKey) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  const auto make = [&](std::string key, std::uint32_t permits, LeaseOptions options) {
    Semaphore(backend, runtime, std::move(key), permits, std::move(options));
  };
  EXPECT_THROW_CODE(make("", 1, {}), Code::invalid_argument);
  EXPECT_THROW_CODE(make(std::string(256, 'x'), 1, {}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("a\0b"s, 1, {}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("\xff", 1, {}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 0, {}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 0ms, .margin = 0ms, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = -1s, .margin = 0ms, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 1s, .margin = 1s, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 1s, .margin = 2s, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 1s, .margin = -1ms, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 1s, .margin = 0ms, .owner = "a\0b"s}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 1s, .margin = 0ms, .owner = std::string(1025, 'o')}), Code::invalid_argument);
  const auto longest = std::chrono::milliseconds::max();
  EXPECT_THROW_CODE(make("x", 1, {.ttl = longest, .margin = 0ms, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = longest, .margin = longest, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 1s, .margin = longest, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = -longest, .margin = -longest, .owner = {}}), Code::invalid_argument);
  EXPECT_THROW_CODE(make("x", 1, {.ttl = 366 * 24h, .margin = 0ms, .owner = {}}), Code::invalid_argument);
  EXPECT_NO_THROW(make("x", 1, {.ttl = 1ms, .margin = 0ms, .owner = {}}));
  EXPECT_NO_THROW(make("x", 1, {.ttl = 365 * 24h, .margin = 0ms, .owner = {}}));
  try {
    make("prices", 1, {.ttl = 5s, .margin = 6s, .owner = {}});
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "lock \"prices\": a margin of 6s, must be at least 0 and below the ttl of 5s");
  }
}

WORLD_TEST(Mutex, SaysWhatItWasMadeOf) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  Semaphore semaphore(backend, runtime, "x", 3, {.ttl = 4s, .margin = 1s, .owner = "me"});
  EXPECT_EQ(semaphore.key(), "x");
  EXPECT_EQ(semaphore.permits(), 3u);
  EXPECT_EQ(semaphore.options().ttl, 4s);
  EXPECT_EQ(&semaphore.runtime(), &runtime);
}

WORLD_TEST(Mutex, ClaimsAreUuidsOfVersion8AndNeverRepeat) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  std::set<base::Uuid> claims;
  for (int object = 0; object < 20; ++object) {
    Mutex mutex(backend, runtime, "x");
    for (int i = 0; i < 50; ++i) {
      const auto lease = mutex.try_acquire(runtime.in(1s));
      ASSERT_TRUE(lease);
      EXPECT_EQ(lease->claim.bytes[6] >> 4, 8);
      EXPECT_EQ(lease->claim.bytes[8] >> 6, 2);
      claims.insert(lease->claim);
      mutex.release(*lease, runtime.in(1s));
    }
  }
  EXPECT_EQ(claims.size(), 1000u);
}

WORLD_TEST(Mutex, ARefusalByTheArbiterIsPassedOnAtOnceWhenWaitingCannotHelp) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  Semaphore two(backend, runtime, "x", 2);
  Semaphore three(backend, runtime, "x", 3);
  ASSERT_TRUE(two.try_acquire(runtime.in(1s)));
  const auto begin = runtime.now();
  EXPECT_THROW_CODE(three.acquire(base::Deadline::never()), Code::permits_differ);
  EXPECT_EQ(runtime.now(), begin);
}

WORLD_TEST(Mutex, ARenewalWhoseReplyComesAfterTheNewExpiryIsLost) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  testing::FaultyBackend line(backend, runtime);
  Mutex mutex(line, runtime, "x");
  const auto lease = mutex.try_acquire(runtime.in(1s));
  ASSERT_TRUE(lease);
  line.next(testing::Fault::delay_reply, 20s);
  EXPECT_THROW_CODE(mutex.renew(*lease, runtime.in(1s)), Code::lease_lost);
}

WORLD_TEST(Mutex, OfTasksThatShareAMutexEachRepeatsAnUnsettledClaimOfItsOwn) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  testing::FaultyBackend line(backend, runtime);
  Semaphore semaphore(line, runtime, "x", 3);
  for (int i = 0; i < 2; ++i) {
    line.next(testing::Fault::drop_reply);
    EXPECT_THROW_CODE(semaphore.try_acquire(runtime.in(1s)), Code::unknown_outcome);
  }
  std::set<base::Uuid> claims;
  for (int i = 0; i < 3; ++i) claims.insert(semaphore.try_acquire(runtime.in(1s)).value().claim);
  EXPECT_EQ(claims.size(), 3u);
  EXPECT_FALSE(semaphore.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Mutex, ATaskUndoesWhatAnotherTaskLeftUnsettled) {
  const auto arbiter = open_backend(runtime, files, base::Url::parse("memory:"));
  auto& backend = *arbiter;
  testing::FaultyBackend line(backend, runtime);
  Mutex mutex(line, runtime, "x");
  runtime
      .spawn("first",
             [&](auto) {
               line.next(testing::Fault::drop_reply);
               EXPECT_THROW_CODE(mutex.try_acquire(runtime.in(1s)), Code::unknown_outcome);
             })
      .join();
  line.next(testing::Fault::drop_request);
  EXPECT_FALSE(mutex.acquire(runtime.in(1s)));
  EXPECT_TRUE(backend.snapshot(std::nullopt, runtime.in(1s)).empty());
}

}  // namespace
}  // namespace tidelock::lock

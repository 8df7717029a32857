#include "tidelock/lock/keeper.h"

#include <chrono>
#include <memory>
#include <string>

#include "tidelock/lock/backends/all.h"
#include "tidelock/lock/testing/faulty_backend.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;
using testing::Fault;

// A holder with a bad line, a ttl of 10 s and a margin of 1 s; and somebody else with a good one.
struct Scene {
  Scene(base::Runtime& the_runtime, base::Files& files)
      : runtime(the_runtime),
        backend(open_backend(runtime, files, base::Url::parse("memory:"))),
        line(*backend, runtime),
        mutex(line, runtime, "x", options("holder")),
        other(*backend, runtime, "x", options("other")) {}
  static LeaseOptions options(std::string owner) { return {.ttl = 10s, .margin = 1s, .owner = std::move(owner)}; }
  Lease acquire() { return mutex.try_acquire(runtime.in(1s)).value(); }
  // When stop was requested; fails when it was not within a minute.
  base::Instant wait_for_stop(Keeper& keeper) {
    EXPECT_FALSE(runtime.sleep_for(1min, keeper.stop_token()));
    return runtime.now();
  }

  base::Runtime& runtime;
  const std::unique_ptr<Backend> backend;
  testing::FaultyBackend line;
  Mutex mutex;
  Mutex other;
};

WORLD_TEST(Keeper, KeepsALeaseForAsLongAsItLives) {
  Scene scene(runtime, files);
  const auto lease = scene.acquire();
  {
    Keeper keeper(scene.mutex, lease);
    for (int i = 0; i < 60; ++i) {
      runtime.sleep_for(1s);
      EXPECT_TRUE(keeper.still_held());
      EXPECT_FALSE(scene.other.try_acquire(runtime.in(1s)));
    }
    EXPECT_EQ(keeper.lease().token, lease.token);
    EXPECT_GT(keeper.lease().expires, runtime.now() + 5s);
    EXPECT_FALSE(keeper.lost());
    EXPECT_FALSE(keeper.stop_token().stop_requested());
    EXPECT_EQ(scene.line.renewals(), 19u);  // Every third of the ttl less the margin.
  }
  EXPECT_TRUE(scene.other.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Keeper, KeepsALeaseWhoseMarginIsMostOfTheTtl) {
  Scene scene(runtime, files);
  Mutex cautious(scene.line, runtime, "x", {.ttl = 10s, .margin = 8s, .owner = "holder"});
  const Keeper keeper(cautious, cautious.try_acquire(runtime.in(1s)).value());
  EXPECT_TRUE(runtime.sleep_for(1min, keeper.stop_token())) << keeper.lost()->what();
  EXPECT_TRUE(keeper.still_held());
}

WORLD_TEST(Keeper, RenewsBeforeSomebodyActsOnTheEndThatIsNear) {
  Scene scene(runtime, files);
  constexpr base::Duration kLead = 7s;
  const auto lease = scene.acquire();
  auto known = lease.expires;
  const Keeper keeper(
      scene.mutex, lease, Keeper::AtEnd::leave,
      [&](const Lease& renewed) {
        EXPECT_LT(runtime.now(), known - kLead);
        known = renewed.expires;
      },
      kLead);
  runtime.sleep_for(3s);
  for (int i = 0; i < 5; ++i) scene.line.next(Fault::refuse);
  runtime.sleep_for(3s);
  EXPECT_LT(runtime.now(), known - kLead) << "one that failed was not tried again in time";
  EXPECT_TRUE(keeper.still_held());
}

WORLD_TEST(Keeper, LeavesTheLeaseWhenAskedTo) {
  Scene scene(runtime, files);
  { Keeper keeper(scene.mutex, scene.acquire(), Keeper::AtEnd::leave); }
  EXPECT_FALSE(scene.other.try_acquire(runtime.in(1s)));
  runtime.sleep_for(10s);
  EXPECT_TRUE(scene.other.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Keeper, RequestsStopAtTheExpiryWhileARenewalHangs) {
  Scene scene(runtime, files);
  Keeper keeper(scene.mutex, scene.acquire());
  const auto expires = keeper.lease().expires;
  scene.line.next(Fault::delay_request, 30s);  // Heeds no deadline.
  EXPECT_EQ(scene.wait_for_stop(keeper), expires);
  EXPECT_FALSE(keeper.still_held());
  ASSERT_TRUE(keeper.lost());
  EXPECT_EQ(keeper.lost()->code(), Code::lease_lost);
  EXPECT_STREQ(keeper.lost()->what(), "the lease on \"x\" expired: no renewal was answered in time");
  EXPECT_TRUE(keeper.lost_by_expiry());
  EXPECT_FALSE(scene.other.try_acquire(runtime.in(1s))) << "stopped after the arbiter let go";
}

WORLD_TEST(Keeper, ARenewalThatIsAnsweredAfterTheExpiryDoesNotReviveTheLease) {
  Scene scene(runtime, files);
  int told = 0;
  Keeper keeper(scene.mutex, scene.acquire(), Keeper::AtEnd::leave, [&](const Lease&) { ++told; });
  const auto expires = keeper.lease().expires;
  scene.line.next(Fault::delay_reply, 6500ms);  // Of the renewal after 3 s: proves the lease until 12 s, but at 9.5 s.
  EXPECT_EQ(scene.wait_for_stop(keeper), expires);
  runtime.sleep_for(1s);
  EXPECT_FALSE(keeper.still_held());
  EXPECT_TRUE(keeper.lost());
  EXPECT_EQ(keeper.lease().expires, expires);
  EXPECT_EQ(told, 0) << "whoever ends the work at the expiry was told of a later one";
}

WORLD_TEST(Keeper, TriesAgainUntilTheLeaseExpires) {
  Scene scene(runtime, files);
  Keeper keeper(scene.mutex, scene.acquire());
  for (int i = 0; i < 10; ++i) scene.line.next(Fault::refuse);
  runtime.sleep_for(20s);
  EXPECT_TRUE(keeper.still_held());

  const auto sent = keeper.lease().expires;
  for (int i = 0; i < 1000; ++i) scene.line.next(Fault::refuse);
  EXPECT_EQ(scene.wait_for_stop(keeper), sent);
  EXPECT_STREQ(keeper.lost()->what(),
               "the lease on \"x\" expired: the last renewal failed: the arbiter does nothing: unavailable");
  EXPECT_LT(scene.line.renewals(), 60u) << "hammers the arbiter";
}

WORLD_TEST(Keeper, SurvivesLostRepliesAndRequests) {
  Scene scene(runtime, files);
  Keeper keeper(scene.mutex, scene.acquire());
  scene.line.next(Fault::drop_reply);
  runtime.sleep_for(20s);
  scene.line.next(Fault::drop_request);
  runtime.sleep_for(20s);
  EXPECT_TRUE(keeper.still_held());
}

WORLD_TEST(Keeper, RequestsStopAtOnceWhenTheArbiterSaysThatItIsLost) {
  Scene scene(runtime, files);
  Keeper keeper(scene.mutex, scene.acquire());
  const auto begin = runtime.now();
  EXPECT_TRUE(scene.backend->break_key("x", runtime.in(1s)));
  EXPECT_LT(scene.wait_for_stop(keeper) - begin, 3400ms);  // The next renewal.
  EXPECT_EQ(keeper.lost()->code(), Code::lease_lost);
  const std::string why = keeper.lost()->what();
  EXPECT_TRUE(why.starts_with("lost the lease on \"x\": ")) << why;
  EXPECT_FALSE(keeper.lost_by_expiry());
}

WORLD_TEST(Keeper, DoesNotRenewAfterALoss) {
  Scene scene(runtime, files);
  Keeper keeper(scene.mutex, scene.acquire());
  scene.line.next(Fault::delay_request, 9s);
  scene.wait_for_stop(keeper);
  const auto renewals = scene.line.renewals();
  runtime.sleep_for(1min);
  EXPECT_EQ(scene.line.renewals(), renewals);
  EXPECT_TRUE(scene.other.try_acquire(runtime.in(1s)));
}

WORLD_TEST(Keeper, DoesNotRenewAfterARelease) {
  Scene scene(runtime, files);
  Keeper keeper(scene.mutex, scene.acquire());
  runtime.sleep_for(5s);
  keeper.release(runtime.in(1s));
  EXPECT_FALSE(keeper.still_held());
  EXPECT_FALSE(keeper.lost());
  const auto renewals = scene.line.renewals();
  const auto next = scene.other.try_acquire(runtime.in(1s));
  EXPECT_TRUE(next);
  runtime.sleep_for(9s);
  EXPECT_EQ(scene.line.renewals(), renewals);
  EXPECT_FALSE(keeper.stop_token().stop_requested());
  EXPECT_NO_THROW(scene.other.renew(*next, runtime.in(1s)));
}

WORLD_TEST(Keeper, OfALeaseThatIsOverIsLostFromTheStart) {
  Scene scene(runtime, files);
  const auto lease = scene.acquire();
  runtime.sleep_for(9s);
  Keeper keeper(scene.mutex, lease);
  EXPECT_TRUE(keeper.stop_token().stop_requested());
  EXPECT_TRUE(keeper.lost());
  EXPECT_EQ(scene.line.renewals(), 0u);
}

WORLD_TEST(Keeper, AProcessThatWasPausedSeesTheLossWhenItIsBack) {
  auto& process = world.process("holder");
  Scene scene(process, process.files());
  bool held = true;
  auto work = process.spawn("work", [&](auto) {
    Keeper keeper(scene.mutex, scene.acquire());
    process.sleep_for(1min, keeper.stop_token());
    held = keeper.still_held();
  });
  runtime.sleep_for(5s);
  process.pause();
  runtime.sleep_for(30s);
  EXPECT_TRUE(scene.other.try_acquire(runtime.in(1s)));
  process.resume();
  const auto back = runtime.now();
  work.join();
  EXPECT_EQ(runtime.now(), back);
  EXPECT_FALSE(held);
}

}  // namespace
}  // namespace tidelock::lock

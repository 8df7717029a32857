// The contract of mutex.h for several permits.
#include <vector>

#include "tidelock/lock/conformance/lock_conformance.h"

namespace tidelock::lock::conformance {
namespace {

using SemaphoreConformance = LockConformance;

TEST_P(SemaphoreConformance, AsManyHoldersAsPermits) {
  run([&] {
    auto a = alice().semaphore(2);
    auto b = bob().semaphore(2);
    const auto first = a.try_acquire(alice().soon());
    const auto second = b.try_acquire(bob().soon());
    ASSERT_TRUE(first && second);
    EXPECT_GT(second->token, first->token);
    EXPECT_FALSE(a.try_acquire(alice().soon()));
    a.release(*first, alice().soon());
    EXPECT_TRUE(b.try_acquire(bob().soon()));
    EXPECT_FALSE(a.try_acquire(alice().soon()));
  });
}

TEST_P(SemaphoreConformance, PermitsMustAgree) {
  run([&] {
    auto three = alice().semaphore(3);
    auto five = bob().semaphore(5);
    const auto lease = three.try_acquire(alice().soon());
    ASSERT_TRUE(lease);
    try {
      static_cast<void>(five.try_acquire(bob().soon()));
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::permits_differ);
      const std::string text = error.what();
      EXPECT_NE(text.find("3 permits for \"" + alice().process.identity().owner), text.npos) << text;
      EXPECT_NE(text.find("5 permits for \"" + bob().process.identity().owner), text.npos) << text;
    }
    EXPECT_THROW_CODE(five.acquire(bob().soon()), Code::permits_differ);
    three.release(*lease, alice().soon());
    EXPECT_TRUE(five.try_acquire(bob().soon()));
  });
}

TEST_P(SemaphoreConformance, OneReleaseServesOneWaiter) {
  run([&] {
    auto a = alice().semaphore(2);
    auto b = bob().semaphore(2);
    const auto first = a.try_acquire(alice().soon());
    const auto second = a.try_acquire(alice().soon());
    ASSERT_TRUE(first && second);
    int served = 0;
    std::vector<base::Task> waiters;
    for (int i = 0; i < 3; ++i) {
      waiters.push_back(spawn(bob(), [&] {
        const auto lease = b.acquire(bob().process.in(1min));
        ASSERT_TRUE(lease);
        ++served;
        bob().process.sleep_for(5s);
        b.release(*lease, bob().soon());
      }));
      advance(10ms);
    }
    a.release(*first, alice().soon());
    advance(1s);
    EXPECT_EQ(served, 1);
    a.release(*second, alice().soon());
    advance(1s);
    EXPECT_EQ(served, 2);
    for (auto& waiter : waiters) waiter.join();
    EXPECT_EQ(served, 3);
  });
}

// The waiter asked once and is slow to ask again, as a process that is stopped.
TEST_P(SemaphoreConformance, NewcomersMayTakeWhatTheWaitersLeave) {
  run([&] {
    auto a = alice().semaphore(3);
    std::vector<Lease> leases;
    for (int i = 0; i < 3; ++i) leases.push_back(a.try_acquire(alice().soon()).value());
    const Claim waiter{
        .key = "s", .id = base::uuid_v7(bob().process), .owner = "bob", .permits = 3, .ttl = 10s, .token = {}};
    const auto ask = [&] { return bob().backend->try_acquire(waiter, Backend::Queue::yes, bob().soon()); };
    EXPECT_FALSE(ask().granted);
    for (const auto& lease : leases) a.release(lease, alice().soon());
    EXPECT_TRUE(a.try_acquire(alice().soon()));
    EXPECT_TRUE(a.try_acquire(alice().soon()));
    EXPECT_FALSE(a.try_acquire(alice().soon())) << "the third is bob's";
    EXPECT_TRUE(ask().granted);
  });
}

TEST_P(SemaphoreConformance, APermitThatLapsesGoesToTheNext) {
  run([&] {
    auto a = alice().semaphore(2);
    auto b = bob().semaphore(2);
    const auto begin = now();
    ASSERT_TRUE(a.try_acquire(alice().soon()));
    advance(4s);
    ASSERT_TRUE(a.try_acquire(alice().soon()));
    EXPECT_TRUE(b.acquire(bob().process.in(1min)));
    EXPECT_GE(now() - begin, 10s);
    EXPECT_LT(now() - begin, 10s + instant());
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, SemaphoreConformance, ::testing::ValuesIn(arbiters()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tidelock::lock::conformance

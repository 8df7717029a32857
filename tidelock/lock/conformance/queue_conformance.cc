// The contract of Semaphore::acquire(): waiting, order, giving up, deadlocks.
#include <vector>

#include "tidelock/lock/conformance/lock_conformance.h"
#include "tidelock/lock/keeper.h"

namespace tidelock::lock::conformance {
namespace {

using QueueConformance = LockConformance;

TEST_P(QueueConformance, AWaiterGetsTheLockWhenItIsReleased) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    std::optional<Lease> next;
    base::Instant got;
    auto waiting = spawn(bob(), [&] {
      next = bob().acquire();
      got = bob().process.now();
    });
    advance(2s);
    EXPECT_FALSE(next);
    const auto released = now();
    alice().release(*lease);
    waiting.join();
    ASSERT_TRUE(next);
    EXPECT_GT(next->token, lease->token);
    EXPECT_LT(got - released, instant());
  });
}

TEST_P(QueueConformance, AWaiterGetsTheLockWhenItsHolderDies) {
  run_stopping([&] {
    const auto begin = now();
    ASSERT_TRUE(alice().try_acquire());
    alice().crash();
    const auto next = bob().acquire();
    ASSERT_TRUE(next);
    EXPECT_GE(now() - begin, 10s);
    EXPECT_LT(now() - begin, 10s + instant());
  });
}

TEST_P(QueueConformance, WaitersAreServedInOrder) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    std::vector<int> order;
    std::vector<base::Task> waiters;
    for (int i = 0; i < 8; ++i) {
      auto& party = i % 2 == 0 ? bob() : carol();
      waiters.push_back(spawn(party, [&, i] {
        const auto mine = party.acquire();
        ASSERT_TRUE(mine);
        order.push_back(i);
        party.release(*mine);
      }));
      advance(100ms);
    }
    alice().release(*lease);
    for (auto& waiter : waiters) waiter.join();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(QueueConformance, NewcomersDoNotBarge) {
  run_stopping([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    std::optional<Lease> next;
    auto waiting = spawn(bob(), [&] { next = bob().acquire(); });
    advance(100ms);
    bob().pause();  // It cannot take what is free, and nobody else may.
    alice().release(*lease);
    EXPECT_FALSE(carol().try_acquire());
    EXPECT_FALSE(alice().try_acquire());
    bob().resume();
    waiting.join();
    EXPECT_TRUE(next);
  });
}

TEST_P(QueueConformance, AWaiterKeepsItsPlaceForAsLongAsItWaits) {
  run([&] {
    auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    std::vector<char> order;
    auto first = spawn(bob(), [&] {
      const auto mine = bob().acquire();
      order.push_back('b');
      bob().release(*mine);
    });
    advance(100ms);
    auto second = spawn(carol(), [&] {
      const auto mine = carol().acquire();
      order.push_back('c');
      carol().release(*mine);
    });
    for (int i = 0; i < 12; ++i) {  // A minute: six times the ttl of a place.
      advance(5s);
      lease = alice().mutex.renew(*lease, alice().soon());
    }
    alice().release(*lease);
    first.join();
    second.join();
    EXPECT_EQ(order, (std::vector<char>{'b', 'c'}));
  });
}

TEST_P(QueueConformance, AWaiterThatDiesDoesNotBlockTheQueue) {
  run_stopping([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    auto dying = spawn(bob(), [&] { static_cast<void>(bob().acquire()); });
    advance(100ms);
    std::optional<Lease> next;
    auto waiting = spawn(carol(), [&] { next = carol().acquire(); });
    advance(100ms);
    bob().crash();
    dying.join();
    alice().release(*lease);
    waiting.join();
    EXPECT_TRUE(next);
    EXPECT_LE(now() - lease->expires, 2s);  // The place expired with its own ttl.
  });
}

TEST_P(QueueConformance, APlaceThatNobodyGaveUpHoldsUpTheOthersForHalfAMinuteAtMost) {
  run([&] {
    const Claim absent{.key = "x", .id = base::uuid_v7(alice().process), .owner = "absent", .ttl = 1h, .token = {}};
    const auto lease = bob().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_FALSE(alice().line.try_acquire(absent, Backend::Queue::yes, alice().soon()).granted);
    bob().release(*lease);
    EXPECT_FALSE(bob().try_acquire());
    advance(31s);
    const auto next = bob().try_acquire();
    ASSERT_TRUE(next);
    EXPECT_FALSE(alice().line.try_acquire(absent, Backend::Queue::yes, alice().soon()).granted);  // It is back.
    bob().release(*next);
    EXPECT_FALSE(bob().try_acquire());
    EXPECT_TRUE(alice().line.try_acquire(absent, Backend::Queue::yes, alice().soon()).granted);
  });
}

TEST_P(QueueConformance, WhoWaitsKeepsItsPlaceForAsLongAsItWaitsAlsoWithALongTtl) {
  run([&] {
    Mutex held(alice().line, alice().process, "x", {.ttl = 1h, .margin = 1s, .owner = {}});
    Mutex wanted(bob().line, bob().process, "x", {.ttl = 1h, .margin = 1s, .owner = {}});
    const auto lease = held.try_acquire(alice().soon());
    ASSERT_TRUE(lease);
    std::optional<Lease> next;
    auto waiting = spawn(bob(), [&] { next = wanted.acquire(bob().process.in(10min)); });
    for (int i = 0; i < 20; ++i) {
      advance(5s);
      const auto keys = snapshot();
      ASSERT_EQ(keys.size(), 1U);
      ASSERT_EQ(keys[0].waiters.size(), 1U);
      EXPECT_GT(keys[0].waiters[0].expires_in, 10s);
    }
    held.release(*lease, alice().soon());
    waiting.join();
    EXPECT_TRUE(next);
  });
}

TEST_P(QueueConformance, CancelLeavesNothingBehind) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    std::stop_source stop;
    std::optional<Lease> none;
    auto waiting = spawn(bob(), [&] { none = bob().mutex.acquire(base::Deadline::never(), stop.get_token()); });
    advance(2s);
    const auto asked = now();
    stop.request_stop();
    waiting.join();
    EXPECT_LT(now() - asked, instant());
    EXPECT_FALSE(none);
    alice().release(*lease);
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(QueueConformance, StoppedBeforehandItTakesNothing) {
  run([&] {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_FALSE(bob().mutex.acquire(base::Deadline::never(), stop.get_token()));
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(QueueConformance, TheDeadlineLeavesNothingBehind) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    const auto begin = now();
    EXPECT_FALSE(bob().mutex.acquire(begin + 3s));
    EXPECT_GE(now(), begin + 3s);
    EXPECT_LT(now(), begin + 3s + instant());
    alice().release(*lease);
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(QueueConformance, ADeadlineThatHasPassedLeavesNothingBehind) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_FALSE(bob().mutex.acquire(now()));
    EXPECT_FALSE(bob().mutex.acquire(now() - 1h));
    alice().release(*lease);
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(QueueConformance, ALostReplyIsSettledByRepeating) {
  run([&] {
    alice().line.next(Fault::drop_reply);
    const auto lease = alice().acquire();
    ASSERT_TRUE(lease);
    const auto states = snapshot();
    ASSERT_EQ(states.size(), 1u);
    EXPECT_EQ(states[0].holders.size(), 1u);
    EXPECT_TRUE(states[0].waiters.empty());
    alice().release(*lease);
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(QueueConformance, AnUnreachableArbiterIsAskedAgainUntilTheDeadline) {
  run([&] {
    for (int i = 0; i < 4; ++i) alice().line.next(Fault::refuse);
    EXPECT_TRUE(alice().acquire());
    for (int i = 0; i < 100; ++i) bob().line.next(Fault::refuse);
    EXPECT_THROW_CODE(bob().mutex.acquire(now() + 5s), Code::unavailable);
  });
}

// What a waiter's line does: the first request comes through and gets a place, those behind it are refused.
void refuse_later(Party& party, const std::vector<Code>& codes, int times) {
  party.line.next(Fault::delay_request, 0s);
  for (int i = 0; i < times; ++i) {
    for (const auto code : codes) party.line.refuse_next(code);
  }
}

TEST_P(QueueConformance, AWaiterOutlivesAFullDisk) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    refuse_later(bob(), {Code::disk_full, Code::io_error, Code::read_only_server}, 4);
    std::optional<Lease> next;
    auto waiting = spawn(bob(), [&] { next = bob().acquire(); });
    advance(6s);
    alice().release(*lease);
    waiting.join();
    EXPECT_TRUE(next);
    EXPECT_GT(bob().line.attempts(), 4u);  // It has met some of it; looks for a deadlock meet the rest.
  });
}

TEST_P(QueueConformance, WhatIsStillInTheWayOfAWaiterAtItsDeadlineIsTold) {
  run([&] {
    ASSERT_TRUE(alice().try_acquire());
    refuse_later(bob(), {Code::disk_full}, 200);
    const auto begin = now();
    EXPECT_THROW_CODE(bob().mutex.acquire(begin + 5s), Code::disk_full);
    EXPECT_GE(now(), begin + 5s);
  });
}

TEST_P(QueueConformance, WhoHasNoPlaceYetIsToldOfAFullDiskAtOnce) {
  run([&] {
    const auto begin = now();
    bob().line.refuse_next(Code::disk_full);
    EXPECT_THROW_CODE(bob().acquire(), Code::disk_full);
    EXPECT_LT(now() - begin, instant());
  });
}

TEST_P(QueueConformance, GivingUpAfterALostReplyFreesTheKey) {
  run([&] {
    alice().line.next(Fault::drop_reply);
    EXPECT_FALSE(alice().mutex.acquire(now() + 2s));
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(QueueConformance, ALateReplyIsAskedForAgain) {
  run([&] {
    alice().line.next(Fault::delay_reply, 9500ms);
    const auto lease = alice().acquire();
    ASSERT_TRUE(lease);
    EXPECT_GT(lease->expires, now() + 9s - instant());
    EXPECT_FALSE(bob().try_acquire());
  });
}

TEST_P(QueueConformance, OfTwoThatWaitForEachOtherTheYoungerOneGivesUp) {
  run([&] {
    Mutex alice_y(alice().line, alice().process, "y", usual_options());
    Mutex bob_y(bob().line, bob().process, "y", usual_options());
    std::string cycle;
    bool alice_has_both = false;
    auto first = spawn(alice(), [&] {
      const auto x = alice().acquire();
      alice().process.sleep_for(1s);
      Keeper keeper(alice().mutex, *x);
      const auto y = alice_y.acquire(alice().process.in(1min));
      alice_has_both = y.has_value();
      alice_y.release(*y, alice().soon());
    });
    auto second = spawn(bob(), [&] {
      const auto y = bob_y.acquire(bob().soon());
      bob().process.sleep_for(2s);
      try {
        static_cast<void>(bob().acquire());
        ADD_FAILURE() << "got x";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::deadlock);
        EXPECT_EQ(error.disposition(), Disposition::rerun_unit);
        cycle = error.what();
      }
      bob_y.release(*y, bob().soon());
    });
    const auto begin = now();
    first.join();
    second.join();
    EXPECT_TRUE(alice_has_both);
    EXPECT_LT(now() - begin, 4s);
    EXPECT_NE(cycle.find(" holds x, waits for y since "), cycle.npos) << cycle;
    EXPECT_NE(cycle.find(" holds y, waits for x since "), cycle.npos) << cycle;
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(QueueConformance, AHolderThatWaitsForItselfIsTold) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_THROW_CODE(alice().mutex.acquire(now() + 8s), Code::deadlock);
    EXPECT_LT(now() - lease->expires, -8s);
    alice().release(*lease);
    EXPECT_TRUE(snapshot().empty());  // Nor does it stay in the queue.
  });
}

TEST_P(QueueConformance, ManyTasksOfManyProcessesNeverOverlap) {
  run([&] {
    int inside = 0;
    int done = 0;
    std::optional<FencingToken> last;
    std::vector<base::Task> tasks;
    for (auto* party : {&alice(), &bob(), &carol()}) {
      for (int i = 0; i < 5; ++i) {
        tasks.push_back(spawn(*party, [&, party] {
          for (int round = 0; round < 10; ++round) {
            const auto lease = party->acquire();
            ASSERT_TRUE(lease);
            EXPECT_EQ(++inside, 1);
            EXPECT_GT(lease->token, last);
            last = lease->token;
            party->process.sleep_for(1ms);
            --inside;
            party->release(*lease);
            ++done;
          }
        }));
      }
    }
    for (auto& task : tasks) task.join();
    EXPECT_EQ(done, 150);
    EXPECT_TRUE(snapshot().empty());
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, QueueConformance, ::testing::ValuesIn(arbiters()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tidelock::lock::conformance

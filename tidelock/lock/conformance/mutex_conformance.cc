// The contract of mutex.h for one attempt, renewal and release. Nothing sleeps.
#include <array>

#include "tidelock/lock/conformance/lock_conformance.h"

namespace tidelock::lock::conformance {
namespace {

using MutexConformance = LockConformance;

TEST_P(MutexConformance, OneHolderAtATime) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_FALSE(bob().try_acquire());
    alice().release(*lease);
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, AHolderDoesNotEnterTwice) {
  run([&] {
    EXPECT_TRUE(alice().try_acquire());
    EXPECT_FALSE(alice().try_acquire());
  });
}

TEST_P(MutexConformance, KeysAreComparedByteByByte) {
  run([&] {
    for (const auto& key :
         {std::string("a"), std::string("A"), std::string("a "), std::string("\xc3\xa4"), std::string("a\xcc\x88"),
          std::string("%"), std::string("'; --"), std::string(255, 'k'), std::string(254, 'k')}) {
      Mutex mutex(alice().line, alice().process, key, usual_options());
      EXPECT_TRUE(mutex.try_acquire(alice().soon())) << key;
    }
  });
}

TEST_P(MutexConformance, NoRenewalMakesALeaseExpireSooner) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    Mutex brief(alice().line, alice().process, "x", {.ttl = 2s, .margin = 1s, .owner = {}});
    EXPECT_EQ(brief.renew(*lease, alice().soon()).expires, lease->expires);
    advance(5s);
    EXPECT_FALSE(bob().try_acquire());  // alice's first lease still stands.
    EXPECT_NO_THROW(alice().mutex.renew(*lease, alice().soon()));
  });
}

TEST_P(MutexConformance, ALeaseCountsFromTheRequestLessTheMargin) {
  run([&] {
    const auto sent = now();
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->expires, sent + 9s);
    EXPECT_TRUE(lease->valid(sent + 9s - 1ns));
    EXPECT_FALSE(lease->valid(sent + 9s));
  });
}

TEST_P(MutexConformance, ASlowReplyShortensTheLease) {
  run([&] {
    const auto sent = now();
    alice().line.next(Fault::delay_reply, 3s);
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->expires, sent + 9s);
    EXPECT_GE(now(), sent + 3s);
  });
}

TEST_P(MutexConformance, ASlowRequestShortensTheLease) {
  run([&] {
    const auto sent = now();
    alice().line.next(Fault::delay_request, 3s);
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->expires, sent + 9s);
  });
}

TEST_P(MutexConformance, AReplyAfterTheExpiryGivesNoLeaseAndFreesTheKey) {
  run([&] {
    alice().line.next(Fault::delay_request, 9s);
    EXPECT_FALSE(alice().mutex.try_acquire(now() + 1min));
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, TheArbiterWaitsForTheMarginBeforeItLetsGo) {
  run([&] {
    const auto sent = now();
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    advance(lease->expires - now());
    EXPECT_FALSE(lease->valid(now()));
    EXPECT_FALSE(bob().try_acquire());
    advance(sent + 10s + instant() - now());
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, ALapsedHolderIsFencedByItsSuccessor) {
  run([&] {
    const auto paused = alice().try_acquire();
    EXPECT_FALSE(bob().try_acquire());
    advance(10s);
    const auto next = bob().try_acquire();
    ASSERT_TRUE(paused && next);
    EXPECT_GT(next->token, paused->token);
    EXPECT_THROW_CODE(alice().mutex.renew(*paused, alice().soon()), Code::lease_lost);
    EXPECT_NO_THROW(alice().release(*paused));
    EXPECT_FALSE(carol().try_acquire()) << "releasing a lapsed lease freed its successor's";
  });
}

TEST_P(MutexConformance, AfterALostReplyTheSameMutexMayRepeatAndNobodyElseGetsIn) {
  run([&] {
    alice().line.next(Fault::drop_reply);
    EXPECT_THROW_CODE(alice().try_acquire(), Code::unknown_outcome);
    EXPECT_FALSE(bob().try_acquire());  // It was applied.
    const auto held = snapshot();
    const auto sent = now();
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->expires, sent + 9s);
    ASSERT_EQ(held.size(), 1u);
    EXPECT_EQ(lease->token, held[0].holders.at(0).token);
    advance(9s);  // More than the first request's ttl, less than the second's.
    EXPECT_FALSE(bob().try_acquire());
    alice().release(*lease);
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, AfterALostRequestTheSameMutexMayRepeat) {
  run([&] {
    alice().line.next(Fault::drop_request);
    EXPECT_THROW_CODE(alice().try_acquire(), Code::unknown_outcome);
    EXPECT_TRUE(alice().try_acquire());
  });
}

TEST_P(MutexConformance, AnAttemptOfUnknownOutcomeThatIsRefusedLeavesNothing) {
  run([&] {
    alice().line.next(Fault::drop_request);
    EXPECT_THROW_CODE(alice().try_acquire(), Code::unknown_outcome);
    const auto lease = bob().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_FALSE(alice().try_acquire());
    bob().release(*lease);
    EXPECT_TRUE(snapshot().empty());
  });
}

TEST_P(MutexConformance, ARequestThatArrivesAfterItsCallerGaveUpBlocksForItsTtlOnly) {
  run([&] {
    alice().line.next(Fault::apply_late, 6s);
    EXPECT_THROW_CODE(alice().try_acquire(), Code::unknown_outcome);
    advance(2s);
    EXPECT_FALSE(bob().try_acquire());
    advance(10s);
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, AnUnreachableArbiterIsSaidToBeSo) {
  run([&] {
    alice().line.next(Fault::refuse);
    EXPECT_THROW_CODE(alice().try_acquire(), Code::unavailable);
    EXPECT_TRUE(alice().try_acquire());
  });
}

TEST_P(MutexConformance, RenewKeepsTheTokenAndMovesTheExpiry) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    advance(6s);
    const auto sent = now();
    const auto renewed = alice().mutex.renew(*lease, alice().soon());
    EXPECT_EQ(renewed.token, lease->token);
    EXPECT_EQ(renewed.claim, lease->claim);
    EXPECT_EQ(renewed.expires, sent + 9s);
    advance(8s);
    EXPECT_FALSE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, ASlowRenewalCountsFromItsRequest) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    const auto sent = now();
    alice().line.next(Fault::delay_reply, 4s);
    EXPECT_EQ(alice().mutex.renew(*lease, alice().soon()).expires, sent + 9s);
  });
}

TEST_P(MutexConformance, ARenewalOfUnknownOutcomeMayBeRepeated) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    alice().line.next(Fault::drop_reply);
    EXPECT_THROW_CODE(alice().mutex.renew(*lease, alice().process.in(1s)), Code::unknown_outcome);
    const auto sent = now();
    EXPECT_EQ(alice().mutex.renew(*lease, alice().soon()).expires, sent + 9s);
  });
}

TEST_P(MutexConformance, RenewAfterLapseIsLost) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    advance(10s);
    EXPECT_THROW_CODE(alice().mutex.renew(*lease, alice().soon()), Code::lease_lost);
  });
}

TEST_P(MutexConformance, RenewAfterReleaseIsLost) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    alice().release(*lease);
    EXPECT_THROW_CODE(alice().mutex.renew(*lease, alice().soon()), Code::lease_lost);
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, ReleaseTwice) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    alice().release(*lease);
    EXPECT_NO_THROW(alice().release(*lease));
    EXPECT_TRUE(bob().try_acquire());
    EXPECT_NO_THROW(alice().release(*lease));
    EXPECT_FALSE(carol().try_acquire());
  });
}

TEST_P(MutexConformance, AReleaseOfUnknownOutcomeMayBeRepeated) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    alice().line.next(Fault::drop_reply);
    EXPECT_THROW_CODE(alice().release(*lease), Code::unknown_outcome);
    EXPECT_NO_THROW(alice().release(*lease));
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, ALateReleaseDoesNotFreeTheNextHolding) {
  run([&] {
    const auto first = alice().try_acquire();
    ASSERT_TRUE(first);
    alice().line.next(Fault::apply_late, 7s);
    EXPECT_THROW_CODE(alice().release(*first), Code::unknown_outcome);
    advance(1s);
    alice().release(*first);
    EXPECT_TRUE(alice().try_acquire());
    advance(5s);
    EXPECT_FALSE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, AForeignLeaseIsNeitherReleasedNorRenewed) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_THROW_CODE(bob().release(*lease), Code::not_holder);
    EXPECT_THROW_CODE(bob().mutex.renew(*lease, bob().soon()), Code::not_holder);
    EXPECT_FALSE(carol().try_acquire());
    EXPECT_NO_THROW(alice().mutex.renew(*lease, alice().soon()));
  });
}

TEST_P(MutexConformance, ALeaseOfAnotherKeyIsForeign) {
  run([&] {
    Mutex other(alice().line, alice().process, "other", usual_options());
    const auto lease = other.try_acquire(alice().soon());
    ASSERT_TRUE(lease);
    EXPECT_THROW_CODE(alice().release(*lease), Code::not_holder);
    EXPECT_THROW_CODE(alice().mutex.renew(*lease, alice().soon()), Code::not_holder);
  });
}

TEST_P(MutexConformance, ALeaseWithAnotherTokenIsNotHeld) {
  run([&] {
    auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    lease->token = FencingToken{lease->token->value - 1};
    EXPECT_THROW_CODE(alice().mutex.renew(*lease, alice().soon()), Code::lease_lost);
    EXPECT_NO_THROW(alice().release(*lease));
    EXPECT_FALSE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, AnotherTaskAndAnotherObjectOfTheOwnerMayRenewAndRelease) {
  run([&] {
    std::optional<Lease> lease;
    spawn(alice(), [&] { lease = alice().try_acquire(); }).join();
    ASSERT_TRUE(lease);
    Mutex same(alice().line, alice().process, "x", usual_options());
    spawn(alice(), [&] {
      EXPECT_NO_THROW(same.renew(*lease, alice().soon()));
      EXPECT_NO_THROW(same.release(*lease, alice().soon()));
    }).join();
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, AnOwnerOfItsOwnNameIsTheOnlyOneToRelease) {
  run([&] {
    auto options = usual_options();
    options.owner = "run/7";
    Mutex named(alice().line, alice().process, "x", options);
    const auto lease = named.try_acquire(alice().soon());
    ASSERT_TRUE(lease);
    EXPECT_EQ(snapshot().at(0).holders.at(0).owner, "run/7");
    EXPECT_THROW_CODE(alice().release(*lease), Code::not_holder);
    options.owner = "run";
    Mutex above(bob().line, bob().process, "x", options);
    EXPECT_NO_THROW(above.release(*lease, bob().soon()));
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, TokensGrowWithEachHolding) {
  run([&] {
    std::optional<FencingToken> last;
    for (int i = 0; i < 20; ++i) {
      auto& party = i % 2 == 0 ? alice() : bob();
      const auto lease = party.try_acquire();
      ASSERT_TRUE(lease);
      EXPECT_GT(lease->token, last);
      last = lease->token;
      party.release(*lease);
    }
  });
}

TEST_P(MutexConformance, TokensGrowWhenTheWallClockIsSetBack) {
  run([&] {
    const auto first = alice().try_acquire();
    ASSERT_TRUE(first);
    alice().release(*first);
    stage().step_wall_clock(-24h);
    const auto second = bob().try_acquire();
    ASSERT_TRUE(second);
    EXPECT_GT(second->token, first->token);
  });
}

TEST_P(MutexConformance, TokensGrowAfterTheStateWasLost) {
  run([&] {
    std::optional<Lease> first;
    for (int i = 0; i < 100; ++i) {
      first = alice().try_acquire();
      ASSERT_TRUE(first);
      alice().release(*first);
    }
    advance(1s);
    stage().lose_state();
    const auto second = bob().try_acquire();
    ASSERT_TRUE(second);
    EXPECT_GT(second->token, first->token);
  });
}

TEST_P(MutexConformance, ALeaseIsLostWithTheState) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    advance(1s);
    stage().lose_state();
    EXPECT_THROW_CODE(alice().mutex.renew(*lease, alice().soon()), Code::lease_lost);
    EXPECT_NO_THROW(alice().release(*lease));
    const auto next = bob().try_acquire();
    ASSERT_TRUE(next);
    EXPECT_GT(next->token, lease->token);
    EXPECT_FALSE(alice().try_acquire()) << "two arbiters exist";
  });
}

TEST_P(MutexConformance, ABrokenKeyIsFreeAndItsHolderFindsOut) {
  run([&] {
    EXPECT_FALSE(carol().line.break_key("x", carol().soon()));
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_TRUE(carol().line.break_key("x", carol().soon()));
    EXPECT_FALSE(carol().line.break_key("x", carol().soon()));
    EXPECT_THROW_CODE(alice().mutex.renew(*lease, alice().soon()), Code::lease_lost);
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, BreakingTakesTheKeyFromThoseWhoWereSeenAndFromNobodyElse) {
  run([&] {
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    const auto seen = carol().line.snapshot("x", carol().soon()).front().holders.front().id;
    alice().release(*lease);
    const auto next = bob().try_acquire();
    ASSERT_TRUE(next);
    EXPECT_EQ(carol().line.break_claims("x", std::array{seen}, carol().soon()), 0U);
    EXPECT_NO_THROW(bob().mutex.renew(*next, bob().soon()));
    EXPECT_EQ(carol().line.break_claims("y", std::array{next->claim}, carol().soon()), 0U);
    EXPECT_EQ(carol().line.break_claims("x", std::array{seen, next->claim}, carol().soon()), 1U);
    EXPECT_THROW_CODE(bob().mutex.renew(*next, bob().soon()), Code::lease_lost);
  });
}

TEST_P(MutexConformance, BreakingTakesAPlaceFromOneWhoDoesNotComeAndTheNextGoesOn) {
  run([&] {
    const Claim absent{.key = "x", .id = base::uuid_v7(alice().process), .owner = "absent", .ttl = 1h, .token = {}};
    const auto lease = bob().try_acquire();
    ASSERT_TRUE(lease);
    EXPECT_FALSE(alice().line.try_acquire(absent, Backend::Queue::yes, alice().soon()).granted);
    bob().release(*lease);
    EXPECT_FALSE(bob().try_acquire()) << "it is another's turn";
    EXPECT_EQ(carol().line.break_claims("x", std::array{absent.id}, carol().soon()), 1U);
    EXPECT_TRUE(bob().try_acquire());
  });
}

TEST_P(MutexConformance, ASnapshotShowsWhoHoldsSinceWhen) {
  run([&] {
    EXPECT_TRUE(snapshot().empty());
    const auto wall = alice().process.wall_now();
    const auto lease = alice().try_acquire();
    ASSERT_TRUE(lease);
    advance(4s);
    const auto states = snapshot();
    ASSERT_EQ(states.size(), 1u);
    EXPECT_EQ(states[0].key, "x");
    EXPECT_TRUE(states[0].waiters.empty());
    ASSERT_EQ(states[0].holders.size(), 1u);
    const auto& holder = states[0].holders[0];
    EXPECT_EQ(holder.key, "x");
    EXPECT_EQ(holder.id, lease->claim);
    EXPECT_EQ(holder.token, lease->token);
    EXPECT_TRUE(holder.owner.starts_with(alice().process.identity().owner));
    EXPECT_GE(holder.since, wall);
    EXPECT_LT(holder.since, wall + instant());
    EXPECT_GT(holder.expires_in, 6s - instant());
    EXPECT_LE(holder.expires_in, 6s + instant());
    EXPECT_EQ(holder.permits, 1u);
    EXPECT_TRUE(carol().backend->snapshot("y", carol().soon()).empty());
    EXPECT_EQ(carol().backend->snapshot("x", carol().soon()).size(), 1u);
  });
}

TEST_P(MutexConformance, AHolderThatWasPausedSeesThatItsLeaseIsOver) {
  run_stopping([&] {
    std::optional<Lease> lease;
    bool valid_when_back = true;
    auto task = spawn(alice(), [&] {
      lease = alice().try_acquire();
      alice().process.sleep_for(1s);
      valid_when_back = lease->valid(alice().process.now());
    });
    advance(500ms);
    alice().pause();
    advance(20s);
    EXPECT_TRUE(bob().try_acquire());
    alice().resume();
    task.join();
    EXPECT_FALSE(valid_when_back);
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, MutexConformance, ::testing::ValuesIn(arbiters()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tidelock::lock::conformance

// Locks on real servers: what the conformance suite does not ask.
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/lock/conformance/live_database.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

class ServerLocks : public ::testing::TestWithParam<conformance::ServerKind> {
 protected:
  void SetUp() override {
    if (const auto why = GetParam().why_missing(); !why.empty()) {
      const char* const ci = std::getenv("CI");
      ASSERT_FALSE(ci != nullptr && std::string(ci) == "true") << why;
      GTEST_SKIP() << why;
    }
    place_.emplace(runtime_, files_, GetParam());
  }

  std::unique_ptr<SqlBackend> open(const OpenOptions& options = {}) {
    return std::make_unique<SqlBackend>(runtime_, files_, place_->url(), options);
  }
  base::Deadline soon() { return runtime_.in(10s); }
  LeaseOptions owner(const std::string& name) { return {.ttl = 10s, .margin = 1s, .owner = name}; }
  // Until so many wait for the key, for a while.
  void until_waiting(Backend& backend, std::string_view key, std::size_t count) {
    const auto deadline = runtime_.in(20s);
    for (;;) {
      const auto keys = backend.snapshot(key, soon());
      if (!keys.empty() && keys.front().waiters.size() == count) return;
      ASSERT_FALSE(deadline.passed(runtime_.now())) << "nobody waits";
      runtime_.yield();
    }
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::optional<conformance::LiveDatabase> place_;
};

TEST_P(ServerLocks, TwoBackendsExcludeEachOtherAndHandOver) {
  const auto first = open();
  const auto second = open();
  Mutex alice(*first, runtime_, "x", owner("alice"));
  Mutex bob(*second, runtime_, "x", owner("bob"));
  const auto lease = alice.try_acquire(soon());
  ASSERT_TRUE(lease);
  EXPECT_FALSE(bob.try_acquire(soon()));
  EXPECT_EQ(alice.renew(*lease, soon()).token, lease->token);

  std::optional<Lease> next;
  auto waiting = runtime_.spawn("bob", [&](auto) { next = bob.acquire(runtime_.in(10s)); });
  until_waiting(*first, "x", 1);
  EXPECT_NO_THROW(alice.renew(*lease, soon())) << "while somebody waits";
  alice.release(*lease, soon());
  waiting.join();
  ASSERT_TRUE(next);
  EXPECT_GT(next->token, lease->token);
  EXPECT_FALSE(alice.try_acquire(soon()));
  bob.release(*next, soon());
  EXPECT_TRUE(first->snapshot(std::nullopt, soon()).empty());
  EXPECT_TRUE(alice.try_acquire(soon()));
}

TEST_P(ServerLocks, EveryClaimIdIsTaken) {
  const auto locks = open();
  for (const auto* text : {"f60c4582-089c-808b-8096-13d4afc1c42a", "00000000-0000-0000-0000-000000000000",
                           "ffffffff-ffff-ffff-ffff-ffffffffffff"}) {
    const Claim claim{.key = text, .id = base::Uuid::parse(text), .owner = "a", .ttl = 10s, .token = {}};
    EXPECT_TRUE(locks->try_acquire(claim, Backend::Queue::no, soon()).granted) << text;
    EXPECT_NO_THROW(locks->renew(claim, soon())) << text;
    EXPECT_EQ(locks->snapshot(text, soon()).at(0).holders.at(0).id, claim.id);
    EXPECT_NO_THROW(locks->release(claim, soon())) << text;
  }
}

TEST_P(ServerLocks, AStandbyIsRefused) {
  const char* const url = std::getenv(GetParam().standby);
  if (url == nullptr) GTEST_SKIP() << GetParam().standby << " names no server";
  EXPECT_THROW_CODE(SqlBackend(runtime_, files_, base::Url::parse(url)), Code::read_only_server);
}

INSTANTIATE_TEST_SUITE_P(Servers, ServerLocks, ::testing::ValuesIn(conformance::server_kinds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tidelock::lock

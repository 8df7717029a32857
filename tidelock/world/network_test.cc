#include "tidelock/world/network.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::world {
namespace {

using base::Runtime;
using namespace std::chrono_literals;

struct Pair {
  explicit Pair(World& world)
      : alice(world.network().open(world.process("alice"), "alice")),
        bob(world.network().open(world.process("bob"), "bob")) {}

  // What arrives at Bob within a second.
  std::vector<std::string> received(Runtime& runtime) {
    std::vector<std::string> messages;
    const auto deadline = runtime.in(1s);
    while (auto message = bob->receive(deadline)) messages.push_back(message->bytes);
    return messages;
  }

  std::unique_ptr<Link> alice;
  std::unique_ptr<Link> bob;
};

WORLD_TEST(Network, AMessageTakesTimeAndTellsWhoSentIt) {
  const Pair pair(world);
  base::Duration slowest{};
  base::Duration fastest = 1h;
  for (int i = 0; i < 3'000; ++i) {
    const auto start = runtime.now();
    pair.alice->send("bob", "hello");
    const auto message = pair.bob->receive(runtime.in(1s));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->from, "alice");
    EXPECT_EQ(message->bytes, "hello");
    slowest = std::max(slowest, runtime.now() - start);
    fastest = std::min(fastest, runtime.now() - start);
  }
  EXPECT_GE(fastest, 100us);
  EXPECT_LE(fastest, 110us);
  EXPECT_GE(slowest, 1ms);
  EXPECT_LE(slowest, 100ms);
}

WORLD_TEST(Network, WaitingForAMessageEndsAtTheDeadlineOrWhenAskedToStop) {
  const Pair pair(world);
  const auto start = runtime.now();
  EXPECT_FALSE(pair.bob->receive(runtime.in(1s)));
  EXPECT_EQ(runtime.now() - start, 1s);
  auto receiver = runtime.spawn(
      "receiver", [&](const std::stop_token& stop) { EXPECT_FALSE(pair.bob->receive(base::Deadline::never(), stop)); });
  runtime.sleep_for(1s);
  receiver.request_stop();
  receiver.join();
  EXPECT_EQ(runtime.now() - start, 2s);
}

TEST(Network, MessagesOvertakeEachOtherUnlessOrderIsKept) {
  for (const bool keeps_order : {false, true}) {
    int reordered = 0;
    const auto seeds = for_seeds(50, [&](World& world) {
      world.network().options().keeps_order = keeps_order;
      world.run([&](Runtime& runtime) {
        Pair pair(world);
        for (const auto* text : {"1", "2", "3"}) pair.alice->send("bob", text);
        const auto messages = pair.received(runtime);
        ASSERT_EQ(messages.size(), 3U);
        reordered += messages == std::vector<std::string>{"1", "2", "3"} ? 0 : 1;
      });
    });
    if (keeps_order) {
      EXPECT_EQ(reordered, 0);
    } else if (seeds > 1) {
      EXPECT_GT(reordered, 20);
    }
  }
}

WORLD_TEST(Network, MessagesAreLostAndDoubledAtTheRateThatIsAskedFor) {
  Pair pair(world);
  world.network().options().loss_rate = 0.5;
  for (int i = 0; i < 1'000; ++i) pair.alice->send("bob", "x");
  EXPECT_NEAR(static_cast<double>(pair.received(runtime).size()), 500, 80);
  world.network().options() = {.duplicate_rate = 0.5};
  for (int i = 0; i < 1'000; ++i) pair.alice->send("bob", "x");
  EXPECT_NEAR(static_cast<double>(pair.received(runtime).size()), 1'500, 80);
}

WORLD_TEST(Network, ACutStopsWhatIsUnderWayAndHealingLetsNewMessagesThrough) {
  Pair pair(world);
  pair.alice->send("bob", "under way");
  world.network().cut("alice", "bob");
  pair.alice->send("bob", "cut");
  EXPECT_TRUE(pair.received(runtime).empty());
  world.network().heal("bob", "alice");
  pair.alice->send("bob", "healed");
  EXPECT_EQ(pair.received(runtime), std::vector<std::string>{"healed"});
}

WORLD_TEST(Network, ACutMayBeOneWay) {
  Pair pair(world);
  world.network().cut_one_way("bob", "alice");
  pair.bob->send("alice", "lost");
  pair.alice->send("bob", "arrives");
  EXPECT_EQ(pair.received(runtime).size(), 1U);
  EXPECT_FALSE(pair.alice->receive(runtime.in(1s)));
  world.network().heal_all();
  pair.bob->send("alice", "arrives");
  EXPECT_TRUE(pair.alice->receive(runtime.in(1s)));
}

WORLD_TEST(Network, AnAddressIsFreeAgainWhenItsProcessWasKilled) {
  Pair pair(world);
  auto& bob = world.process("bob");
  EXPECT_THROW_CODE(world.network().open(bob, "bob"), Code::already_exists);
  bob.crash();
  EXPECT_THROW(pair.bob->send("alice", "from the grave"), Crashed);
  EXPECT_THROW(world.network().open(bob, "bob"), Crashed);
  pair.alice->send("bob", "to nobody");
  runtime.sleep_for(1s);
  bob.restart();
  pair.bob = world.network().open(bob, "bob");
  EXPECT_TRUE(pair.received(runtime).empty());
  pair.alice->send("bob", "to the new one");
  EXPECT_EQ(pair.received(runtime).size(), 1U);
}

WORLD_TEST(Network, APausedProcessFindsItsMessagesWhenItGoesOn) {
  auto& server = world.process("server");
  int received = 0;
  server.start([&](Process& self) {
    const auto link = world.network().open(self, "server");
    while (link->receive(self.in(1min))) ++received;
  });
  const auto link = world.network().open(world.process(), "client");
  runtime.sleep_for(1ms);
  server.pause();
  for (int i = 0; i < 3; ++i) link->send("server", "x");
  runtime.sleep_for(10s);
  EXPECT_EQ(received, 0);
  server.resume();
  runtime.sleep_for(1s);
  EXPECT_EQ(received, 3);
}

}  // namespace
}  // namespace tidelock::world

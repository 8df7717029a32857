#include "tidelock/base/logical_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using testing::error_text;

constexpr auto kLast = std::numeric_limits<std::uint64_t>::max();

TEST(LamportClock, AReceiptIsAfterBothItsMessageAndWhatWasBefore) {
  LamportClock a;
  LamportClock b;
  EXPECT_EQ(a.tick(), 1U);
  const auto sent = a.tick();
  EXPECT_EQ(b.receive(sent), 3U);
  EXPECT_EQ(b.tick(), 4U);
  EXPECT_EQ(b.receive(1), 5U);  // An old one does not take it back.
  EXPECT_EQ(b.last(), 5U);
}

TEST(LamportClock, AStampFarAheadIsRefusedAndChangesNothing) {
  LamportClock clock(10, 100);
  EXPECT_EQ(error_text([&] { clock.receive(111); }),
            "a remote Lamport stamp of 111 is 101 ahead of this clock, more than the 100 that are believed: its sender "
            "is broken or of another system");
  EXPECT_THROW_CODE(clock.receive(kLast), Code::invalid_argument);
  EXPECT_EQ(clock.last(), 10U);
  EXPECT_EQ(clock.receive(110), 111U);
}

TEST(LamportClock, DoesNotOverflow) {
  LamportClock clock(kLast - 1);
  EXPECT_EQ(clock.tick(), kLast);
  EXPECT_THROW_CODE(clock.tick(), Code::too_large);
  EXPECT_THROW_CODE(clock.receive(kLast), Code::too_large);
  EXPECT_EQ(clock.last(), kLast);
}

TEST(VectorClock, TellsWhatHappenedBeforeFromWhatIsConcurrent) {
  VectorClock a("a");
  VectorClock b("b");
  const auto first = a.tick();
  const auto alone = b.tick();
  EXPECT_EQ(first <=> alone, std::partial_ordering::unordered);
  const auto received = b.receive(first);
  EXPECT_LT(first, received);
  EXPECT_LT(alone, received);
  EXPECT_EQ(received, VectorStamp({{"a", 1}, {"b", 2}, {"c", 0}}));
  EXPECT_EQ(received <=> received, std::partial_ordering::equivalent);
  const auto meanwhile = a.tick();
  EXPECT_EQ(meanwhile <=> received, std::partial_ordering::unordered);
  EXPECT_GT(received, VectorStamp());
  EXPECT_EQ(received["nobody"], 0U);
}

TEST(VectorClock, ANameThatIsUsedTwiceIsNoticed) {
  VectorClock before("a");
  before.tick();
  VectorClock after("a");  // Has lost its last stamp.
  EXPECT_EQ(
      error_text([&] { after.receive(before.last()); }),
      "a remote vector stamp knows 1 events of node \"a\", which has had 0: another node uses its name, or it has "
      "lost its last stamp");
  EXPECT_EQ(after.last(), VectorStamp());
  VectorClock restored("a", before.last());
  EXPECT_EQ(restored.receive(before.last())["a"], 2U);
}

TEST(VectorClock, DoesNotOverflow) {
  VectorClock clock("a", VectorStamp({{"a", kLast}}));
  EXPECT_THROW_CODE(clock.tick(), Code::too_large);
  EXPECT_THROW_CODE(clock.receive(VectorStamp({{"b", 1}})), Code::too_large);
  EXPECT_EQ(clock.last(), VectorStamp({{"a", kLast}}));
}

WORLD_TEST(HybridClock, FollowsTheTimeOfDayAndCountsWithinOneMoment) {
  HybridClock clock(runtime);
  const auto start = runtime.wall_now();
  EXPECT_EQ(clock.tick(), (HybridStamp{start, 0}));
  EXPECT_EQ(clock.tick(), (HybridStamp{start, 1}));
  runtime.sleep_for(1us);
  EXPECT_EQ(clock.tick(), (HybridStamp{start + 1us, 0}));
}

WORLD_TEST(HybridClock, DoesWhatThePapersExampleShows) {  // Receipts: from ahead, of the same time, from behind.
  HybridClock clock(runtime);
  const auto now = runtime.wall_now();
  EXPECT_EQ(clock.receive({now + 10us, 3}), (HybridStamp{now + 10us, 4}));
  EXPECT_EQ(clock.receive({now + 10us, 7}), (HybridStamp{now + 10us, 8}));
  EXPECT_EQ(clock.receive({now + 10us, 2}), (HybridStamp{now + 10us, 9}));
  EXPECT_EQ(clock.receive({now, 50}), (HybridStamp{now + 10us, 10}));
  runtime.sleep_for(20us);
  EXPECT_EQ(clock.receive({now + 11us, 99}), (HybridStamp{now + 20us, 0}));
}

WORLD_TEST(HybridClock, AStampFromTheFutureIsRefusedAndChangesNothing) {
  HybridClock clock(runtime, {.max_offset = 500ms});
  const auto now = runtime.wall_now();
  EXPECT_EQ(error_text([&] {
              clock.receive({now + 3h, 0});
            }),
            "a remote hybrid stamp is 3h ahead of this machine's clock, more than the 500ms that are allowed: one of "
            "the two clocks is wrong");
  EXPECT_THROW_CODE(clock.receive({now + 500ms + 1us, 0}), Code::invalid_argument);
  EXPECT_THROW_CODE(clock.receive({WallTime::max(), 0}), Code::invalid_argument);
  EXPECT_EQ(clock.last(), HybridStamp{});
  EXPECT_EQ(clock.receive({now + 500ms, 0}), (HybridStamp{now + 500ms, 1}));
  EXPECT_EQ(clock.receive({WallTime::min(), 0}).time, now + 500ms);  // Long ago is no harm.
  EXPECT_THROW_CODE(HybridClock(runtime, {.max_offset = -1s}), Code::invalid_argument);
}

// Else the stamps of all that hear of it would be out of order once its number wraps around.
WORLD_TEST(HybridClock, AStampWhoseCounterCannotBeIsRefusedAndChangesNothing) {
  HybridClock clock(runtime, {.max_offset = 500ms});
  const auto ahead = runtime.wall_now() + 400ms;
  EXPECT_EQ(error_text([&] {
              clock.receive({ahead, 4'294'967'295});
            }),
            "a remote hybrid stamp counts 4294967295 events at one time of day, more than the 2147483648 that are "
            "believed: its sender is broken");
  EXPECT_THROW_CODE(clock.receive({ahead, 2'147'483'649}), Code::invalid_argument);
  EXPECT_EQ(clock.last(), HybridStamp{});
  EXPECT_EQ(clock.tick(), (HybridStamp{runtime.wall_now(), 0}));
  EXPECT_EQ(clock.receive({ahead, 2'147'483'648}), (HybridStamp{ahead + 1us, 0}));
  HybridClock other(runtime, {.max_offset = 500ms});
  EXPECT_EQ(other.receive(clock.tick()), (HybridStamp{ahead + 1us, 2}));  // What it says after that is believed.
}

WORLD_TEST(HybridClock, DoesNotGoBackWithTheClockNorOverARestart) {
  HybridClock clock(runtime);
  const auto before = clock.tick();
  world.machine().step_wall_clock(-1h);
  const auto after = clock.tick();
  EXPECT_EQ(after, (HybridStamp{before.time, before.counter + 1}));
  HybridClock restarted(runtime, {}, clock.last());
  EXPECT_GT(restarted.tick(), after);
  runtime.sleep_for(1h + 1us);
  EXPECT_EQ(clock.tick(), (HybridStamp{runtime.wall_now(), 0}));
}

WORLD_TEST(HybridClock, DoesNotOverflow) {
  const auto now = runtime.wall_now();
  HybridClock clock(runtime, {}, {now, std::numeric_limits<std::uint32_t>::max()});
  EXPECT_EQ(clock.tick(), (HybridStamp{now + 1us, 0}));
  HybridClock full(runtime, {}, {now, 2'147'483'647});
  EXPECT_EQ(full.tick(), (HybridStamp{now, 2'147'483'648}));
  EXPECT_EQ(full.receive({now, 1}), (HybridStamp{now + 1us, 0}));
}

TEST(HybridStamp, ItsTextSortsAsItDoes) {
  const HybridStamp stamp{WallTime(1'764'000'000'123'456us), 15};
  EXPECT_EQ(stamp.to_string(), "0006445941642240.0000000f");
  EXPECT_EQ(HybridStamp::parse(stamp.to_string()), stamp);
  EXPECT_LT((HybridStamp{stamp.time, 15}).to_string(), (HybridStamp{stamp.time, 16}).to_string());
  EXPECT_LT((HybridStamp{stamp.time, 16}).to_string(), (HybridStamp{stamp.time + 1us, 0}).to_string());
  for (const auto* wrong : {"", "0006445941642240", "0006445941642240.0000000g", "0006445941642240-0000000f",
                            "f006445941642240.0000000f", "+006445941642240.0000000f", "0006445941642240.0000000f "}) {
    EXPECT_THROW_CODE(HybridStamp::parse(wrong), Code::invalid_argument);
  }
}

// Nodes with clocks that are apart and drift send each other messages. The vector clock says what happened before what;
// the others must agree, and the hybrid clock must keep the bounds of its paper.
TEST(LogicalClocks, AgreeOnWhatHappenedBeforeAndKeepTheirBoundsUnderSkew) {
  std::uint64_t ahead = 0;  // Events whose hybrid time was not their own clock's.
  world::for_seeds(50, [&](world::World& world) {
    struct Stamps {
      VectorStamp vector;
      LamportClock::Stamp lamport;
      HybridStamp hybrid;
    };
    struct Node {
      Node(world::World& world, const std::string& name)
          : process(world.process(world.machine(name), name)), vector(name), hybrid(process, {.max_offset = 1s}) {}
      world::Process& process;
      VectorClock vector;
      LamportClock lamport;
      HybridClock hybrid;
    };
    std::vector<std::unique_ptr<Node>> nodes;
    std::vector<Stamps> events;
    std::vector<Stamps> on_the_way;
    auto& random = world.random();
    for (int i = 0; i < 4; ++i) {
      nodes.push_back(std::make_unique<Node>(world, "node" + std::to_string(i)));
      nodes.back()->process.machine().set_clock_drift(static_cast<std::int64_t>(random.below(2001)) - 1000);
      nodes.back()->process.machine().step_wall_clock(random.between({0ms, 200ms}));
    }
    Duration apart{};
    const auto look = [&](const Node& node, const Stamps& stamps) {
      const auto now = node.process.machine().wall_now();
      for (const auto& other : nodes) apart = std::max<Duration>(apart, other->process.machine().wall_now() - now);
      EXPECT_GE(stamps.hybrid.time, now);
      EXPECT_LE(stamps.hybrid.time - now, apart);
      ahead += stamps.hybrid.time > now ? 1 : 0;
      std::uint64_t before_at_same_time = 0;
      for (const auto& event : events) {
        if (event.vector < stamps.vector) {
          EXPECT_LT(event.lamport, stamps.lamport);
          EXPECT_LT(event.hybrid, stamps.hybrid);
          before_at_same_time += event.hybrid.time == stamps.hybrid.time ? 1 : 0;
        } else {
          EXPECT_EQ(event.vector <=> stamps.vector, std::partial_ordering::unordered);
        }
      }
      EXPECT_LE(stamps.hybrid.counter, before_at_same_time);
      events.push_back(stamps);
    };
    world.run([&] {
      for (int step = 0; step < 200; ++step) {
        world.runtime().sleep_for(random.between({0ms, 5ms}) / (random.below(2) == 0 ? 1 : 10'000));
        auto& node = *nodes[random.below(4)];
        if (on_the_way.empty() || random.below(2) == 0) {
          const Stamps sent{node.vector.tick(), node.lamport.tick(), node.hybrid.tick()};
          look(node, sent);
          on_the_way.push_back(sent);
        } else {
          const auto message = on_the_way[random.below(static_cast<std::uint32_t>(on_the_way.size()))];  // Or again.
          look(node, {node.vector.receive(message.vector), node.lamport.receive(message.lamport),
                      node.hybrid.receive(message.hybrid)});
        }
      }
    });
  });
  EXPECT_GT(ahead, 1000U);
}

}  // namespace
}  // namespace tidelock::base

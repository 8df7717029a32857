#include "tidelock/base/uuid.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

constexpr auto kText = "01890a5d-ac96-774b-bcce-b302099a8057";

TEST(Uuid, ReadsAndWritesItsText) {
  EXPECT_EQ(Uuid::parse(kText).to_string(), kText);
  EXPECT_EQ(Uuid::parse("01890A5D-AC96-774B-BCCE-B302099A8057").to_string(), kText);
  EXPECT_EQ(Uuid::parse(kText).bytes[0], 0x01);
  EXPECT_EQ(Uuid::parse(kText).bytes[15], 0x57);
  EXPECT_EQ(Uuid{}.to_string(), "00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(::testing::PrintToString(Uuid::parse(kText)), kText);
}

TEST(Uuid, RefusesWhatIsNone) {
  const std::string good = kText;
  for (const std::string& text : {std::string(), good.substr(1), good + "0", '{' + good + '}', good.substr(0, 35) + 'g',
                                  std::string("01890a5dac96-774b-bcce-b302099a8057-"), std::string(36, '-'),
                                  good.substr(0, 8) + ' ' + good.substr(9)}) {
    EXPECT_THROW_CODE(Uuid::parse(text), Code::invalid_argument) << text;
  }
  EXPECT_NE(testing::error_text([] { Uuid::parse("x\ny"); }).find("malformed UUID \"x\\ny\""), std::string::npos);
}

WORLD_TEST(Uuid, OfVersion7BeginsWithTheTimeAndHasVersionAndVariant) {
  const auto before = runtime.wall_now();
  const auto uuid = uuid_v7(runtime);
  std::uint64_t milliseconds = 0;
  for (int i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | uuid.bytes[i];
  EXPECT_EQ(static_cast<std::int64_t>(milliseconds), before.time_since_epoch().count() / 1000);
  EXPECT_EQ(uuid.bytes[6] >> 4, 7);
  EXPECT_EQ(uuid.bytes[8] >> 6, 0b10);
}

WORLD_TEST(Uuid, OfVersion7OrdersByItsMicrosecond) {
  auto last = uuid_v7(runtime);
  for (int i = 0; i < 3000; ++i) {
    runtime.sleep_for(1us);
    const auto next = uuid_v7(runtime);
    EXPECT_LT(last, next);
    last = next;
  }
}

WORLD_TEST(Uuid, ASourceIncreasesStrictlyWithinOneMicrosecondAndAfterTheClockWasSetBack) {
  UuidSource source(runtime);
  auto last = source.next();
  for (int i = 0; i < 10'000; ++i) {
    if (i == 5'000) world.machine().step_wall_clock(-1h);
    const auto next = source.next();
    EXPECT_LT(last, next);
    EXPECT_EQ(next.bytes[6] >> 4, 7);
    EXPECT_EQ(next.bytes[8] >> 6, 0b10);
    last = next;
  }
}

WORLD_TEST(Uuid, ManyMadeAtOnceAreAllDifferent) {
  std::set<Uuid> all;
  for (int i = 0; i < 10'000; ++i) all.insert(uuid_v7(runtime));
  EXPECT_EQ(all.size(), 10'000U);
}

}  // namespace
}  // namespace tidelock::base

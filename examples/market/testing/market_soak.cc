// The rounds of kill_rounds.py, for as long as scripts/soak gives.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidelock/base/process.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/world/testing.h"

namespace market {
namespace {

TEST(MarketSoak, WhoeverIsKilledTheTablesComeOutTheSameAndNoTickIsLost) {
  std::vector<std::string> argv{"python3", MARKET_FOLDER "/testing/kill_rounds.py", "--build", MARKET_BUILD};
  if (const auto seed = tidelock::world::number_from_environment("TIDELOCK_SEED")) {
    argv.insert(argv.end(), {"--seed", std::to_string(*seed)});
  } else {
    const auto seconds = tidelock::world::number_from_environment("TIDELOCK_SOAK_SECONDS").value_or(60);
    argv.insert(argv.end(), {"--seconds", std::to_string(seconds)});
  }
  tidelock::base::RealRuntime runtime;
  tidelock::base::ChildProcess rounds(runtime, {.argv = argv});
  const auto ended = rounds.wait();
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->ok()) << ended->to_string();
}

}  // namespace
}  // namespace market

#include "tidelock/base/resolver.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <stop_token>
#include <string>

#include "tidelock/base/real_runtime.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SystemResolverTest : public ::testing::Test {
 protected:
  RealRuntime runtime_;
  SystemResolver resolver_{runtime_};
};

TEST_F(SystemResolverTest, AnAddressIsItsOwnAndAsksNobody) {
  for (const auto* const address : {"192.0.2.1", "2001:db8::1", "::1"}) {
    EXPECT_THAT(resolver_.resolve(address, Instant::min()), ElementsAre(address));
  }
}

TEST_F(SystemResolverTest, ANameThatTheMachineKnowsIsFound) {
  EXPECT_THAT(resolver_.resolve("localhost", runtime_.in(30s)), Contains("127.0.0.1"));
}

TEST_F(SystemResolverTest, ANameThatIsNoneIsUnavailable) {
  try {
    resolver_.resolve("no such host", runtime_.in(30s));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unavailable);
    EXPECT_THAT(error.message(), HasSubstr("no such host"));
    EXPECT_TRUE(error.native());
  }
}

TEST_F(SystemResolverTest, TheDeadlineAndARequestToStopEndTheWait) {
  EXPECT_THROW_CODE(resolver_.resolve("localhost", Instant::min()), Code::timeout);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW_CODE(resolver_.resolve("localhost", Deadline::never(), stop.get_token()), Code::cancelled);
}

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

// The look-up goes on by itself: what it is answered with is freed then, and its descriptor with it. Which comes first,
// the answer or the end of the wait, is not said.
TEST_F(SystemResolverTest, AnAnswerThatNobodyWaitsForAnyMoreIsDroppedAndFreed) {
  static_cast<void>(resolver_.resolve("localhost", runtime_.in(30s)));
  const auto before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    const auto time = std::chrono::microseconds(i);
    try {
      EXPECT_THAT(resolver_.resolve("localhost", runtime_.in(time)), Contains("127.0.0.1"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::timeout) << error.what();
    }
    std::stop_source stop;
    const auto stopper = runtime_.spawn("stopper", [&](const std::stop_token&) {
      runtime_.sleep_for(time);
      stop.request_stop();
    });
    try {
      EXPECT_THAT(resolver_.resolve("localhost", runtime_.in(30s), stop.get_token()), Contains("127.0.0.1"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::cancelled) << error.what();
    }
  }
  const auto deadline = runtime_.in(30s);
  while (open_descriptors() > before && !deadline.passed(runtime_.now())) runtime_.yield();
  EXPECT_LE(open_descriptors(), before);
}

}  // namespace
}  // namespace tidelock::base

#include "tidelock/base/real_runtime.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/base/uuid.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using testing::error_text;

constexpr auto kUuid = "01890a5d-ac96-774b-bcce-b302099a8057";

// Sets TIDELOCK_OWNER until the end of the test.
class OwnerVariable {
 public:
  explicit OwnerVariable(const char* value) {
    if (const char* before = std::getenv("TIDELOCK_OWNER")) before_ = before;
    ::setenv("TIDELOCK_OWNER", value, 1);
  }
  ~OwnerVariable() {
    if (before_) {
      ::setenv("TIDELOCK_OWNER", before_->c_str(), 1);
    } else {
      ::unsetenv("TIDELOCK_OWNER");
    }
  }

 private:
  std::optional<std::string> before_;
};

TEST(RealRuntime, TheOwnerIsInheritedThroughTheEnvironment) {
  const OwnerVariable variable(kUuid);
  EXPECT_EQ(RealRuntime().identity().owner, kUuid);
}

TEST(RealRuntime, EveryRuntimeWithoutAnInheritedOwnerHasANewOne) {
  const OwnerVariable variable("");
  const auto first = RealRuntime().identity().owner;
  EXPECT_NE(RealRuntime().identity().owner, first);
  EXPECT_EQ(first[14], '7');  // Its version.
}

TEST(RealRuntime, AnOwnerThatIsNoneIsRefused) {
  const OwnerVariable variable("batch-host-1");
  EXPECT_THROW_CODE(RealRuntime(), Code::invalid_argument);
  EXPECT_NE(error_text([] { RealRuntime runtime; }).find("TIDELOCK_OWNER is \"batch-host-1\""), std::string::npos);
}

TEST(RealRuntime, AnOwnerIdIsAUuidWithAnOptionalSuffix) {
  const std::string uuid = kUuid;
  for (const std::string suffix : {"", "/job-7", ".1", ":a_b", "-x"})
    EXPECT_EQ(parse_owner(uuid + suffix), uuid + suffix);
  EXPECT_EQ(parse_owner("01890A5D-AC96-774B-BCCE-B302099A8057/X"), uuid + "/X");
  EXPECT_NO_THROW(parse_owner(uuid + '/' + std::string(960, 'x')));
  for (const std::string suffix : {"x", "/a b", "/\n", "/ü", " "}) {
    EXPECT_THROW_CODE(parse_owner(uuid + suffix), Code::invalid_argument) << suffix;
  }
  EXPECT_THROW_CODE(parse_owner(uuid + '/' + std::string(961, 'x')), Code::invalid_argument);
  EXPECT_THROW_CODE(parse_owner(uuid.substr(1)), Code::invalid_argument);
}

TEST(RealRuntime, ASeedGivesTheSameNumbersAgain) {
  const auto draw = [](std::optional<std::uint64_t> seed) {
    RealRuntime runtime({.random_seed = seed});
    std::vector<std::uint64_t> numbers;
    for (int i = 0; i < 10; ++i) numbers.push_back(runtime.random());
    return numbers;
  };
  EXPECT_EQ(draw(42), draw(42));
  EXPECT_NE(draw(42), draw(43));
  EXPECT_NE(draw({}), draw({}));
}

TEST(RealRuntime, AThreadOfTheProgramIsATaskWithANumberToo) {
  RealRuntime runtime;
  std::set<std::uint64_t> numbers{runtime.current_task()};
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      numbers.insert(runtime.current_task());
      EXPECT_EQ(numbers.count(runtime.current_task()), 1U);  // It keeps it.
    }).join();
  }
  EXPECT_EQ(numbers.size(), 4U);
}

TEST(RealRuntime, ATaskLeavesTheProgramsSignalsToTheProgramsThreads) {
  RealRuntime runtime;
  sigset_t blocked;
  auto task = runtime.spawn("masked", [&](const std::stop_token&) { pthread_sigmask(SIG_SETMASK, nullptr, &blocked); });
  task.join();
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGUSR1, SIGPIPE}) EXPECT_EQ(sigismember(&blocked, signal), 1);
  for (const int signal : {SIGSEGV, SIGABRT, SIGPROF}) EXPECT_EQ(sigismember(&blocked, signal), 0);
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  EXPECT_EQ(sigismember(&own, SIGTERM), 0);
}

TEST(RealRuntime, ASignalHandlerDoesNotCutASleepShort) {
  RealRuntime runtime;
  static std::atomic<int> handled = 0;
  handled = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { ++handled; };  // Without SA_RESTART.
  struct sigaction before {};
  sigaction(SIGUSR1, &action, &before);
  auto disturber = runtime.spawn("disturber", [&, main = pthread_self()](const std::stop_token& stop) {
    while (runtime.sleep_for(200us, stop)) pthread_kill(main, SIGUSR1);
  });
  auto moment = runtime.now();
  while (handled < 3) {
    moment = later(runtime.now(), 5ms);
    runtime.sleep_until(moment);
    EXPECT_GE(runtime.now(), moment);
    EXPECT_FALSE(runtime.make_signal("quiet")->wait(0, runtime.in(1ms)));
  }
  disturber.request_stop();
  disturber.join();
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(RealRuntimeDeathTest, AnErrorThatNobodyJoinedForEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        RealRuntime runtime;
        auto task = runtime.spawn("loader", [](const std::stop_token&) { throw std::runtime_error("disk on fire"); });
        static_cast<void>(task);
      },
      "task \"loader\" ended with an error that nobody joined for: disk on fire");
}

}  // namespace
}  // namespace tidelock::base

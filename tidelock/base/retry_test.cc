#include "tidelock/base/retry.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using testing::error_text;

// Fails with the codes given, in turn, then succeeds.
class Unit {
 public:
  explicit Unit(std::vector<Code> failures) : failures_(std::move(failures)) {}
  int operator()() {
    if (attempts_++ < failures_.size()) throw Error(failures_[attempts_ - 1], "failure " + std::to_string(attempts_));
    return 42;
  }
  std::size_t attempts() const { return attempts_; }

 private:
  std::vector<Code> failures_;
  std::size_t attempts_ = 0;
};

RetryPolicy every(Duration wait, int max_attempts) {
  return {.max_attempts = max_attempts, .backoff = BackoffOptions::fixed(wait)};
}

WORLD_TEST(Retry, ASuccessIsReturnedAtOnce) {
  const auto start = runtime.now();
  EXPECT_EQ(retry(runtime, every(1s, 3), {}, Unit({})), 42);
  EXPECT_EQ(runtime.now(), start);
}

WORLD_TEST(Retry, WhatWasNotAppliedOrIsRolledBackIsRepeatedAfterEachWait) {
  Unit unit({Code::unavailable, Code::serialization_failure, Code::timeout});
  const auto start = runtime.now();
  EXPECT_EQ(retry(runtime, every(1s, 4), {}, unit), 42);
  EXPECT_EQ(unit.attempts(), 4U);
  EXPECT_EQ(runtime.now() - start, 3s);
}

WORLD_TEST(Retry, AFailoverIsWaitedOutOnlyByThePatient) {
  constexpr auto kRefused = Code::read_only_server;
  auto policy = every(1s, 4);
  EXPECT_THROW_CODE(retry(runtime, policy, {}, Unit({kRefused})), kRefused);
  policy.patient = true;
  EXPECT_EQ(retry(runtime, policy, {}, Unit({kRefused, kRefused})), 42);
  EXPECT_THROW_CODE(retry(runtime, policy, {}, Unit({kRefused, Code::corrupt})), Code::corrupt);
  EXPECT_THROW_CODE(retry(runtime, policy, {}, Unit({Code::disk_full})), Code::disk_full);
}

WORLD_TEST(Retry, TheFirstAttemptCountsAndTheLastFailureIsThrownUnchanged) {
  Unit unit({Code::unavailable, Code::deadlock, Code::unavailable});
  const auto start = runtime.now();
  EXPECT_EQ(error_text([&] { retry(runtime, every(1s, 2), {}, unit); }), "failure 2");
  EXPECT_EQ(unit.attempts(), 2U);
  EXPECT_EQ(runtime.now() - start, 1s);
  Unit once({Code::unavailable});
  EXPECT_THROW_CODE(retry(runtime, every(1s, 1), {}, once), Code::unavailable);
  EXPECT_EQ(once.attempts(), 1U);
}

WORLD_TEST(Retry, APermanentFailureIsNeverRepeated) {
  Unit unit({Code::constraint_violation});
  EXPECT_THROW_CODE(retry(runtime, {.max_attempts = 9, .idempotent = true}, {}, unit), Code::constraint_violation);
  EXPECT_EQ(unit.attempts(), 1U);
}

WORLD_TEST(Retry, AnUnknownOutcomeIsRepeatedOnlyByWhoDeclaresItHarmless) {
  Unit unit({Code::unknown_outcome});
  EXPECT_THROW_CODE(retry(runtime, {.max_attempts = 9}, {}, unit), Code::unknown_outcome);
  EXPECT_EQ(unit.attempts(), 1U);
  Unit idempotent({Code::unknown_outcome});
  EXPECT_EQ(retry(runtime, {.max_attempts = 9, .idempotent = true}, {}, idempotent), 42);
}

WORLD_TEST(Retry, AnExceptionOfTheCallerPassesThrough) {
  int attempts = 0;
  EXPECT_THROW(retry(runtime, {}, {},
                     [&] {
                       ++attempts;
                       throw std::logic_error("mine");
                     }),
               std::logic_error);
  EXPECT_EQ(attempts, 1);
}

WORLD_TEST(Retry, NoSleepGoesBeyondTheTotalLimit) {
  auto policy = every(2s, 100);
  policy.total_limit = 5s;
  const auto start = runtime.now();
  EXPECT_THROW_CODE(retry(runtime, policy, {}, [] { throw Error(Code::unavailable, "down"); }), Code::unavailable);
  EXPECT_EQ(runtime.now() - start, 4s);

  // The time of the attempts counts too.
  int attempts = 0;
  EXPECT_THROW_CODE(retry(runtime, policy, {},
                          [&] {
                            ++attempts;
                            runtime.sleep_for(4s);
                            throw Error(Code::unavailable, "slow and down");
                          }),
                    Code::unavailable);
  EXPECT_EQ(attempts, 1);
}

WORLD_TEST(Retry, AStopEndsTheWaitAndTellsTheLastError) {
  std::string text;
  auto task = runtime.spawn("retrying", [&](const std::stop_token& stop) {
    const auto start = runtime.now();
    text = error_text([&] { retry(runtime, every(1h, 3), stop, Unit({Code::unavailable})); });
    EXPECT_EQ(runtime.now() - start, 1min);
  });
  runtime.sleep_for(1min);
  task.request_stop();
  task.join();
  EXPECT_EQ(text, "stopped after 1 failed attempt; the last error was: failure 1");
}

WORLD_TEST(Retry, AStopBeforeTheFirstAttemptMeansNone) {
  std::stop_source stop;
  stop.request_stop();
  Unit unit({});
  EXPECT_THROW_CODE(retry(runtime, {}, stop.get_token(), unit), Code::cancelled);
  EXPECT_EQ(unit.attempts(), 0U);
}

WORLD_TEST(Retry, TheObserverSeesEveryFailureAndWhetherItIsTheLast) {
  std::string story;
  const auto observer = [&](const FailedAttempt& failed) {
    story += std::to_string(failed.attempt) + ' ' + std::string(name(failed.error.code())) +
             (failed.retry_in ? " again; " : " last; ");
    if (failed.retry_in) {
      EXPECT_EQ(*failed.retry_in, 1s);
    }
  };
  EXPECT_THROW_CODE(retry(runtime, every(1s, 3), {}, Unit({Code::unavailable, Code::corrupt}), observer),
                    Code::corrupt);
  EXPECT_EQ(story, "1 unavailable again; 2 corrupt last; ");
}

WORLD_TEST(Retry, WorksForUnitsThatReturnNothingOrAReference) {
  int value = 1;
  retry(runtime, {}, {}, [&] { value = 2; });
  int& reference = retry(runtime, {}, {}, [&]() -> int& { return value; });
  EXPECT_EQ(&reference, &value);
}

WORLD_TEST(Retry, RefusesAPolicyThatMakesNoSense) {
  EXPECT_THROW_CODE(retry(runtime, {.max_attempts = 0}, {}, Unit({})), Code::invalid_argument);
  EXPECT_THROW_CODE(retry(runtime, {.total_limit = -1s}, {}, Unit({})), Code::invalid_argument);
  EXPECT_THROW_CODE(retry(runtime, {.backoff = {.factor = 0}}, {}, Unit({})), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::base

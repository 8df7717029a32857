#include "tidelock/sql/first_to_answer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> kPlaces = {"a", "b", "c"};

bool is_unavailable(const Error& error) { return error.code() == Code::unavailable; }

WORLD_TEST(FirstToAnswer, APlaceThatNeverAnswersLeavesTheOthersTheirTime) {
  const auto began = runtime.now();
  const auto answered = first_to_answer(runtime, kPlaces, runtime.in(9s), is_unavailable, [&](std::size_t i, auto end) {
    if (i < 2) {
      runtime.sleep_until(end.at());
      throw Error(Code::timeout, "no answer");
    }
    EXPECT_EQ(end, base::Deadline(began + 9s)) << "the last has all that is left";
    return kPlaces[i];
  });
  EXPECT_EQ(answered, "c");
  EXPECT_EQ(runtime.now(), began + 6s);
}

WORLD_TEST(FirstToAnswer, TimeThatOneDoesNotNeedIsTheOthers) {
  const auto began = runtime.now();
  std::vector<base::Deadline> parts;
  const auto attempt = [&](std::size_t, base::Deadline end) -> int {
    parts.push_back(end);
    if (parts.size() == 1) throw Error(Code::unavailable, "refused");
    runtime.sleep_until(end.at());
    throw Error(Code::timeout, "no answer", {.code = 7, .message = "said"});
  };
  const auto call = [&] { first_to_answer(runtime, kPlaces, runtime.in(8s), is_unavailable, attempt); };
  EXPECT_EQ(base::testing::error_text(call), "no answer; tried before: a: unavailable, b: timeout [said (7)]");
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[1], base::Deadline(began + 4s));
  EXPECT_EQ(parts[2], base::Deadline(began + 8s));
}

WORLD_TEST(FirstToAnswer, WhatAnotherPlaceWouldNotCureIsThrownAtOnce) {
  int asked = 0;
  const auto attempt = [&](std::size_t, base::Deadline) -> int {
    ++asked;
    throw Error(Code::permission_denied, "who are you");
  };
  const auto call = [&] { first_to_answer(runtime, kPlaces, runtime.in(8s), is_unavailable, attempt); };
  EXPECT_EQ(base::testing::error_text(call), "who are you");
  EXPECT_EQ(asked, 1);
}

WORLD_TEST(FirstToAnswer, NobodyIsTriedAfterTheDeadline) {
  int asked = 0;
  const auto attempt = [&](std::size_t, base::Deadline) -> int {
    ++asked;
    runtime.sleep_for(9s);
    throw Error(Code::unavailable, "late");
  };
  EXPECT_THROW_CODE(first_to_answer(runtime, kPlaces, runtime.in(8s), is_unavailable, attempt), Code::unavailable);
  EXPECT_EQ(asked, 1);
  asked = 0;
  const auto for_ever = base::Deadline::never();
  EXPECT_THROW_CODE(first_to_answer(runtime, kPlaces, for_ever, is_unavailable, attempt), Code::unavailable);
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace tidelock::sql

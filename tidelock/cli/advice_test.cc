#include "tidelock/cli/advice.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace tidelock::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<Code> every_code() {
  std::vector<Code> codes;
  for (int number = 0; number <= static_cast<int>(Code::unknown_outcome); ++number) {
    codes.push_back(static_cast<Code>(number));
  }
  return codes;
}

TEST(Advice, IsNeverAnOptionThatTheCommandHasNot) {
  for (const auto code : every_code()) {
    EXPECT_THAT(std::string(advice(code)), Not(HasSubstr("--on"))) << name(code);  // Of run, batch and spy.
    EXPECT_THAT(std::string(advice(code)), Not(HasSubstr("--permits"))) << name(code);
    EXPECT_THAT(std::string(sql_advice(code)), Not(HasSubstr("--on"))) << name(code);
    EXPECT_THAT(std::string(replica_advice(code)), Not(HasSubstr("--on"))) << name(code);
    EXPECT_EQ(Failure::of(Error(code, "")).next, advice(code)) << name(code);
  }
}

TEST(Advice, IsToMoveNothingAwayThatMayBeSomebodysData) {
  for (const auto code : every_code()) {
    for (const auto words : {advice(code), sql_advice(code)}) {
      EXPECT_THAT(std::string(words), Not(HasSubstr("move"))) << name(code);
      EXPECT_THAT(std::string(words), Not(HasSubstr("Tidelock state"))) << name(code);
      EXPECT_NE(words, "") << name(code);
    }
  }
}

TEST(Advice, ForSqlCallsNoMistakeInTheSqlABugOfTidelock) {
  for (const auto code : {Code::misuse, Code::constraint_violation, Code::statement_invalid}) {
    EXPECT_THAT(std::string(sql_advice(code)), Not(HasSubstr("bug"))) << name(code);
  }
}

TEST(Advice, OfAnErrorThatSaysItselfWhatToDoIsKept) {
  try {
    advised(lock_advice, []() -> int { throw UsageError("no NAME", "give one"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Failure::of(error).next, "give one");
  }
  try {
    advised(lock_advice, []() -> int { throw Error(Code::not_a_database, "x.db"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Failure::of(error).next, "name a Tidelock state with --on");
  }
  EXPECT_EQ(advised(sql_advice, [] { return 7; }), 7);
}

}  // namespace
}  // namespace tidelock::cli

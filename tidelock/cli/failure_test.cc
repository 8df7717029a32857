#include "tidelock/cli/failure.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace tidelock::cli {
namespace {

TEST(Failure, IsOneLineWithWhatItIsTheNextStepAndTheCode) {
  const auto failure = Failure::of(Error(Code::disk_full, "cannot write .tidelock/state.db", {28, "No space left"}));
  EXPECT_EQ(
      failure.line(),
      "tidelock: cannot write .tidelock/state.db [No space left (28)]: free space, then run it again [disk_full]");
  EXPECT_EQ(failure.exit, 1);
}

TEST(Failure, OfTheCommandLineSaysWhatToTypeInstead) {
  const auto failure = Failure::of(UsageError("unknown command \"lits\"", "did you mean \"list\"?"));
  EXPECT_EQ(failure.line(), "tidelock: unknown command \"lits\": did you mean \"list\"? [invalid_argument]");
  EXPECT_EQ(failure.exit, 2);
}

TEST(Failure, ForProgramsIsOneJsonObject) {
  const auto json = nlohmann::json::parse(Failure::of(Error(Code::database_locked, "held by pid 7")).json());
  EXPECT_EQ(json.at("error").at("code"), "database_locked");
  EXPECT_EQ(json.at("error").at("disposition"), "retry_call");
  EXPECT_EQ(json.at("error").at("message"), "held by pid 7");
  EXPECT_EQ(json.at("error").at("exit"), 1);
  EXPECT_FALSE(json.at("error").at("next").get<std::string>().empty());
}

TEST(Failure, OfAnythingElseIsCalledABug) {
  const auto failure = Failure::of(std::runtime_error("vector::_M_range_check"));
  EXPECT_EQ(failure.code, Code::internal);
  EXPECT_EQ(failure.exit, 1);
}

TEST(Failure, WithBytesThatAreNotTextIsStillJson) {
  EXPECT_TRUE(nlohmann::json::accept(Failure::of(Error(Code::io_error, "\xFF")).json()));
}

}  // namespace
}  // namespace tidelock::cli

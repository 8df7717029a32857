#include "tidelock/cli/batch_options.h"

#include <gmock/gmock.h>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/cli/command_line.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {
namespace {

using base::testing::error_text;
using ::testing::HasSubstr;

TEST(BatchOptions, CheckAndRunAndResumeAreOtherWordsForRun) {
  const auto check = std::get<PipelineRun>(parse_command_line({"batch", "check", "shop.toml", "--json"}));
  EXPECT_EQ(check.file, "shop.toml");
  EXPECT_TRUE(check.dry_run);
  EXPECT_TRUE(check.json);
  const auto run = std::get<PipelineRun>(parse_command_line({"batch", "run", "load", "--work", "w"}));
  EXPECT_EQ(run.file, "pipeline.toml");
  EXPECT_EQ(run.once, "load");
  EXPECT_EQ(run.work, "w");
  const auto resume = std::get<PipelineRun>(parse_command_line({"batch", "resume", "12", "--file", "a.toml"}));
  EXPECT_EQ(resume.resume, 12);
  EXPECT_EQ(resume.file, "a.toml");
}

TEST(BatchOptions, HistoryIsFiltered) {
  const auto all = std::get<BatchHistory>(parse_command_line({"batch", "history"}));
  EXPECT_FALSE(all.job);
  EXPECT_FALSE(all.status);
  EXPECT_EQ(all.limit, 20);
  const auto some = std::get<BatchHistory>(
      parse_command_line({"batch", "history", "load", "--status", "failed", "--limit", "5", "--json"}));
  EXPECT_EQ(some.job, "load");
  EXPECT_EQ(some.status, batch::RunStatus::failed);
  EXPECT_EQ(some.limit, 5);
  EXPECT_TRUE(some.json);
  const auto died = std::get<BatchHistory>(parse_command_line({"batch", "history", "--status", "died"}));
  EXPECT_TRUE(died.died);
  EXPECT_FALSE(died.status);
}

TEST(BatchOptions, RunsAreNumbers) {
  EXPECT_EQ(std::get<BatchShow>(parse_command_line({"batch", "show", "7"})).run, 7);
  EXPECT_EQ(std::get<BatchStop>(parse_command_line({"batch", "stop", "7"})).run, 7);
  const auto text_of = [](const std::vector<std::string>& arguments) {
    return error_text([&] { parse_command_line(arguments); });
  };
  EXPECT_THAT(text_of({"batch", "show"}), HasSubstr("no RUN is given"));
  EXPECT_THAT(text_of({"batch", "stop", "load"}), HasSubstr("\"load\" is no number of a run"));
  EXPECT_THAT(text_of({"batch", "run"}), HasSubstr("no JOB is given"));
  EXPECT_THAT(text_of({"batch", "history", "--status", "bad"}), HasSubstr("--status \"bad\" is none"));
}

TEST(BatchOptions, AGroupIsALockOfItsOwnName) {
  const auto run = std::get<LockRun>(parse_command_line({"lock", "run", "--group", "books", "--", "true"}));
  EXPECT_EQ(run.name, "group/books");
  EXPECT_EQ(run.permits, 1);
  EXPECT_THAT(error_text([] {
                parse_command_line({"lock", "run", "name", "--group", "books", "--", "true"});
              }),
              HasSubstr("--group takes the place of NAME"));
}

}  // namespace
}  // namespace tidelock::cli

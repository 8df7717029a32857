// `tidelock lock run --group` with the built program.
#include "tidelock/cli/group_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tidelock/cli/testing/program.h"

namespace tidelock::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class GroupLockTest : public testing::ProgramTest {
 protected:
  base::Command under(std::vector<std::string> options) {
    std::vector<std::string> arguments{"lock", "run", "--group", "books", "--verbose"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.insert(arguments.end(), {"--", "sh", "-c", "echo $TIDELOCK_LOCK"});
    return tidelock(arguments);
  }
  void write(const std::string& name, const std::string& groups) {
    files_.write_atomically(folder_ / name, "[pipeline]\nname = \"shop\"\n" + groups +
                                                "[job.a]\n[[job.a.step]]\nname = \"s\"\ncommand = [\"true\"]\n");
  }
};

TEST_F(GroupLockTest, AsksThePipelineOfTheFolderForStateAndSlots) {
  write("pipeline.toml", "[group.books]\nslots = 2\n");
  const auto ended = run(under({}));
  EXPECT_EQ(ended.status.code, 0) << ended.err;
  EXPECT_EQ(ended.out, "group/books\n");
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("group \"books\" of pipeline.toml, in sqlite:"), HasSubstr("work/state.db, 2 slots\n")));
  EXPECT_TRUE(files_.info(folder_ / "work" / "state.db"));
  EXPECT_FALSE(files_.info(folder_ / ".tidelock"));
}

TEST_F(GroupLockTest, TakesAnotherPipelineAndOtherPermitsWhenTheyAreGiven) {
  write("other.toml", "[group.books]\n");
  EXPECT_THAT(run(under({"--file", "other.toml"})).err, HasSubstr("of other.toml, in sqlite:"));
  EXPECT_THAT(run(under({"--file", "other.toml", "--permits", "3"})).err, HasSubstr(", 3 slots\n"));
  EXPECT_THAT(run(under({"--file", "other.toml", "--on", "sqlite:s.db"})).err, HasSubstr("give one of them"));
  EXPECT_THAT(run(tidelock({"lock", "run", "a", "--file", "other.toml", "--", "true"})).err,
              HasSubstr("--file names the pipeline of a --group"));
}

TEST_F(GroupLockTest, WithoutAPipelineTakesTheDefaultStateThatIsThereAndMakesNone) {
  const auto nowhere = run(under({}));
  EXPECT_EQ(nowhere.status.code, 2);
  EXPECT_EQ(nowhere.err,
            "tidelock: there is no pipeline.toml here to say where the slots of group \"books\" are: run it in the "
            "pipeline's folder, or name the pipeline with --file or its state with --on [invalid_argument]\n");
  EXPECT_EQ(nowhere.out, "");
  EXPECT_FALSE(files_.info(folder_ / ".tidelock"));

  EXPECT_EQ(run(tidelock({"lock", "run", "a", "--", "true"})).status.code, 0);
  const auto ended = run(under({}));
  EXPECT_EQ(ended.out, "group/books\n");
  EXPECT_THAT(ended.err, HasSubstr("group \"books\" in sqlite:.tidelock/state.db, 1 at a time\n"));
}

TEST_F(GroupLockTest, SaysWhichGroupsThereAreForOneThatIsNot) {
  write("pipeline.toml", "[group.book]\n[group.stock]\n");
  const auto ended = run(under({}));
  EXPECT_EQ(ended.status.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("pipeline.toml has no group \"books\": its groups are book and stock"));
  EXPECT_EQ(ended.out, "");
}

}  // namespace
}  // namespace tidelock::cli

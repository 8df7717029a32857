#include "tidelock/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tidelock/cli/failure.h"

namespace tidelock::cli {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

using Arguments = std::vector<std::string>;

template <typename T>
T parsed(const Arguments& arguments) {
  return std::get<T>(parse_command_line(arguments));
}

std::string refusal(const Arguments& arguments) {
  try {
    static_cast<void>(parse_command_line(arguments));
  } catch (const UsageError& error) {
    return Failure::of(error).line();
  }
  ADD_FAILURE() << "was accepted";
  return {};
}

TEST(CommandLine, TakesTheCommandBehindTheDashesAsItIs) {
  const auto run = parsed<LockRun>({"lock", "run", "nightly", "--ttl", "20s", "--", "sh", "-c", "--help", "--"});
  EXPECT_EQ(run.name, "nightly");
  EXPECT_EQ(run.ttl, 20s);
  EXPECT_EQ(run.command, (Arguments{"sh", "-c", "--help", "--"}));
}

TEST(CommandLine, TakesANameThatBeginsWithADashBehindDashesOfItsOwn) {
  const auto run = parsed<LockRun>({"lock", "run", "--no-wait", "--", "-x", "--", "echo", "--"});
  EXPECT_EQ(run.name, "-x");
  EXPECT_EQ(run.wait, 0s);
  EXPECT_EQ(run.command, (Arguments{"echo", "--"}));
  EXPECT_EQ(parsed<LockRun>({"lock", "run", "a", "--", "b", "--", "c"}).name, "a");
  EXPECT_EQ(parsed<LockShow>({"lock", "show", "--json", "--", "-x"}).name, "-x");
  EXPECT_EQ(parsed<LockBreak>({"lock", "break", "--yes", "--", "--yes"}).name, "--yes");
  EXPECT_THAT(refusal({"lock", "run", "--", "-x"}), HasSubstr("no NAME of a lock is given"));
}

TEST(CommandLine, RefusesAnOptionThatIsGivenTwiceAndAFlagWithAValue) {
  EXPECT_THAT(refusal({"lock", "run", "a", "--ttl", "1s", "--ttl", "2s", "--", "true"}),
              HasSubstr("tidelock: --ttl is given more than once: see"));
  EXPECT_THAT(refusal({"lock", "list", "--json=false"}), HasSubstr("tidelock: --json takes no value: see"));
  EXPECT_THAT(refusal({"batch", "list", "--json=no"}), HasSubstr("tidelock: --json takes no value: see"));
}

TEST(CommandLine, WaitsForEverUnlessToldOtherwise) {
  EXPECT_EQ(parsed<LockRun>({"lock", "run", "a", "--", "true"}).wait, std::nullopt);
  EXPECT_EQ(parsed<LockRun>({"lock", "run", "a", "--wait", "1m30s", "--", "true"}).wait, 90s);
  EXPECT_EQ(parsed<LockRun>({"lock", "run", "a", "--no-wait", "--", "true"}).wait, 0s);
}

TEST(CommandLine, SplitsTheTtlIntoMarginAndGrace) {
  const auto usual = parsed<LockRun>({"lock", "run", "a", "--", "true"});
  EXPECT_EQ(usual.ttl, 15s);
  EXPECT_EQ(usual.margin, 500ms);
  EXPECT_EQ(usual.grace, 3s);
  const auto brief = parsed<LockRun>({"lock", "run", "a", "--ttl", "1s", "--", "true"});
  EXPECT_EQ(brief.margin, 100ms);
  EXPECT_EQ(brief.grace, 200ms);
  const auto given = parsed<LockRun>({"lock", "run", "a", "--ttl=10s", "--margin=1s", "--grace=0s", "--", "true"});
  EXPECT_EQ(given.margin, 1s);
  EXPECT_EQ(given.grace, 0s);
}

TEST(CommandLine, RefusesATtlThatLeavesNoTimeToWork) {
  EXPECT_EQ(refusal({"lock", "run", "a", "--ttl", "2s", "--margin", "1s", "--grace", "1s", "--", "true"}),
            "tidelock: --ttl 2s is not longer than --margin 1s and --grace 1s together: give a longer --ttl "
            "[invalid_argument]");
  EXPECT_THAT(refusal({"lock", "run", "a", "--ttl", "0s", "--", "true"}), HasSubstr("give 100ms to 24h"));
}

TEST(CommandLine, RefusesATimeWithoutAUnit) {
  EXPECT_THAT(refusal({"lock", "run", "a", "--ttl", "15", "--", "true"}), HasSubstr("--ttl: "));
  EXPECT_THAT(refusal({"lock", "run", "a", "--wait", "1ns", "--", "true"}), HasSubstr("finer than a millisecond"));
  for (const auto* option : {"--ttl", "--wait", "--margin", "--grace"}) {  // As from a variable that is not set.
    EXPECT_THAT(refusal({"lock", "run", "a", option, "", "--", "true"}), HasSubstr(option)) << option;
  }
}

TEST(CommandLine, SuggestsTheNearestCommand) {
  EXPECT_EQ(refusal({"lok", "run"}),
            "tidelock: unknown command \"lok\": did you mean lock? Else see `tidelock --help` [invalid_argument]");
  EXPECT_EQ(refusal({"lock", "lok", "run"}),
            "tidelock: unknown command \"lok\": see `tidelock lock --help` [invalid_argument]");
  EXPECT_EQ(refusal({"lokc"}),
            "tidelock: unknown command \"lokc\": did you mean lock? Else see `tidelock --help` [invalid_argument]");
  EXPECT_THAT(refusal({"lock", "lits"}), HasSubstr("did you mean list?"));
  EXPECT_THAT(refusal({"lock", "xyzzy"}), HasSubstr("\"xyzzy\": see `tidelock lock --help`"));
}

TEST(CommandLine, SuggestsTheNearestOption) {
  EXPECT_THAT(refusal({"lock", "run", "a", "--tll", "3s", "--", "true"}), HasSubstr("did you mean --ttl?"));
  EXPECT_THAT(refusal({"lock", "list", "--jsn"}), HasSubstr("did you mean --json?"));
  EXPECT_THAT(refusal({"lock", "list", "--tll=3s"}), HasSubstr("unknown option \"--tll\""));
}

TEST(CommandLine, RefusesACommandThatIsNotBehindDashes) {
  EXPECT_THAT(refusal({"lock", "run", "a", "true"}), HasSubstr("put -- before the command"));
  EXPECT_THAT(refusal({"lock", "run", "a"}), HasSubstr("no command to run is given"));
  EXPECT_THAT(refusal({"lock", "run", "a", "--"}), HasSubstr("no command to run is given"));
  EXPECT_THAT(refusal({"lock", "run", "a", "--", ""}), HasSubstr("is empty"));
}

TEST(CommandLine, NeedsANameWhereOneIsNeeded) {
  EXPECT_THAT(refusal({"lock", "run", "--", "true"}), HasSubstr("no NAME"));
  EXPECT_THAT(refusal({"lock", "show"}), HasSubstr("no NAME of a lock is given: see `tidelock lock show --help`"));
  EXPECT_THAT(refusal({"lock", "break", "--yes"}), HasSubstr("no NAME"));
}

TEST(CommandLine, RefusesPermitsThatAreNoNumber) {
  for (const auto* text : {"0", "-1", "x", "4294967296", "1.5", ""}) {
    EXPECT_THAT(refusal({"lock", "run", "a", "--permits", text, "--", "true"}), HasSubstr("--permits")) << text;
  }
  EXPECT_EQ(parsed<LockRun>({"lock", "run", "a", "--permits", "3", "--", "true"}).permits, 3U);
}

TEST(CommandLine, RefusesWhatContradictsItselfOrIsSaidTwice) {
  EXPECT_THAT(refusal({"lock", "run", "a", "--wait", "3s", "--no-wait", "--", "true"}), HasSubstr("--no-wait"));
  EXPECT_THAT(refusal({"lock", "run", "a", "--ttl", "3s", "--ttl", "4s", "--", "true"}), HasSubstr("--ttl"));
  EXPECT_THAT(refusal({"lock", "list", "--on"}), HasSubstr("--on"));
}

TEST(CommandLine, WithoutACommandSaysWhereToLook) {
  EXPECT_THAT(refusal({}), HasSubstr("no command is given: see `tidelock --help`"));
  EXPECT_THAT(refusal({"lock"}), HasSubstr("no command is given: see `tidelock lock --help`"));
}

TEST(CommandLine, HelpTeachesWithExamplesOnEveryLevel) {
  for (const Arguments& path :
       {Arguments{}, {"run"}, {"lock"}, {"lock", "run"}, {"lock", "list"}, {"lock", "show"}, {"lock", "break"}}) {
    auto arguments = path;
    arguments.push_back("--help");
    const std::string command = path.empty() ? "" : path.front();
    EXPECT_THAT(parsed<ShowHelp>(arguments).text, HasSubstr("Examples:\n  tidelock " + command));
  }
  EXPECT_THAT(parsed<ShowHelp>({"lock", "run", "--help"}).text, HasSubstr("128+N"));
  EXPECT_THAT(parsed<ShowHelp>({"lock", "run", "--help"}).text, HasSubstr("name it by an absolute path"));
}

TEST(CommandLine, ReadsTheOptionsOfTheOtherCommands) {
  EXPECT_TRUE(std::holds_alternative<ShowVersion>(parse_command_line({"--version"})));
  const auto list = parsed<LockList>({"lock", "list", "--json", "--on", "sqlite:x.db"});
  EXPECT_TRUE(list.json);
  EXPECT_EQ(list.on, "sqlite:x.db");
  EXPECT_EQ(parsed<LockShow>({"lock", "show", "a"}).on, kDefaultState);
  EXPECT_TRUE(parsed<LockBreak>({"lock", "break", "a", "--yes"}).yes);
  EXPECT_FALSE(parsed<LockBreak>({"lock", "break", "a"}).yes);
}

TEST(CommandLine, ReadsWhatAPipelineIsRunWith) {
  const auto plain = parsed<PipelineRun>({"run"});
  EXPECT_EQ(plain.file, "pipeline.toml");
  EXPECT_FALSE(plain.work || plain.once || plain.replay || plain.dry_run || plain.json);
  const auto replay = parsed<PipelineRun>(
      {"run", "m.toml", "--replay", "2018-01-03..2018-01-05", "--day", "500ms", "--work", "w", "--json", "--verbose"});
  EXPECT_EQ(replay.file, "m.toml");
  EXPECT_EQ(replay.replay, "2018-01-03..2018-01-05");
  EXPECT_EQ(replay.day, std::chrono::milliseconds(500));
  EXPECT_EQ(replay.work, "w");
  EXPECT_TRUE(replay.json && replay.verbose);
  EXPECT_EQ(parsed<PipelineRun>({"run", "--once", "close"}).once, "close");
}

TEST(CommandLine, RefusesWhatAPipelineCannotBeRunWith) {
  for (const Arguments& arguments : {Arguments{"run", "--day", "1s"},
                                     {"run", "--once", "a", "--replay", "2018-01-03..2018-01-05"},
                                     {"run", "--replay", "2018-01-03..2018-01-05", "--day", "1"},
                                     {"run", "--replay", "2018-01-03..2018-01-05", "--day", "1ms"},
                                     {"run", "--replay", "2018-01-03..2018-01-05", "--day", "25h"},
                                     {"run", "--work", ""},
                                     {"run", "a.toml", "b.toml"},
                                     {"run", "--replai", "x"}}) {
    EXPECT_THROW(parse_command_line(arguments), UsageError) << ::testing::PrintToString(arguments);
  }
}

TEST(CommandLine, KnowsThatJsonIsWantedAlsoWhenItCannotBeParsed) {
  EXPECT_TRUE(wants_json({"lock", "lits", "--json"}));
  EXPECT_FALSE(wants_json({"lock", "run", "a", "--", "jq", "--json"}));
}

TEST(CommandLine, ALockMayBeCalledAsACommandIs) {
  EXPECT_EQ(parsed<LockShow>({"lock", "show", "break"}).name, "break");
  EXPECT_EQ(parsed<LockRun>({"lock", "run", "list", "--", "true"}).name, "list");
  EXPECT_EQ(parsed<LockRun>({"lock", "run", "run", "--", "true"}).name, "run");
}

}  // namespace
}  // namespace tidelock::cli

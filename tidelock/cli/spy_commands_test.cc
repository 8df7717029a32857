#include "tidelock/cli/spy_commands.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/testing/program.h"
#include "tidelock/world/testing.h"

namespace tidelock::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Ran {
  int exit;
  std::string out, err;
};
Ran run(world::World& world, const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const auto outcome = run_program(arguments, {world.runtime(), world.files(), out, err});
  return {outcome.exit, out.str(), err.str()};
}

constexpr auto kLog =
    R"({"time":"2024-02-29T15:04:05.000001Z","micros":1500,"category":"statement","sql":"select ?","values":[1],"rows":1,"job":"load","run":"7","step":"items"}
1709219045006|2500|statement|connection 3|url u|delete from t|delete from t
garbage
)";

WORLD_TEST(SpyReportCommand, ShowsWhatTookLongestFirst) {
  files.write_atomically("/spy.log", kLog);
  const auto ran = run(world, {"spy", "report", "/spy.log"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.out, HasSubstr("2 entries of 2 statements, 2.50s in all, 0 failed"));
  EXPECT_THAT(ran.out, HasSubstr("COUNT  TOTAL   P50     P99     MAX     ROWS  FAILED  STATEMENT\n"
                                 "1      2.50s   2.50s   2.50s   2.50s   0     0       delete from t\n"
                                 "1      1.50ms  1.50ms  1.50ms  1.50ms  1     0       select ?\n"));
  EXPECT_THAT(ran.out, HasSubstr("line 1, load run 7 step items: select 1"));
  EXPECT_THAT(ran.err, HasSubstr("/spy.log:3: neither JSON nor"));
}

WORLD_TEST(SpyReportCommand, LetsNothingInALogControlTheTerminal) {
  files.write_atomically("/spy.log",
                         R"({"time":"\u001b[2J\u009b1m","micros":1,"category":"statement","sql":"a\u009b2Jé\n\u007f",)"
                         R"("job":"j\u001b","run":"\u009b\r","step":"s\n"})"
                         "\n\x1b]0;x\x07|2|statement|connection 3|url u|b\x9b|b\x9b\n");
  const auto ran = run(world, {"spy", "report", "/spy.log"});
  EXPECT_EQ(ran.exit, 0);
  for (const auto* control : {"\x1b", "\xc2\x9b", "\x07", "\x7f", "\r"}) EXPECT_THAT(ran.out, Not(HasSubstr(control)));
  EXPECT_THAT(ran.out, HasSubstr(" [2J 1m to  ]0;x \n"));
  EXPECT_THAT(ran.out, HasSubstr("line 1, j  run    step s : a 2Jé"));
  EXPECT_THAT(ran.out, HasSubstr("line 2: b\xEF\xBF\xBD\n"));
}

WORLD_TEST(SpyReportCommand, GivesJson) {
  files.write_atomically("/spy.log", kLog);
  const auto ran = run(world, {"spy", "report", "/spy.log", "--top", "1", "--json"});
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json["entries"], 2);
  EXPECT_EQ(json["unreadable"], 1);
  ASSERT_EQ(json["statements"].size(), 1U);
  EXPECT_EQ(json["statements"][0]["statement"], "delete from t");
  EXPECT_EQ(json["statements"][0]["p99_us"], 2'500'000);
  EXPECT_EQ(json["statements"][0]["slowest"][0]["line"], 2);
  EXPECT_EQ(ran.err, "");
}

class SpyReportOfPipes : public testing::ProgramTest {
 protected:
  testing::Ended run_script(const std::string& script) {
    files_.write_atomically(folder_ / "spy.log", kLog);
    auto command = tidelock({});
    command.argv = {"sh", "-c", script};
    return run(std::move(command));
  }
};

TEST_F(SpyReportOfPipes, ReadsStandardInput) {
  for (const auto* script : {"cat spy.log | \"$TIDELOCK\" spy report -", "\"$TIDELOCK\" spy report - < spy.log",
                             "cat spy.log | \"$TIDELOCK\" spy report /dev/stdin"}) {
    const auto ended = run_script(script);
    EXPECT_EQ(ended.status.code, 0) << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("2 entries of 2 statements, 2.50s in all, 0 failed"));
    EXPECT_THAT(ended.err, HasSubstr(":3: neither JSON nor"));
  }
}

TEST_F(SpyReportOfPipes, ReadsANamedPipeThatSomebodyOpensLater) {
  const auto ended = run_script("mkfifo pipe; \"$TIDELOCK\" spy report pipe & cat spy.log > pipe; wait");
  EXPECT_THAT(ended.out, HasSubstr("2 entries of 2 statements"));
}

WORLD_TEST(SpyReportCommand, SaysThatStatementsWereLeftOut) {
  sql::spy::Summary summary;
  summary.entries = summary.distinct = 200'000;
  summary.left_out = 150'000;
  EXPECT_THAT(spy_report_text(summary),
              HasSubstr("150000 statements that took little are counted together as [others]"));
  EXPECT_EQ(nlohmann::json::parse(spy_report_json(summary, 0))["left_out"], 150'000);
}

WORLD_TEST(SpyReportCommand, SaysWhatItCannotRead) {
  const auto missing = run(world, {"spy", "report", "/none.log"});
  EXPECT_EQ(missing.exit, number(Exit::failed));
  EXPECT_THAT(missing.err, HasSubstr("/none.log"));
  files.write_atomically("/shop.db", "SQLite format 3\nx\n");
  const auto other = run(world, {"spy", "report", "/shop.db"});
  EXPECT_NE(other.exit, 0);
  EXPECT_THAT(other.err, HasSubstr("no line of \"/shop.db\" is one of a spy's log; line 1: neither JSON"));
  files.write_atomically("/empty.log", "");
  const auto empty = run(world, {"spy", "report", "/empty.log"});
  EXPECT_EQ(empty.exit, 0);
  EXPECT_THAT(empty.out, HasSubstr("0 entries"));
  EXPECT_EQ(run(world, {"spy", "report"}).exit, number(Exit::usage));
  EXPECT_EQ(run(world, {"spy", "report", "x", "--top", "0"}).exit, number(Exit::usage));
  EXPECT_EQ(run(world, {"spy"}).exit, number(Exit::usage));
}

}  // namespace
}  // namespace tidelock::cli

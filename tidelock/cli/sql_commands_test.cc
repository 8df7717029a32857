// `tidelock sql` as people and scripts call it.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/cli/command_line.h"
#include "tidelock/cli/delete_progress.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/testing/program.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/sql/testing/silent_listener.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(SqlCommandLine, TakesAUrlAndStatements) {
  const auto command = parse_command_line({"sql", "sqlite:a.db", "select 1", "--allow", "drop", "--allow", "truncate",
                                           "--timeout", "5s", "--format", "csv", "--read-only"});
  const auto& run = std::get<SqlRun>(command);
  EXPECT_EQ(run.open.url, "sqlite:a.db");
  EXPECT_EQ(run.text, "select 1");
  EXPECT_TRUE(run.open.allow.has(sql::Rule::drop) && run.open.allow.has(sql::Rule::truncate));
  EXPECT_FALSE(run.open.allow.has(sql::Rule::dynamic_sql));
  EXPECT_EQ(run.open.timeout, 5s);
  EXPECT_EQ(run.format, RowFormat::csv);
  EXPECT_TRUE(run.open.read_only);
  EXPECT_EQ(std::get<SqlRun>(parse_command_line({"sql", "sqlite:a.db", "-", "--json"})).format, RowFormat::json);
}

TEST(SqlCommandLine, TakesADeletion) {
  const auto command =
      parse_command_line({"sql", "u", "--delete-in-chunks", "delete from t where a = 1", "--chunk", "7", "--rate",
                          "2.5", "--key", "a", "--key", "b", "--after", "[1]", "--count"});
  const auto& deletion = std::get<SqlDelete>(command);
  EXPECT_EQ(deletion.statement, "delete from t where a = 1");
  EXPECT_EQ(deletion.chunk_rows, 7);
  EXPECT_EQ(deletion.rows_per_second, 2.5);
  EXPECT_EQ(deletion.key, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(deletion.after, "[1]");
  EXPECT_TRUE(deletion.count);
}

TEST(SqlCommandLine, SaysWhatIsMissingOrWrong) {
  const auto refusal = [](const std::vector<std::string>& arguments) {
    try {
      static_cast<void>(parse_command_line(arguments));
    } catch (const UsageError& error) {
      return Failure::of(error).line();
    }
    return std::string("was accepted");
  };
  EXPECT_THAT(refusal({"sql"}), HasSubstr("no URL of a database is given"));
  EXPECT_THAT(refusal({"sql", "u"}), HasSubstr("no SQL is given"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--format", "xml"}), HasSubstr("none of table, csv and json"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--format", "csv", "--json"}), HasSubstr("two formats"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--allow", "dorp"}), HasSubstr("there are drop, truncate"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--timeout", "5"}), HasSubstr("--timeout"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--timeout", "0s"}), HasSubstr("no time"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--rate", "5"}), HasSubstr("belongs to --delete-in-chunks"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--read-only", "--create"}), HasSubstr("exclude each other"));
  EXPECT_THAT(refusal({"sql", "u", "s", "--delete-in-chunks", "d"}), HasSubstr("takes the place of SQL"));
  EXPECT_THAT(refusal({"sql", "u", "--delete-in-chunks", ""}), HasSubstr("is empty"));
  EXPECT_THAT(refusal({"sql", "u", "--delete-in-chunks", "d", "--rate", "0"}), HasSubstr("above 0"));
  EXPECT_THAT(refusal({"sql", "u", "--delete-in-chunks", "d", "--chunk", "1e3"}), HasSubstr("is not a number of rows"));
  EXPECT_THAT(refusal({"sql", "u", "--delete-in-chunks", "d", "--read-only"}), HasSubstr("does not go with"));
}

TEST(SqlProgress, SaysHowFarItIs) {
  sql::DeleteProgress progress{.deleted = 20'000, .chunks = 2, .total = {}, .position = "[20000]", .elapsed = 4s};
  EXPECT_EQ(progress_text(progress), "deleted 20000 rows, 5000 rows/s, at [20000]");
  progress.total = 100'000;
  EXPECT_EQ(progress_text(progress), "deleted 20000 of 100000 rows (20.0 %), 5000 rows/s, 16s left, at [20000]");
  EXPECT_EQ(progress_text({.deleted = 1, .total = {}, .position = {}, .elapsed = {}}), "deleted 1 row");
}

TEST(SqlProgress, SaysOfACommitOfUnknownOutcomeOnlyThatTheCountMayBeLess) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  for (const bool stopped : {true, false}) {
    std::ostringstream out;
    std::ostringstream err;
    DeleteProgressView view({runtime, files, out, err}, false);
    view.result({.done = {.deleted = 20, .chunks = 2, .total = {}, .position = "[20]"},
                 .stopped = stopped,
                 .uncertain_chunks = 1});
    EXPECT_EQ(out.str(),
              "deleted 20 rows in 2 transactions\n"
              "whether 1 commit took place is not known: what it deleted may be missing in the count\n");
    EXPECT_EQ(err.str(), stopped ? "tidelock: stopped; rows may be left: begin it again to go on, with --after '[20]' "
                                   "from there\n"
                                 : "");
  }
}

class SqlCommands : public testing::ProgramTest {
 protected:
  testing::Ended sql(Arguments arguments) {
    arguments.insert(arguments.begin(), {"sql", "sqlite:shop.db"});
    return run(tidelock(arguments));
  }
  void fill(int rows = 100) {
    const auto made = sql({"--create",
                           "create table t (id integer primary key, name text); "
                           "with recursive n(i) as (select 1 union all select i + 1 from n where i < " +
                               std::to_string(rows) + ") insert into t select i, 'n' || i from n"});
    ASSERT_EQ(made.status.code, 0) << made.err;
  }
  // Waits until the program reads its signals, and sends one.
  void interrupt(testing::Running& running) {
    EXPECT_TRUE(testing::eventually(runtime_, [&] {
      std::ifstream status("/proc/" + std::to_string(running.child().pid()) + "/status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with("SigBlk:")) return (std::stoull(line.substr(7), nullptr, 16) >> (SIGINT - 1) & 1) != 0;
      }
      return false;
    }));
    running.child().signal(SIGINT);
  }
};

TEST_F(SqlCommands, PrintsATableForPeople) {
  const auto shown = sql({"--create",
                          "select 1 as a, 'x y' as b union all select null, 'NULL' union all select 3, '' "
                          "union all select 4, 'a' || char(27) || char(10)"});
  EXPECT_EQ(shown.out,
            "a     b\n"
            "1     x y\n"
            "NULL  \"NULL\"\n"
            "3     \"\"\n"
            "4     a\\x1b\\n\n"
            "(4 rows)\n");
  EXPECT_EQ(shown.err, "");
}

TEST_F(SqlCommands, PrintsCsvAndJsonForPrograms) {
  const std::string query = "select 1 as \"a,b\", 'say \"hi\"' as c, null as d, '' as e, 1.5 as f, x'00ff' as g";
  EXPECT_EQ(sql({"--create", "--format", "csv", query}).out,
            "\"a,b\",c,d,e,f,g\n1,\"say \"\"hi\"\"\",,\"\",1.5,x'00ff'\n");
  const auto json = nlohmann::json::parse(sql({"--json", query}).out);
  EXPECT_EQ(json["columns"], nlohmann::json({"a,b", "c", "d", "e", "f", "g"}));
  EXPECT_EQ(json["rows"], nlohmann::json({{1, "say \"hi\"", nullptr, "", 1.5, "x'00ff'"}}));
}

#if TIDELOCK_HAVE_DUCKDB
TEST_F(SqlCommands, ShowsListsStructsAndMapsAsText) {
  const auto shown = [&](const std::string& format) {
    return run(tidelock({"sql", "duckdb::memory:", "--format", format,
                         "select [1, null] as l, {'a': 'x, y'} as s, map {'k': 2} as m, null::int[] as n"}))
        .out;
  };
  EXPECT_EQ(shown("table"),
            "l          s              m      n\n"
            "[1, NULL]  {'a': 'x, y'}  {k=2}  NULL\n"
            "(1 row)\n");
  EXPECT_EQ(shown("csv"), "l,s,m,n\n\"[1, NULL]\",\"{'a': 'x, y'}\",{k=2},\n");
  EXPECT_EQ(nlohmann::json::parse(shown("json"))["rows"],
            nlohmann::json({{"[1, NULL]", "{'a': 'x, y'}", "{k=2}", nullptr}}));
}
#endif

TEST_F(SqlCommands, RunsSeveralStatementsInTurnAndSaysWhatEachDid) {
  fill(3);
  const auto done =
      sql({"insert into t values (4, 'd;'); update t set name = 'x' where id > 2; select count(*) as n from t"});
  EXPECT_EQ(done.out, "1 row changed\n2 rows changed\nn\n4\n(1 row)\n");
  EXPECT_EQ(sql({"--json", "delete from t where id = 1; select id from t where id = 2; create table u (a)"}).out,
            "{\"changed\":1}\n{\"columns\":[\"id\"],\"rows\":[[2]]}\n{\"changed\":0}\n");
  EXPECT_EQ(sql({"insert into t values (9, 'i') returning id"}).out, "id\n9\n(1 row)\n");
}

TEST_F(SqlCommands, TellsHowManyRowsAStatementChangedThatDoesNotBeginWithTheChange) {
  fill(3);
  const std::string low = "with n as (select 2 as most) ";
  EXPECT_EQ(sql({"--json", low + "insert into t select id + 3, 'x' from t, n where id <= most"}).out,
            "{\"changed\":2}\n");
  EXPECT_EQ(sql({"--json", low + "delete from t where id <= (select most from n)"}).out, "{\"changed\":2}\n");
  EXPECT_EQ(sql({low + "update t set name = '' where id <= (select most from n) + 1"}).out, "1 row changed\n");
  EXPECT_EQ(sql({low + "delete from t where id <= (select most from n)"}).out, "0 rows changed\n");
  EXPECT_EQ(sql({low + "select most from n"}).out, "most\n2\n(1 row)\n");
  EXPECT_EQ(sql({"create table u (a)"}).out, "");
}

TEST_F(SqlCommands, JsonOfAQueryThatFailsEndsItsLine) {
  fill(3);
  EXPECT_EQ(sql({"--json", "select 1; select abs(-9223372036854775808)"}).out,
            "{\"columns\":[\"1\"],\"rows\":[[1]]}\n");
  EXPECT_EQ(sql({"--json", "select abs(case id when 3 then -9223372036854775808 else id end) as n from t"}).out,
            "{\"columns\":[\"n\"],\"rows\":[[1],[2]\n");
}

TEST_F(SqlCommands, ATableIsMeasuredByNoMoreThanAMebibyte) {
  const auto shown = sql({"--create", "select 'x' as a, hex(zeroblob(600000)) as b union all select 'longer', 'y'"});
  EXPECT_THAT(shown.out, StartsWith("a  b\nx  0000"));
  EXPECT_THAT(shown.out, EndsWith("0\nlonger  y\n(2 rows)\n"));
}

TEST_F(SqlCommands, AllOfATransactionHappensOrNothing) {
  fill(3);
  EXPECT_EQ(sql({"--transaction", "insert into t values (4, ''); insert into t values (1, '')"}).status.code, 1);
  EXPECT_EQ(sql({"--format", "csv", "select count(*) from t"}).out, "count(*)\n3\n");
  EXPECT_EQ(sql({"insert into t values (4, ''); insert into t values (1, '')"}).status.code, 1);
  EXPECT_EQ(sql({"--format", "csv", "select count(*) from t"}).out, "count(*)\n4\n");
  const auto refused = sql({"begin; select 1; commit"});
  EXPECT_EQ(refused.status.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("use --transaction"));
}

TEST_F(SqlCommands, IsGuardedAndSaysHowToAllow) {
  fill(3);
  const auto refused = sql({"insert into t values (4, ''); drop table t"});
  EXPECT_EQ(refused.status.code, 1);
  EXPECT_EQ(refused.err,
            "tidelock: DROP is refused: \"drop table t\": nothing was run; if that is meant, add --allow drop "
            "[permission_denied]\n");
  EXPECT_EQ(sql({"--format", "csv", "select count(*) from t"}).out, "count(*)\n3\n") << "nothing was run";
  EXPECT_EQ(sql({"delete from t where 1 = 1"}).status.code, 1);
  EXPECT_EQ(sql({"--allow", "delete_without_where", "delete from t where 1 = 1"}).out, "3 rows changed\n");
  EXPECT_EQ(sql({"--allow", "drop", "drop table t"}).status.code, 0);
}

TEST_F(SqlCommands, ADatabaseThatIsMissingIsNotMade) {
  const auto missing = sql({"select 1"});
  EXPECT_EQ(missing.status.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("--create makes a database that does not exist"));
  EXPECT_FALSE(files_.info(folder_ / "shop.db"));
}

TEST_F(SqlCommands, ReadOnlyRefusesWrites) {
  fill(3);
  const auto refused = sql({"--read-only", "insert into t values (4, '')"});
  EXPECT_EQ(refused.status.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("[read_only]"));
  EXPECT_EQ(sql({"--read-only", "--format", "csv", "select count(*) from t"}).out, "count(*)\n3\n");
}

TEST_F(SqlCommands, AStatementThatTakesTooLongIsEnded) {
  const auto ended = sql({"--create", "--timeout", "50ms",
                          "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"});
  EXPECT_EQ(ended.status.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("give a longer --timeout"));
}

TEST_F(SqlCommands, OneSignalEndsAQueryWheneverItComes) {
  for (const bool transaction : {false, true}) {
    Arguments arguments{"sql",
                        "sqlite:shop.db",
                        "--create",
                        "--format",
                        "csv",
                        "select 'ready'; with recursive n(i) as (select 1 union all select i + 1 from n) "
                        "select count(*) from n"};
    if (transaction) arguments.push_back("--transaction");
    auto running = start(tidelock(arguments));
    // Of what is printed before the next statement has begun.
    EXPECT_TRUE(testing::eventually(runtime_, [&] { return running.out().find("ready") != std::string::npos; }));
    running.child().signal(SIGINT);
    const auto ended = running.wait();
    EXPECT_EQ(ended.status.signal, SIGINT) << ended.err;
  }
}

TEST_F(SqlCommands, ASignalEndsTheReadingOfStatements) {
  auto command = tidelock({"sql", "sqlite:shop.db", "--create", "-"});
  auto pipe = base::make_pipe();
  command.in = base::Stream::to(pipe.read_end);
  auto running = start(std::move(command));
  base::write_all(pipe.write_end, "create table u (a);\n");
  interrupt(running);
  EXPECT_EQ(running.wait().status.signal, SIGINT);
  EXPECT_FALSE(files_.info(folder_ / "shop.db")) << "nothing was run";
}

TEST_F(SqlCommands, ASecondSignalEndsAProgramWhoseOutputNobodyTakes) {
  auto command = tidelock({"sql", "sqlite:shop.db", "--create",
                           "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"});
  auto pipe = base::make_pipe();
  command.out = base::Stream::to(pipe.write_end);
  auto running = start(std::move(command));
  std::array<std::byte, 1> first;
  EXPECT_EQ(base::read_some(pipe.read_end, first), 1U);
  const auto give_up = runtime_.in(testing::kPatience);
  while (!running.child().wait(runtime_.in(200ms)) && !give_up.passed(runtime_.now())) running.child().signal(SIGINT);
  EXPECT_EQ(running.wait(1ms).status.signal, SIGINT);
}

TEST_F(SqlCommands, ASignalEndsTheWaitForAServer) {
  constexpr std::uint16_t kPort = 15432;
  const sql::testing::SilentListener silent(runtime_, kPort, true);
  for (const std::string scheme : {"postgres", "mariadb"}) {
    const auto known = sql::engines();
    if (std::ranges::find(known, scheme, &sql::Engine::scheme) == known.end()) continue;
    const auto url = scheme + "://app@" + silent.address() + ":" + std::to_string(kPort) + "/shop?connect_timeout=60s";
    const auto begin = runtime_.now();
    auto running = start(tidelock({"sql", url, "select 1"}));
    interrupt(running);
    EXPECT_EQ(running.wait().status.signal, SIGINT);
    EXPECT_LT(runtime_.now() - begin, 30s) << scheme;
  }
}

TEST_F(SqlCommands, ReadsStatementsFromTheStandardInput) {
  auto command = tidelock({"sql", "sqlite:shop.db", "--create", "-"});
  auto pipe = base::make_pipe();
  command.in = base::Stream::to(pipe.read_end);
  auto running = start(std::move(command));
  base::write_all(pipe.write_end, "create table u (a);\ninsert into u values (1), (2);\n");
  base::write_all(pipe.write_end, "select * from u; -- the end");
  pipe.write_end.reset();
  EXPECT_EQ(running.wait().out, "2 rows changed\na\n1\n2\n(2 rows)\n");
}

TEST_F(SqlCommands, BadSqlIsToldWithWhatToDo) {
  EXPECT_THAT(sql({"--create", "selct 1"}).err, HasSubstr("correct the SQL [statement_invalid]"));
  EXPECT_EQ(sql({"--create", " ; -- nothing"}).status.code, 2);
  EXPECT_EQ(sql({"--create", "select ?"}).status.code, 2);
}

TEST_F(SqlCommands, ADamagedOrForeignDatabaseIsNeverAdvisedAsALockState) {
  fill(3000);
  {
    std::fstream damaged(folder_ / "shop.db", std::ios::in | std::ios::out | std::ios::binary);
    damaged.seekp(4096);
    damaged << std::string(8192, 'x');
  }
  EXPECT_THAT(sql({"select count(*) from t"}).err, HasSubstr("restore it from a backup [corrupt]"));
  std::ofstream(folder_ / "shop.db") << std::string(8192, 'x');
  EXPECT_THAT(sql({"select 1"}).err,
              HasSubstr("check the URL: this is a file of another kind, or a damaged one [not_a_database]"));
}

#if TIDELOCK_HAVE_POSTGRES
TEST_F(SqlCommands, AServerThatDoesNotLetUsInInTimeIsNoMatterOfTheStatements) {
  const sql::testing::SilentListener silent(runtime_, 15432, true);
  const auto url = "postgres://app@" + silent.address() + ":15432/shop?connect_timeout=50ms";
  EXPECT_THAT(run(tidelock({"sql", url, "select 1"})).err,
              HasSubstr("look whether the server answers, or give a longer connect_timeout= in the URL [timeout]"));
  EXPECT_THAT(run(tidelock({"sql", url, "--delete-in-chunks", "t where id > 0"})).err, HasSubstr("connect_timeout="));
}
#endif

TEST_F(SqlCommands, DeletesInChunks) {
  fill(100);
  const auto done = sql({"--chunk", "30", "--delete-in-chunks", "delete from t where id <= 75;"});
  EXPECT_EQ(done.out, "deleted 75 rows in 3 transactions\n") << done.err;
  const auto rest = nlohmann::json::parse(sql({"--json", "--count", "--delete-in-chunks", "t where id > 90"}).out);
  EXPECT_EQ(rest["deleted"], 10);
  EXPECT_EQ(rest["total"], 10);
  EXPECT_EQ(rest["position"], "[100]");
  EXPECT_EQ(rest["stopped"], false);
}

TEST_F(SqlCommands, ADeletionNeedsAWhereThatNamesAColumn) {
  fill(3);
  EXPECT_EQ(sql({"--delete-in-chunks", "delete from t"}).status.code, 2);
  EXPECT_EQ(sql({"--delete-in-chunks", "delete t"}).status.code, 2);
  EXPECT_EQ(sql({"--delete-in-chunks", "delete from t where true"}).err,
            "tidelock: DELETE without WHERE is refused: \"delete from t where true\": nothing was run; if that is "
            "meant, add --allow delete_without_where [permission_denied]\n");
  EXPECT_EQ(sql({"--delete-in-chunks", "t where true", "--allow", "delete_without_where"}).out,
            "deleted 3 rows in 1 transaction\n");
}

TEST_F(SqlCommands, ADeletionThatIsTooSlowSaysWhatToDo) {
  fill(3);
  const auto slow = sql({"--timeout", "100ms", "--delete-in-chunks",
                         "t where id in (with recursive n(i) as (select 1 union all select i + 1 from n where i < "
                         "100000000) select -i from n)"});
  EXPECT_EQ(slow.status.code, 1);
  EXPECT_THAT(slow.err, HasSubstr("give a longer --timeout, make an index"));
}

TEST_F(SqlCommands, AStoppedDeletionSaysHowToGoOn) {
  fill(1000);
  auto running =
      start(tidelock({"sql", "sqlite:shop.db", "--rate", "10", "--json", "--delete-in-chunks", "t where id > 0"}));
  while (running.err().find("\"deleted\":10") == std::string::npos) {
    ASSERT_FALSE(running.child().wait(runtime_.in(10ms))) << running.err();
  }
  running.child().signal(SIGTERM);
  const auto ended = running.wait();
  EXPECT_EQ(ended.status.signal, SIGTERM) << ended.err;
  const auto result = nlohmann::json::parse(ended.out);
  EXPECT_EQ(result["stopped"], true);
  const auto position = result["position"].get<std::string>();
  const auto deleted = result["deleted"].get<int>();
  const auto rest = sql({"--after", position, "--delete-in-chunks", "t where id > 0"});
  EXPECT_THAT(rest.out, HasSubstr("deleted " + std::to_string(1000 - deleted) + " rows"));
}

TEST_F(SqlCommands, ADeletionThatFailsSaysHowFarItCame) {
  fill(100);
  ASSERT_EQ(sql({"create trigger keep before delete on t when old.id = 60 begin select raise(abort, 'kept'); end"}).err,
            "");
  const auto failed = sql({"--json", "--chunk", "10", "--delete-in-chunks", "t where id > 0"});
  EXPECT_EQ(failed.status.code, 1);
  EXPECT_EQ(failed.out, "");
  EXPECT_THAT(failed.err, HasSubstr("kept"));
  std::istringstream lines(failed.err);
  nlohmann::json last;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("deleted")) last = json;
  }
  EXPECT_EQ(last["deleted"], 50);
  EXPECT_EQ(last["position"], "[50]");
}

// What an engine writes differently.
struct EngineCase {
  std::string name;
  std::string change_by_cte;  // Deletes row 1 of t with the help of a CTE.
};
void PrintTo(const EngineCase& engine, std::ostream* out) { *out << engine.name; }

class SqlOnEngines : public testing::ProgramTest, public ::testing::WithParamInterface<EngineCase> {
 protected:
  void SetUp() override {
    const auto& engine = GetParam().name;
    TIDELOCK_NEEDS(sql::testing::why_not_here(engine));
    if (const auto* const variable = sql::testing::server_variable(engine)) {
      own_.emplace(runtime_, files_, variable);
      url_ = own_->url().to_string();
    } else {
      url_ = engine + ":shop.db";
    }
    EXPECT_EQ(sql({"--create",
                   "create table t (id integer primary key, name varchar(20));"
                   "insert into t values (1, 'a, \"b\"'), (2, null)"})
                  .out,
              "2 rows changed\n");
  }
  testing::Ended sql(Arguments arguments) {
    arguments.insert(arguments.begin(), {"sql", url_});
    return run(tidelock(arguments));
  }
  std::string csv(const std::string& query) { return sql({"--format", "csv", query}).out; }

  std::optional<sql::testing::OwnDatabase> own_;
  std::string url_;
};

INSTANTIATE_TEST_SUITE_P(
    Engines, SqlOnEngines,
    ::testing::Values(EngineCase{"sqlite", "with n as (select 1 as i) delete from t where id in (select i from n)"},
                      EngineCase{"duckdb", "with n as (select 1 as i) delete from t where id in (select i from n)"},
                      EngineCase{"postgres", "with n as (select 1 as i) delete from t where id in (select i from n)"},
                      // It has no WITH before anything but a query.
                      EngineCase{"mariadb", "delete from t where id in (with n as (select 1 as i) select i from n)"}),
    [](const auto& info) { return info.param.name; });

TEST_P(SqlOnEngines, PrintsTheRowsOfAQueryInEachFormat) {
  const std::string query = "select id, name from t order by id";
  EXPECT_EQ(sql({query}).out, "id  name\n1   a, \\\"b\\\"\n2   NULL\n(2 rows)\n");
  EXPECT_EQ(csv(query), "id,name\n1,\"a, \"\"b\"\"\"\n2,\n");
  EXPECT_EQ(sql({"--json", query}).out, "{\"columns\":[\"id\",\"name\"],\"rows\":[[1,\"a, \\\"b\\\"\"],[2,null]]}\n");
  EXPECT_EQ(sql({"--json", query + " limit 0"}).out, "{\"columns\":[\"id\",\"name\"],\"rows\":[]}\n");
}

TEST_P(SqlOnEngines, TellsHowManyRowsWereChanged) {
  EXPECT_EQ(sql({"update t set name = 'x' where id > 0; create table u (id integer)"}).out, "2 rows changed\n");
  EXPECT_EQ(sql({"--json", GetParam().change_by_cte}).out, "{\"changed\":1}\n");
  EXPECT_EQ(sql({GetParam().change_by_cte}).out, "0 rows changed\n");
}

TEST_P(SqlOnEngines, IsGuardedUntilItIsAllowed) {
  for (const auto& [statement, rule] :
       std::vector<std::pair<std::string, std::string>>{{"delete from t", "delete_without_where"},
                                                        {"update t set name = ''", "update_without_where"},
                                                        {"drop table t", "drop"},
                                                        {"truncate table t", "truncate"}}) {
    const auto refused = sql({"insert into t values (3, ''); " + statement});
    EXPECT_EQ(refused.status.code, 1) << statement;
    EXPECT_THAT(refused.err, HasSubstr("nothing was run; if that is meant, add --allow " + rule + " "));
  }
  EXPECT_EQ(csv("select count(*) as n from t"), "n\n2\n");
  EXPECT_EQ(sql({"--allow", "delete_without_where", "delete from t"}).out, "2 rows changed\n");
  EXPECT_EQ(sql({"--allow", "drop", "drop table t"}).err, "");
  EXPECT_EQ(sql({"select count(*) from t"}).status.code, 1);
}

TEST_P(SqlOnEngines, DeletesInChunksByTheKey) {
  std::string rows = "insert into t values (3, '')";
  for (int id = 4; id <= 100; ++id) rows += ", (" + std::to_string(id) + ", '')";
  EXPECT_EQ(sql({rows}).out, "98 rows changed\n");
  EXPECT_EQ(sql({"--chunk", "30", "--delete-in-chunks", "delete from t where id <= 75"}).out,
            "deleted 75 rows in 3 transactions\n");
  const auto rest = nlohmann::json::parse(sql({"--json", "--count", "--delete-in-chunks", "t where id > 90"}).out);
  EXPECT_EQ(rest["deleted"], 10);
  EXPECT_EQ(rest["total"], 10);
  EXPECT_EQ(rest["position"], "[100]");
  EXPECT_THAT(sql({"--delete-in-chunks", "t where true"}).err, HasSubstr("--allow delete_without_where"));
  EXPECT_EQ(csv("select count(*) as n from t"), "n\n15\n");
}

}  // namespace
}  // namespace tidelock::cli

// The built program: what it prints, and how it refuses bad input.
#include "tidelock/cli/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "tidelock/cli/testing/program.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ProgramTest : public testing::ProgramTest {
 protected:
  // Ends with this exit code, one line on stderr and nothing on stdout; returns the line.
  std::string refusal(const Arguments& arguments, int exit = 2) {
    const auto ended = run(tidelock(arguments));
    EXPECT_EQ(ended.status.code, exit) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, StartsWith("tidelock: "));
    EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1) << ended.err;
    return ended.err;
  }
  std::string refused_url(const std::string& url, int exit = 2) {
    const auto listed = refusal({"lock", "list", "--on", url}, exit);
    refusal({"lock", "run", "a", "--on", url, "--", "true"}, exit);
    return listed;
  }
};

TEST_F(ProgramTest, SaysItsVersionAndTheEngines) {
  const auto ended = run(tidelock({"--version"}));
  EXPECT_EQ(ended.status.code, 0);
  EXPECT_THAT(ended.out, StartsWith("tidelock " TIDELOCK_VERSION "\n"));
  EXPECT_THAT(ended.out, HasSubstr("sqlite"));
  EXPECT_EQ(ended.err, "");
}

TEST_F(ProgramTest, AMalformedOwnerKeepsNobodyFromTheVersionAndTheHelp) {
  for (const char* question : {"--version", "--help"}) {
    auto command = tidelock({question});
    command.env["TIDELOCK_OWNER"] = "nobody";
    const auto ended = run(std::move(command));
    EXPECT_EQ(ended.status.code, 0) << ended.err;
    EXPECT_EQ(ended.out, run(tidelock({question})).out);
  }
  auto command = tidelock({"lock", "list", "--json"});
  command.env["TIDELOCK_OWNER"] = "nobody";
  const auto ended = run(std::move(command));
  EXPECT_EQ(ended.status.code, 2);
  EXPECT_EQ(nlohmann::json::parse(ended.err).at("error").at("code"), "invalid_argument");
}

TEST_F(ProgramTest, PrintsHelpOnEveryLevel) {
  EXPECT_THAT(run(tidelock({"--help"})).out, HasSubstr("Examples:"));
  EXPECT_THAT(run(tidelock({"lock", "run", "--help"})).out, HasSubstr("Exit codes:"));
}

TEST_F(ProgramTest, ListsNothingAndMakesNothingWhereThereIsNoState) {
  const auto listed = run(tidelock({"lock", "list"}));
  EXPECT_EQ(listed.status.code, 0);
  EXPECT_EQ(listed.out, "no locks are held or waited for in sqlite:.tidelock/state.db\n");
  EXPECT_THAT(listed.err, HasSubstr("does not exist"));
  const auto json = run(tidelock({"lock", "list", "--json"}));
  EXPECT_EQ(json.err, "");
  EXPECT_TRUE(nlohmann::json::parse(json.out).at("locks").empty());
  EXPECT_EQ(run(tidelock({"lock", "show", "a"})).status.code, 0);
  EXPECT_EQ(run(tidelock({"lock", "break", "a", "--yes"})).status.code, 0);
  EXPECT_FALSE(files_.info(folder_ / ".tidelock"));
}

TEST_F(ProgramTest, ShowsTheHolderAndTheWaiters) {
  auto holder = start(lock_run("a", {}, "echo $TIDELOCK_FENCING_TOKEN >&3; until [ -e enough ]; do sleep 0.01; done"));
  const auto token = std::stoll(hear());
  auto waiter = start(lock_run("a", {}, "true"));
  await_waiters("a", 1);
  const auto json = nlohmann::json::parse(run(tidelock({"lock", "list", "--json"})).out);
  ASSERT_EQ(json.at("locks").size(), 1U);
  const auto& lock = json.at("locks").at(0);
  EXPECT_EQ(lock.at("name"), "a");
  EXPECT_EQ(lock.at("holders").at(0).at("pid"), holder.child().pid());
  EXPECT_EQ(lock.at("holders").at(0).at("host"), runtime_.identity().host);
  EXPECT_EQ(lock.at("holders").at(0).at("token"), token);
  EXPECT_GT(lock.at("holders").at(0).at("expires_in_ms"), 0);
  EXPECT_EQ(lock.at("waiters").at(0).at("pid"), waiter.child().pid());
  const auto table = run(tidelock({"lock", "list"})).out;
  EXPECT_THAT(table, HasSubstr(runtime_.identity().host + ":" + std::to_string(holder.child().pid())));
  EXPECT_THAT(run(tidelock({"lock", "show", "a"})).out, HasSubstr("1. waiting: "));
  EXPECT_THAT(run(tidelock({"lock", "show", "b"})).out, HasSubstr("b is free"));
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  EXPECT_EQ(waiter.wait().status.code, 0);
}

TEST_F(ProgramTest, BreaksOnlyWhenToldTwice) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  const auto asked = run(tidelock({"lock", "break", "a"}));
  EXPECT_EQ(asked.status.code, 2);
  EXPECT_THAT(asked.out, HasSubstr("held by"));
  EXPECT_THAT(asked.err, HasSubstr("would be taken from"));
  const auto token = nlohmann::json::parse(show("a")).at("holders").at(0).at("token").get<std::int64_t>();
  EXPECT_THAT(asked.err, HasSubstr("say --yes --token " + std::to_string(token) + " to do it"));
  const auto other = run(tidelock({"lock", "break", "a", "--yes", "--token", std::to_string(token - 1)}));
  EXPECT_EQ(other.status.code, 0);
  EXPECT_THAT(other.out, HasSubstr("those who held \"a\" were gone already: nothing to do"));
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  const auto idle = run(tidelock({"lock", "break", "a", "--yes"}));
  EXPECT_EQ(idle.status.code, 0);
  EXPECT_THAT(idle.out, HasSubstr("nobody holds \"a\""));
}

TEST_F(ProgramTest, BreaksTheLineOfALockThatNobodyHolds) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  auto waiting = start(lock_run("a", {"--ttl", "1h"}, "exit 5"));
  await_waiters("a", 1);
  waiting.child().signal(SIGSTOP);
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  EXPECT_EQ(run(lock_run("a", {"--no-wait"}, "echo never >&3")).status.code, 75);
  EXPECT_THAT(run(tidelock({"lock", "break", "a"})).err, HasSubstr("nobody holds \"a\", and the places of "));
  EXPECT_THAT(run(tidelock({"lock", "break", "a", "--yes"})).out,
              HasSubstr("nobody holds \"a\": gave up the places of "));
  EXPECT_EQ(run(lock_run("a", {"--no-wait"}, "exit 4")).status.code, 4);
  waiting.child().signal(SIGCONT);
  EXPECT_EQ(waiting.wait().status.code, 5) << "who still runs gets a place again";
}

TEST_F(ProgramTest, AWaiterThatIsToldTwiceToEndLeavesNoPlaceBehind) {
  auto holder = start(lock_run("a", {}, "echo in >&3; until [ -e enough ]; do sleep 0.01; done"));
  EXPECT_EQ(hear(), "in");
  auto waiting = start(lock_run("a", {"--ttl", "1h"}, "echo never >&3"));
  await_waiters("a", 1);
  waiting.child().signal(SIGTERM);
  waiting.child().signal(SIGINT);
  EXPECT_NE(waiting.wait().status.signal, 0);
  EXPECT_EQ(waiters("a"), 0U);
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  EXPECT_EQ(run(lock_run("a", {"--no-wait"}, "exit 4")).status.code, 4);
}

TEST_F(ProgramTest, WaitsForAStateThatIsLockedNoLongerThanForTheLock) {
  EXPECT_EQ(run(lock_run("a", {}, "true")).status.code, 0);
  const auto state =
      sql::open(runtime_, files_, base::Url::parse("sqlite:" + (folder_ / ".tidelock/state.db").string()));
  auto connection = state->connect();
  auto tx = connection.begin();
  tx.execute("update tidelock_schema set version = version");
  for (const Arguments& wait : {Arguments{"--no-wait"}, Arguments{"--wait", "1s"}}) {
    const auto begin = runtime_.now();
    const auto ended = run(lock_run("a", wait, "echo never >&3"));
    EXPECT_LT(runtime_.now() - begin, std::chrono::seconds(4));
    EXPECT_NE(ended.status.code, 0);
    EXPECT_THAT(ended.err, ::testing::AnyOf(HasSubstr("[database_locked]"), HasSubstr("[timeout]")));
  }
}

TEST_F(ProgramTest, LooksAtAForeignDatabaseWithoutChangingIt) {
  {
    const auto foreign = sql::open(runtime_, files_, base::Url::parse("sqlite:" + (folder_ / "mine.db").string()));
    foreign->execute("create table mine (x integer)");
  }
  const auto before = files_.read(folder_ / "mine.db");
  const auto names = files_.list(folder_.path());
  for (const char* command : {"list", "show", "break"}) {
    Arguments arguments{"lock", command, "--on", "sqlite:mine.db"};
    if (command != std::string("list")) arguments.push_back("a");
    EXPECT_EQ(run(tidelock(arguments)).status.code, 0) << command;
  }
  EXPECT_EQ(files_.read(folder_ / "mine.db"), before);
  EXPECT_EQ(files_.list(folder_.path()), names);
}

TEST_F(ProgramTest, ARefusedCommandMakesNothing) {
  refusal({"lock", "run", "a", "--on", "sqlite:new/a.db?colour=red", "--", "true"});
  refusal({"lock", "run", "a", "--on", "sqlite:", "--", "true"});
  refusal({"lock", "run", "a", "--on", "sqlite://", "--", "true"});
  refusal({"lock", "run", std::string(256, 'x'), "--", "true"});
  EXPECT_TRUE(files_.list(folder_.path()).empty());
}

TEST_F(ProgramTest, FollowsLinksToAStateAndSaysWhereTheyGoWrong) {
  files_.create_symlink("loop", folder_ / "loop");
  EXPECT_THAT(refused_url("sqlite:loop"), HasSubstr("leads through symlinks in a circle"));
  files_.create_symlink("deep/down/state.db", folder_ / "dangling");
  EXPECT_EQ(run(tidelock({"lock", "list", "--on", "sqlite:dangling"})).status.code, 0);
  EXPECT_EQ(run(lock_run("a", {"--on", "sqlite:dangling"}, "exit 4")).status.code, 4);
  EXPECT_TRUE(files_.info(folder_ / "deep/down/state.db"));
  files_.write_atomically(folder_ / "file", "x");
  EXPECT_THAT(refusal({"lock", "run", "a", "--on", "sqlite:file/state.db", "--", "true"}),
              HasSubstr("Not a directory"));
}

TEST_F(ProgramTest, PrintsErrorsAsJsonWhenAsked) {
  const auto ended = run(tidelock({"lock", "list", "--json", "--on", "xsqlite:a.db"}));
  EXPECT_EQ(ended.status.code, 2);
  const auto json = nlohmann::json::parse(ended.err);
  EXPECT_EQ(json.at("error").at("code"), "invalid_argument");
  EXPECT_EQ(json.at("error").at("exit"), 2);
}

TEST_F(ProgramTest, RefusesWhatItCannotUnderstand) {
  EXPECT_THAT(refusal({"lokc"}), HasSubstr("did you mean lock?"));
  EXPECT_THAT(refusal({"lock", "run", "a", "--ttl", "soon", "--", "true"}), HasSubstr("--ttl"));
  EXPECT_THAT(refusal({"lock", "run", "a", "--margin", "15s", "--", "true"}), HasSubstr("--margin 15s"));
  EXPECT_FALSE(files_.info(folder_ / ".tidelock"));
}

TEST_F(ProgramTest, RefusesUrlsThatNameNoLocks) {
  EXPECT_THAT(refused_url("xsqlite:a.db"), HasSubstr("sqlite:"));
  EXPECT_THAT(refused_url("a.db"), HasSubstr("[invalid_argument]"));
  EXPECT_THAT(refused_url(""), HasSubstr("[invalid_argument]"));
  EXPECT_THAT(refusal({"lock", "run", "a", "--on", "sqlite:a.db?busy_timout=3s", "--", "true"}),
              HasSubstr("busy_timeout"));
  EXPECT_THAT(refused_url("memory:"), HasSubstr("[unsupported]"));
  EXPECT_THAT(refused_url("sqlite::memory:"), HasSubstr("[unsupported]"));
}

TEST_F(ProgramTest, RefusesFilesThatAreNoState) {
  files_.create_folders(folder_ / "folder.db");
  refused_url("sqlite:folder.db", 2);
  files_.write_atomically(folder_ / "text.db", std::string(8192, 'x'));
  EXPECT_THAT(refused_url("sqlite:text.db", 1), HasSubstr("[not_a_database]"));
}

TEST_F(ProgramTest, RefusesNamesThatAreNoNames) {
  for (const auto& name : {std::string(), std::string(256, 'x'), std::string("\xFF")}) {
    refusal({"lock", "run", name, "--", "true"});
    refusal({"lock", "show", name});
    refusal({"lock", "break", name, "--yes"});
  }
  EXPECT_EQ(run(lock_run(std::string(255, 'x'), {}, "exit 3")).status.code, 3);
}

TEST_F(ProgramTest, RefusesAnOwnerThatIsNone) {
  auto command = lock_run("a", {}, "true");
  command.env["TIDELOCK_OWNER"] = "me";
  const auto ended = run(std::move(command));
  EXPECT_EQ(ended.status.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("TIDELOCK_OWNER"));
}

constexpr auto kManyRows =
    "\"$TIDELOCK\" sql sqlite::memory: 'with recursive n(i) as (select 1 union all select i + 1 from n where i < "
    "50000) "
    "select i from n'";

TEST_F(ProgramTest, SaysThatItsOutputCouldNotBeWritten) {
  for (const std::string& script :
       {std::string("\"$TIDELOCK\" --help > /dev/full"), kManyRows + std::string(" > /dev/full")}) {
    auto command = tidelock({});
    command.argv = {"sh", "-c", script};
    const auto ended = run(std::move(command));
    EXPECT_EQ(ended.status.code, 1);
    EXPECT_THAT(ended.err, HasSubstr("could not be written [No space left on device (28)]"));
    EXPECT_THAT(ended.err, HasSubstr("[disk_full]"));
  }
}

TEST_F(ProgramTest, BlamesItsOutputWhereThatIsNotOpenForWriting) {
  auto command = tidelock({});
  command.argv = {"sh", "-c", "\"$TIDELOCK\" --help 1< /dev/null"};
  const auto ended = run(std::move(command));
  EXPECT_EQ(ended.status.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("could not be written [Bad file descriptor (9)]"));
  EXPECT_THAT(ended.err, HasSubstr("an output that can be written [io_error]"));
}

TEST_F(ProgramTest, SaysNothingWhenItsReaderHasSeenEnough) {
  for (const std::string ignored : {"", "trap '' PIPE; "}) {
    auto command = tidelock({});
    command.argv = {"sh", "-c", "(" + ignored + kManyRows + "; echo $? > code) | true"};
    const auto ended = run(std::move(command));
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(file("code"), "141");
    ASSERT_TRUE(files_.remove(folder_ / "code"));
  }
}

}  // namespace
}  // namespace tidelock::cli

// `tidelock replica` as people and monitoring call it.
#include <gmock/gmock.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tidelock/base/process.h"
#include "tidelock/cli/command_line.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/testing/program.h"
#include "tidelock/replica/folder.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ReplicaCommandLine, TakesAMasterAndAFolder) {
  const auto command = parse_command_line({"replica", "publish", "a.db", "--to", "r", "--keep", "5", "--json"});
  const auto& publish = std::get<ReplicaPublish>(command);
  EXPECT_EQ(publish.master, "a.db");
  EXPECT_EQ(publish.to, "r");
  EXPECT_EQ(publish.keep, 5U);
  EXPECT_EQ(publish.on, kDefaultState);
  EXPECT_TRUE(publish.json);
}

TEST(ReplicaCommandLine, SaysWhatIsMissingOrWrong) {
  const auto refusal = [](const std::vector<std::string>& arguments) {
    try {
      static_cast<void>(parse_command_line(arguments));
    } catch (const UsageError& error) {
      return Failure::of(error).line();
    }
    return std::string("was accepted");
  };
  EXPECT_THAT(refusal({"replica", "publish"}), HasSubstr("no MASTER is given"));
  EXPECT_THAT(refusal({"replica", "publish", "a.db"}), HasSubstr("--to"));
  EXPECT_THAT(refusal({"replica", "publish", "a.db", "--to", "r", "--keep", "0"}), HasSubstr("give 1 to"));
  EXPECT_THAT(refusal({"replica", "status"}), HasSubstr("no DIR is given"));
  EXPECT_THAT(refusal({"replica", "status", "r", "--max-age", "1"}), HasSubstr("--max-age"));
  EXPECT_THAT(refusal({"replica", "query", "r"}), HasSubstr("no SQL is given"));
  EXPECT_THAT(refusal({"replica", "publihs"}), HasSubstr("did you mean publish?"));
}

class ReplicaCommands : public testing::ProgramTest {
 protected:
  void change_master() {
    const auto database = sql::open(runtime_, files_, base::Url::parse("sqlite:" + (folder_ / "shop.db").string()), {});
    database->script("create table if not exists item (name text, price integer); insert into item values ('nut', 3)");
  }
  testing::Ended replica(Arguments arguments) {
    arguments.insert(arguments.begin(), "replica");
    return run(tidelock(arguments));
  }
  testing::Ended publish() { return replica({"publish", "shop.db", "--to", "r"}); }
};

TEST_F(ReplicaCommands, PublishesAndReads) {
  change_master();
  const auto published = publish();
  EXPECT_EQ(published.status.code, 0) << published.err;
  EXPECT_THAT(published.out, StartsWith("published version 1 in r: "));
  EXPECT_EQ(replica({"query", "r", "select name, price from item"}).out, "name  price\nnut   3\n");
  const auto json = nlohmann::json::parse(replica({"query", "r", "select price from item", "--json"}).out);
  EXPECT_EQ(json["rows"], nlohmann::json::parse("[[3]]"));
  EXPECT_EQ(json["version"]["sequence"], 1);
}

TEST_F(ReplicaCommands, WhatAColumnIsCalledDoesNotControlTheTerminal) {
  change_master();
  publish();
  const std::string query = "select 1 as \"a\x1b[31m\"";
  EXPECT_EQ(replica({"query", "r", query}).out, "a\\x1b[31m\n1\n");
  EXPECT_EQ(run(tidelock({"sql", "sqlite:shop.db", query})).out, "a\\x1b[31m\n1\n(1 row)\n");
}

TEST_F(ReplicaCommands, AnInfiniteNumberIsTextInJsonAsInSql) {
  change_master();
  publish();
  const auto json = nlohmann::json::parse(replica({"query", "r", "select 9e999, -9e999", "--json"}).out);
  EXPECT_EQ(json["rows"],
            nlohmann::json::parse(
                run(tidelock({"sql", "sqlite:shop.db", "select 9e999, -9e999", "--format", "json"})).out)["rows"]);
  EXPECT_TRUE(json["rows"][0][0].is_string());
}

TEST_F(ReplicaCommands, StatusHasTheExitCodesOfMonitoringPlugins) {
  EXPECT_EQ(replica({"status", "r"}).status.code, 2);
  change_master();
  publish();
  const auto ok = replica({"status", "r", "--master", "shop.db", "--blocks"});
  EXPECT_EQ(ok.status.code, 0) << ok.out;
  EXPECT_THAT(ok.out, StartsWith("REPLICA OK - version 1, "));
  EXPECT_THAT(ok.out, HasSubstr("nothing behind | age="));
  change_master();
  const auto behind = replica({"status", "r", "--master", "shop.db"});
  EXPECT_EQ(behind.status.code, 1);
  EXPECT_THAT(behind.out, StartsWith("REPLICA WARNING - behind its master"));
  EXPECT_EQ(replica({"status", "r", "--max-age", "1ns"}).status.code, 1);
}

TEST_F(ReplicaCommands, StatusThatIsCalledWronglyIsUnknownToMonitoringAndNotCritical) {
  for (const Arguments& arguments : {Arguments{"status"},
                                     {"status", "r", "--max-age", "soon"},
                                     {"status", "r", "--maxage", "1d"},
                                     {"status", "r", "s"}}) {
    const auto refused = replica(arguments);
    EXPECT_EQ(refused.status.code, 3) << ::testing::PrintToString(arguments);
    EXPECT_THAT(refused.err, HasSubstr("[invalid_argument]"));
  }
  EXPECT_EQ(nlohmann::json::parse(replica({"status", "--json"}).err)["error"]["exit"], 3);
  EXPECT_EQ(replica({"query", "r"}).status.code, 2);  // That is for people.
}

TEST_F(ReplicaCommands, StatusNamesADamagedBlock) {
  change_master();
  publish();
  const auto path = replica::Folder(files_, folder_ / "r").file(1);
  files_.set_mode(path, 0644);
  auto bytes = files_.read(path);
  bytes[5000] ^= 1;
  files_.write_atomically(path, bytes);
  const auto damaged = replica({"status", "r", "--blocks", "--json"});
  EXPECT_EQ(damaged.status.code, 2);
  const auto json = nlohmann::json::parse(damaged.out);
  EXPECT_EQ(json["status"], "critical");
  EXPECT_THAT(json["problems"][0]["what"], HasSubstr("1 of 1 blocks differ from their hashes: 0"));
  files_.open(path, base::OpenMode::read_write)->truncate(100);
  EXPECT_EQ(replica({"status", "r"}).status.code, 2);
}

TEST_F(ReplicaCommands, FailuresSayWhatToDoAndPublishNothing) {
  files_.write_atomically(folder_ / "shop.db", "no database");
  const auto refused = publish();
  EXPECT_EQ(refused.status.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("is no database that can be replicated"));
  EXPECT_THAT(refused.err, HasSubstr("[not_a_database]"));
  EXPECT_EQ(replica({"query", "r", "select 1"}).status.code, 1);
}

TEST_F(ReplicaCommands, AReplicaIsNotWritten) {
  change_master();
  publish();
  const auto refused = replica({"query", "r", "delete from item"});
  EXPECT_EQ(refused.status.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("[read_only]"));
}

TEST_F(ReplicaCommands, TheHelpersOwnCommandSaysThatItIsNotForPeople) {
  EXPECT_THAT(run(tidelock({"replica-helper"})).out, HasSubstr("not for people"));
}

}  // namespace
}  // namespace tidelock::cli

// `tidelock lock` when the locks are kept on a live server.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tidelock/cli/testing/program.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/needs.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using ::testing::HasSubstr;
using testing::kForEver;

// A server, and how it is told to take this user no more. {0} is the user and the database of a test.
struct Server {
  std::string name;
  const char* variable;
  std::vector<std::string> make;    // At the server.
  std::vector<std::string> refuse;  //
  std::string socket;               // → where it lies.
  std::string sessions;             // → the ids of the user's.
  std::string kill;                 // {} is such an id.
  std::vector<std::string> drop;

  friend std::ostream& operator<<(std::ostream& out, const Server& server) { return out << server.name; }
};

std::vector<Server> servers() {
  return {
#if TIDELOCK_HAVE_POSTGRES
    {.name = "postgres",
     .variable = "TIDELOCK_TEST_POSTGRES",
     .make = {"create role {0} login", "create database {0} owner {0}"},
     .refuse = {"alter role {0} nologin"},
     .socket = "show unix_socket_directories",
     .sessions = "select pid::bigint from pg_stat_activity where usename = '{0}'",
     .kill = "select pg_terminate_backend({})",
     .drop = {"drop database {0} with (force)", "drop role {0}"}},
#endif
#if TIDELOCK_HAVE_MARIADB
        {.name = "mariadb",
         .variable = "TIDELOCK_TEST_MARIADB",
         .make = {"create database {0}", "create user {0}@'%'", "grant all on {0}.* to {0}@'%'"},
         .refuse = {"alter user {0}@'%' account lock"},
         .socket = "select @@socket",
         .sessions = "select id from information_schema.processlist where user = '{0}'",
         .kill = "kill {}",
         .drop = {"drop database {0}", "drop user {0}@'%'"}},
#endif
  };
}

class LockRunLiveTest : public testing::ProgramTest, public ::testing::WithParamInterface<Server> {
 protected:
  void SetUp() override {
    TIDELOCK_NEEDS_VARIABLE(GetParam().variable);
    auto own = base::Url::parse(std::getenv(GetParam().variable));
    admin_ = sql::open(runtime_, files_, own);
    user_ = fmt::format("tidelock_{}", runtime_.random() % 1'000'000'000);
    script(GetParam().make);
    made_ = true;
    own.user = user_;
    own.path = "/" + user_;
    on_ = {"--on", own.to_string()};
  }
  void TearDown() override {
    if (made_) script(GetParam().drop);
  }

  void script(const std::vector<std::string>& statements) {
    for (const auto& statement : statements) admin_->execute(fmt::format(fmt::runtime(statement), user_));
  }
  // From now on nobody reaches the locks.
  void cut_off() {
    script(GetParam().refuse);
    std::vector<std::int64_t> ids;
    auto connection = admin_->connect();
    for (const auto row : connection.query(fmt::format(fmt::runtime(GetParam().sessions), user_))) {
      ids.push_back(row.get<std::int64_t>(0));
    }
    ASSERT_FALSE(ids.empty());
    for (const auto id : ids) connection.script(fmt::format(fmt::runtime(GetParam().kill), id));
  }

  Arguments with(Arguments more) const {
    more.insert(more.end(), on_.begin(), on_.end());
    return more;
  }
  Arguments brief() const { return with({"--ttl", "3s", "--margin", "500ms", "--grace", "300ms"}); }

  std::unique_ptr<sql::Database> admin_;
  std::string user_;
  bool made_ = false;
  Arguments on_;
};

TEST_P(LockRunLiveTest, TwoProcessesExcludeEachOtherAndTheWaiterFollows) {
  auto holder = start(lock_run("a", on_, "echo in >&3; until [ -e enough ]; do sleep 0.01; done; touch left"));
  EXPECT_EQ(hear(), "in");
  const auto refused = run(lock_run("a", with({"--no-wait"}), "echo never >&3"));
  EXPECT_EQ(refused.status.code, 75);
  EXPECT_THAT(refused.err, HasSubstr("did not get \"a\": held by"));
  auto next = start(lock_run("a", on_, "[ -e left ] && echo $TIDELOCK_FENCING_TOKEN"));
  EXPECT_TRUE(eventually(runtime_, [&] {
    return run(tidelock(with({"lock", "show", "a", "--json"}))).out.find("\"waiters\": []") == std::string::npos;
  }));
  touch("enough");
  EXPECT_EQ(holder.wait().status.code, 0);
  const auto ended = next.wait();
  EXPECT_EQ(ended.status.code, 0) << ended.err;
  EXPECT_GT(std::stoll(ended.out), 0);
  const auto list = run(tidelock(with({"lock", "list", "--json"})));
  EXPECT_THAT(list.out, HasSubstr("\"locks\": []"));
}

TEST_P(LockRunLiveTest, AServerThatComesInTimeGivesTheLock) {
  auto url = base::Url::parse(on_.back());
  url.params["socket"] = folder_ / "socket";
  if (url.scheme == "postgres") url.params["port"] = std::to_string(url.hosts.front().port.value_or(5432));
  url.hosts.clear();
  auto waiting = start(lock_run("a", {"--wait", "1m", "--verbose", "--on", url.to_string()}, "exit 3"));
  while (waiting.err().find("whose state is not open yet") == std::string::npos) {
    ASSERT_FALSE(waiting.child().wait(runtime_.in(10ms))) << waiting.err();
  }
  files_.create_symlink(admin_->one<std::string>(GetParam().socket), folder_ / "socket");
  const auto ended = waiting.wait();
  EXPECT_EQ(ended.status.code, 3) << ended.err;
}

TEST_P(LockRunLiveTest, AKilledHolderLosesTheLockWhenItsTtlIsOver) {
  auto killed = start(lock_run("a", brief(), std::string("echo in >&3; ") + kForEver));
  EXPECT_EQ(hear(), "in");
  killed.child().signal(SIGKILL);
  EXPECT_EQ(killed.wait().status.signal, SIGKILL);
  EXPECT_TRUE(life_.ends(runtime_));
  EXPECT_EQ(run(lock_run("a", with({"--no-wait"}), "exit 3")).status.code, 75);
  EXPECT_EQ(run(lock_run("a", on_, "exit 3")).status.code, 3);
}

TEST_P(LockRunLiveTest, ABrokenLockEndsItsCommandAndIsFree) {
  auto holder = start(lock_run("a", brief(), std::string("echo in >&3; ") + kForEver));
  EXPECT_EQ(hear(), "in");
  EXPECT_EQ(run(tidelock(with({"lock", "break", "a", "--yes"}))).status.code, 0);
  EXPECT_EQ(run(lock_run("a", with({"--no-wait"}), "exit 3")).status.code, 3);
  EXPECT_EQ(holder.wait().status.code, 70);
}

TEST_P(LockRunLiveTest, WhoseServerIsGoneEndsTheCommandBeforeTheLeaseEnds) {
  auto holder = start(lock_run("a", brief(), std::string("trap '' TERM; echo in >&3; ") + kForEver));
  EXPECT_EQ(hear(), "in");
  const auto cut = runtime_.now();
  cut_off();
  const auto ended = holder.wait();
  EXPECT_LT(runtime_.now() - cut, 3s + 2s);
  EXPECT_EQ(ended.status.code, 70) << ended.err;
  EXPECT_TRUE(life_.ends(runtime_));
}

INSTANTIATE_TEST_SUITE_P(Servers, LockRunLiveTest, ::testing::ValuesIn(servers()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tidelock::cli

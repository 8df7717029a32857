// What can go wrong before the first statement: each is one clear error, and no secret is in it.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;

class MariadbConnecting : public testing::MariadbTest {
 protected:
  void expect(const base::Url& url, Code code, const std::string& part) {
    const auto error = error_of([&] { open_url(url); });
    EXPECT_EQ(name(error.code()), name(code)) << error.what();
    EXPECT_THAT(std::string(error.what()), HasSubstr(part));
    EXPECT_THAT(std::string(error.what()), Not(HasSubstr("hidden")));
  }
};

TEST_F(MariadbConnecting, WhatIsWrongIsSaid) {
  auto url = url_;
  url.password = base::Secret("hidden");
  url.user = "nobody";
  expect(url, Code::permission_denied, "nobody");
  url = url_;
  url.hosts.front() = {"127.0.0.1", 1};
  expect(url, Code::unavailable, "127.0.0.1:1");
  expect(url, Code::unavailable, "check host and port");
  url.hosts.front() = {"no-such-host.invalid", 3306};
  expect(url, Code::unavailable, "no-such-host.invalid");
  url = url_;
  url.params["mode"] = "rw";
  expect(url, Code::not_found, url_.path.substr(1));
  url = url_;
  url.hosts.clear();
  url.params["socket"] = "/nowhere/mysqld.sock";
  expect(url, Code::unavailable, "/nowhere/mysqld.sock");
}

TEST_F(MariadbConnecting, AWrongPasswordIsRefusedAndNotShown) {
  const auto user = "u" + std::to_string(runtime_.random() % 1'000'000'000);
  admin_->execute("create user " + user + "@'127.0.0.1' identified by 'the hidden one'");
  auto url = url_;
  url.user = user;
  for (const auto* const password : {"another hidden one", "the hidden", ""}) {
    url.password = base::Secret(password);
    expect(url, Code::permission_denied, user);
  }
  admin_->execute("drop user " + user + "@'127.0.0.1'");
}

TEST_F(MariadbConnecting, APasswordMayHaveAnyCharacter) {
  const std::string password = "p@ss:w/rd?#%&'\"\\ \xc3\xa9 hidden";
  const auto user = "u" + std::to_string(runtime_.random() % 1'000'000'000);
  admin_->execute("create user " + user + "@'127.0.0.1' identified by 'p@ss:w/rd?#%&''\"\\ \xc3\xa9 hidden'");
  admin_->execute("grant all on *.* to " + user + "@'127.0.0.1'");
  auto url = url_;
  url.user = user;
  url.password = base::Secret(password);
  {
    const auto db = open_url(url);
    EXPECT_EQ(db->one<int>("select 1"), 1);
    EXPECT_THAT(db->name(), Not(HasSubstr("hidden")));
    const auto error = error_of([&] { db->execute("selec 1"); });
    EXPECT_THAT(std::string(error.what()), Not(HasSubstr("hidden")));
  }
  const base::testing::TempFolder folder;
  files_.write_atomically(folder / "password", password + "\n");
  url.password = {};
  url.params["password_file"] = folder / "password";
  EXPECT_EQ(open_url(url)->one<int>("select 1"), 1);
  admin_->execute("drop user " + user + "@'127.0.0.1'");
}

// A listener that takes the connection and never says a word.
TEST_F(MariadbConnecting, AServerThatSaysNothingIsNotWaitedForLongerThanAsked) {
  auto url = url_;
  // Of TEST-NET-1, which is routed nowhere: refused at once by some networks, swallowed by others.
  url.hosts.front() = {"192.0.2.1", 3306};
  url.params["connect_timeout"] = "50ms";
  const auto error = error_of([&] { open_url(url); });
  EXPECT_THAT(error.code(), AnyOf(Code::timeout, Code::unavailable)) << error.what();
}

TEST_F(MariadbConnecting, TlsIsUsedWhereItIsAskedFor) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_CERTIFICATE");
  const std::string certificate = std::getenv("TIDELOCK_TEST_MARIADB_CERTIFICATE");
  auto url = url_;
  const auto cipher = [&] {
    return open_url(url)->one<std::string>(
        "select variable_value from "
        "information_schema.session_status where variable_name = 'ssl_cipher'");
  };
  EXPECT_EQ(cipher(), "");
  url.params["sslmode"] = "require";
  EXPECT_NE(cipher(), "");
  url.params["sslmode"] = "verify-full";
  url.params["sslrootcert"] = certificate;
  url.hosts.front().name = "localhost";
  EXPECT_NE(cipher(), "");
  url.params["sslrootcert"] = "/nowhere/ca.pem";
  expect(url, Code::permission_denied, "sslrootcert");
}

TEST_F(MariadbConnecting, UnderTlsAStatementIsStoppedAtItsDeadline) {
  auto url = url_;
  url.params["sslmode"] = "require";
  const auto db = open_url(url);
  auto connection = db->connect();
  connection.set_statement_timeout(100ms);
  const auto begin = runtime_.now();
  EXPECT_THROW_CODE(connection.one<int>("select sleep(20)"), Code::timeout);
  EXPECT_LT(runtime_.now() - begin, 15s) << "it was waited for to its end";
  connection.set_statement_timeout(kNoTimeout);  // What follows takes as long as it takes.
  EXPECT_EQ(connection.one<std::string>("select repeat('x', 300000)").size(), 300'000U);
  EXPECT_EQ(connection.one<int>("select length(?)", std::string(3'000'000, 'x')), 3'000'000);
}

TEST_F(MariadbConnecting, AServerThatFallsSilentInItsTlsHandshakeIsNotWaitedForLongerThanAsked) {
  sql::testing::Proxy proxy(runtime_, "127.0.0.1", *url_.hosts.front().port);
  proxy.edit([&](std::span<char>) { proxy.freeze(true); });  // After its first words.
  auto url = url_;
  url.hosts.front() = {"127.0.0.1", proxy.port()};
  url.params["sslmode"] = "require";
  url.params["connect_timeout"] = "200ms";
  const auto error = error_of([&] { open_url(url); });
  EXPECT_EQ(error.code(), Code::timeout) << error.what();
}

TEST_F(MariadbConnecting, AUserThatMustUseTlsIsToldSo) {
  const auto user = "u" + std::to_string(runtime_.random() % 1'000'000'000);
  admin_->execute("create user " + user + "@'127.0.0.1' identified by 'hidden' require ssl");
  auto url = url_;
  url.user = user;
  url.password = base::Secret("hidden");
  expect(url, Code::permission_denied, user);
  admin_->execute("drop user " + user + "@'127.0.0.1'");
}

TEST_F(MariadbConnecting, AUserWithoutConnectionsLeftIsToldSo) {
  const auto user = "u" + std::to_string(runtime_.random() % 1'000'000'000);
  admin_->execute("create user " + user + "@'127.0.0.1' with max_user_connections 1");
  admin_->execute("grant all on *.* to " + user + "@'127.0.0.1'");
  open();  // Makes the database, for which the user would need a connection.
  auto url = url_;
  url.user = user;
  {
    const auto db = open_url(url);
    const auto connection = db->connect();
    const auto error = error_of([&] { db->connect(); });
    EXPECT_EQ(error.code(), Code::unavailable) << error.what();
    EXPECT_EQ(error.disposition(), Disposition::retry_call);
  }
  admin_->execute("drop user " + user + "@'127.0.0.1'");
}

using testing::MariadbPlain;

TEST_F(MariadbPlain, AServerWithoutTlsIsNamedWhereTlsIsAskedFor) {
  for (const auto* const mode : {"require", "verify-full"}) {
    auto url = url_;
    url.params["sslmode"] = mode;
    const auto error = error_of([&] { open_url(url); });
    EXPECT_EQ(error.code(), Code::unsupported) << mode << ": " << error.what();
    EXPECT_THAT(error.message(), HasSubstr("sslmode"));
  }
}

TEST_F(MariadbPlain, AServerWithoutConnectionsLeftSaysWhatToDo) {
  const auto before = admin_->one<std::int64_t>("select @@global.max_connections");
  auto url = url_;
  url.user = "app";
  url.path = "/test";
  {
    const auto db = open_url(url);
    admin_->script("set global max_connections = 10");
    std::vector<Connection> held;
    std::optional<Error> met;
    const auto several = [&] {
      auto more = url;
      more.params["max_connections"] = "20";
      const auto pool = open_url(more);
      for (int i = 0; i < 20; ++i) held.push_back(pool->connect());
    };
    met = error_of(several);
    EXPECT_EQ(met->code(), Code::unavailable) << met->what();
    EXPECT_EQ(met->disposition(), Disposition::retry_call);
    EXPECT_THAT(met->message(), HasSubstr("max_connections"));
  }
  admin_->script("set global max_connections = " + std::to_string(before));
}

// As behind a balancer, or an address that another server has taken over: there the number is somebody else's.
TEST_F(MariadbPlain, AStatementIsKilledAtNoOtherServerThanItsOwn) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB");
  auto url = base::Url::parse(std::getenv("TIDELOCK_TEST_MARIADB"));
  sql::testing::Proxy proxy(runtime_, "127.0.0.1", *url.hosts.front().port);
  url.hosts.front() = {"127.0.0.1", proxy.port()};
  const auto db = open_url(url);
  const auto kills = [&] {
    return admin_->one<int>(
        "select cast(variable_value as signed) from information_schema.global_status where variable_name = 'Com_kill'");
  };
  const auto before = kills();
  auto connection = db->connect();
  connection.set_statement_timeout(50ms);
  EXPECT_THROW_CODE(connection.one<int>("select sleep(20)"), Code::timeout);
  connection.set_statement_timeout(kNoTimeout);
  EXPECT_EQ(connection.one<int>("select 1"), 1);
  proxy.lead_to(*url_.hosts.front().port);
  connection.set_statement_timeout(50ms);
  EXPECT_THROW_CODE(connection.one<int>("select sleep(20)"), Code::timeout);
  EXPECT_EQ(kills(), before);
  EXPECT_THROW_CODE(connection.one<int>("select 1"), Code::connection_lost);  // It was cut instead.
}

// Of a server that was demoted: a transaction may be under way in it then.
TEST_F(MariadbPlain, ASessionThatMayNotWriteAnyMoreIsGivenToNobodyElse) {
  open()->execute("create table t (a integer)");
  auto url = url_;
  url.user = "app";  // Who may not do what read_only forbids.
  url.params["max_connections"] = "1";
  const auto db = open_url(url);
  const auto session = [&] { return db->connect().session_id(); };
  const auto first = session();
  const auto set_read_only = [&](bool on) {
    admin_->script(on ? "set global read_only = 1" : "set global read_only = 0");
  };
  const std::shared_ptr<void> at_end(nullptr, [&](void*) { set_read_only(false); });
  set_read_only(true);
  {
    auto connection = db->connect();
    auto reading = connection.begin({.read_only = true});
    const auto code = error_of([&] { reading.execute("insert into t values (1)"); }).code();
    EXPECT_TRUE(code == Code::read_only || code == Code::read_only_server) << name(code);
  }
  EXPECT_EQ(session(), first);
  EXPECT_EQ(error_of([&] { db->execute("insert into t values (1)"); }).code(), Code::read_only_server);
  const auto second = session();
  EXPECT_NE(second, first);
  set_read_only(false);
  {
    auto connection = db->connect();
    auto tx = connection.begin();
    tx.execute("insert into t values (1)");
    set_read_only(true);
    EXPECT_EQ(error_of([&] { tx.commit(); }).code(), Code::read_only_server);
  }
  EXPECT_NE(session(), second);
  set_read_only(false);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

TEST_F(MariadbPlain, WhenOneMayNotWriteAnyMoreThoseThatAreIdleAreGivenToNobodyEither) {
  auto url = url_;
  url.user = "app";
  const auto db = open_url(url);
  db->execute("create table t (a integer)");
  const auto sessions = [&] {
    std::vector<Connection> all;
    std::set<std::int64_t> ids;
    while (all.size() < 4) all.push_back(db->connect());
    for (const auto& each : all) ids.insert(each.session_id());
    return ids;
  };
  const auto before = sessions();
  {
    const std::shared_ptr<void> at_end(nullptr, [&](void*) { admin_->script("set global read_only = 0"); });
    admin_->script("set global read_only = 1");
    EXPECT_EQ(error_of([&] { db->execute("insert into t values (1)"); }).code(), Code::read_only_server);
  }
  const auto after = sessions();
  EXPECT_EQ(after.size(), 4U);
  for (const auto id : before) EXPECT_FALSE(after.contains(id)) << id;
  EXPECT_EQ(sessions(), after);
  EXPECT_NO_THROW(db->execute("insert into t values (1)"));
}

TEST_F(MariadbPlain, AQueryThatRunsWhenTheServerIsShutDownLosesItsConnection) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_PLAIN_PID");
  const auto db = open("max_connections=1");
  std::optional<Error> met;
  auto connection = db->connect();
  const auto session = connection.session_id();
  auto sleeper = runtime_.spawn("sleeper", [&](const std::stop_token&) {
    auto tx = connection.begin();
    met = error_of([&] { tx.one<int>("select sleep(600)"); });
  });
  const auto sleeps = [&] {
    return admin_->one<int>("select count(*) from information_schema.processlist where id = ? and state = 'User sleep'",
                            session) == 1;
  };
  for (const auto deadline = runtime_.in(30s); !sleeps();) {
    ASSERT_FALSE(deadline.passed(runtime_.now()));
    runtime_.yield();
  }
  pid_t server = 0;
  std::ifstream(std::getenv("TIDELOCK_TEST_MARIADB_PLAIN_PID")) >> server;
  ASSERT_GT(server, 1);
  ASSERT_EQ(::kill(server, SIGTERM), 0);
  sleeper.join();
  EXPECT_EQ(met->code(), Code::connection_lost) << met->what();
  const auto back = sql::testing::once_there(runtime_, [&] { return open("mode=rw")->one<int>("select 1"); });
  EXPECT_EQ(back, 1);
}

TEST_F(MariadbConnecting, AReplicaTakesNoWrites) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_REPLICA");
  const sql::testing::Turn turn(sql::testing::mariadb_replica_folder());
  const auto db = open_url(base::Url::parse(std::getenv("TIDELOCK_TEST_MARIADB_REPLICA")));
  EXPECT_EQ(db->one<int>("select 1"), 1);
  auto connection = db->connect();
  const auto error = error_of([&] { connection.execute("create table not_here (a integer)"); });
  EXPECT_EQ(error.code(), Code::read_only_server) << error.what();
  EXPECT_THAT(error.message(), HasSubstr("primary"));
}

TEST_F(MariadbConnecting, AMisspeltParameterIsToldWithTheOneThatWasMeant) {
  auto url = url_;
  url.params["max_conections"] = "3";
  expect(url, Code::invalid_argument, "max_connections");
}

// It greets as a MariaDB does, by another name.
TEST_F(MariadbConnecting, AnotherKindOfServerIsNoMariadb) {
  sql::testing::Proxy proxy(runtime_, "127.0.0.1", *url_.hosts.front().port);
  proxy.edit([](std::span<char> piece) {
    constexpr std::string_view kName = "MariaDB";
    const auto found = std::search(piece.begin(), piece.end(), kName.begin(), kName.end());
    if (found != piece.end()) std::copy_n("OtherDB", kName.size(), found);
  });
  auto url = url_;
  url.hosts.front() = {"127.0.0.1", proxy.port()};
  expect(url, Code::unsupported, "OtherDB");
}

// It waits for the client's first word, as the client waits for the server's.
TEST_F(MariadbConnecting, APostgresqlServerIsNotWaitedForLongerThanAsked) {
  TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_POSTGRES");
  auto url = url_;
  url.hosts = base::Url::parse(std::getenv("TIDELOCK_TEST_POSTGRES")).hosts;
  url.params["connect_timeout"] = "200ms";
  const auto error = error_of([&] { open_url(url); });
  EXPECT_EQ(error.code(), Code::timeout) << error.what();
  EXPECT_THAT(error.message(), HasSubstr("let us in"));
}

}  // namespace
}  // namespace tidelock::sql::mariadb

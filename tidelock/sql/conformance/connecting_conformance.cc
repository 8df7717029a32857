// How a server is found by the name of its host: within the deadline, at any of its addresses, and as who its
// certificate says it is.
#include <atomic>
#include <memory>
#include <stop_token>
#include <string>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/base/testing/table_resolver.h"
#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/sql/testing/silent_listener.h"

namespace tidelock::sql::conformance {
namespace {

using namespace std::chrono_literals;
using base::testing::TableResolver;

class SqlConnecting : public SqlConformance {};

INSTANTIATE_TEST_SUITE_P(Servers, SqlConnecting, ::testing::ValuesIn(servers_to_break()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SqlConnecting, ANameThatNobodyAnswersForIsGivenUpAtTheDeadline) {
  run([](const Place& place) {
    const auto silent = std::make_shared<TableResolver>(place.runtime);
    EXPECT_THROW_CODE(place.open_by("db.example", silent, "connect_timeout=50ms"), Code::timeout);
  });
}

TEST_P(SqlConnecting, ARequestToStopEndsTheWaitForAName) {
  run([](const Place& place) {
    const auto resolver = std::make_shared<TableResolver>(
        place.runtime, std::map<std::string, std::vector<std::string>>{{"db.example", {"127.0.0.1"}}});
    const auto db = place.open_by("db.example", resolver, "max_connections=2&connect_timeout=1h");
    const auto first = db->connect();
    resolver->forget_all();
    std::stop_source stop;
    auto waiter = place.runtime.spawn("waiter", [&](const std::stop_token&) {
      EXPECT_THROW_CODE(db->connect(base::Deadline::never(), stop.get_token()), Code::cancelled);
    });
    while (db->pool_state().in_use < 2) place.runtime.yield();
    stop.request_stop();
    waiter.join();
    EXPECT_THROW_CODE(db->connect(place.runtime.in(50ms)), Code::timeout);
    EXPECT_EQ(db->pool_state().in_use, 1U);
  });
}

// Nobody listens at the first one.
TEST_P(SqlConnecting, EachAddressOfANameIsTried) {
  run([](const Place& place) {
    const auto resolver = std::make_shared<TableResolver>(
        place.runtime, std::map<std::string, std::vector<std::string>>{{"db.example", {"127.0.0.77", "127.0.0.1"}},
                                                                       {"gone.example", {"127.0.0.77"}}});
    EXPECT_EQ(place.open_by("db.example", resolver)->one<int>("select 1"), 1);
    EXPECT_THROW_CODE(place.open_by("gone.example", resolver), Code::unavailable);
  });
}

// One takes no more connections, as a host behind a wall does, the other takes them and says nothing.
TEST_P(SqlConnecting, AnAddressThatNeverAnswersLeavesTheOthersTheirTime) {
  run([](const Place& place) {
    for (const bool takes : {false, true}) {
      const testing::SilentListener silent(place.runtime, place.port(), takes);
      const std::string here = "127.0.0.1";
      const auto resolver = std::make_shared<TableResolver>(
          place.runtime,
          std::map<std::string, std::vector<std::string>>{{"db.example", {silent.address(), here, here, here}},
                                                          {"gone.example", {silent.address(), silent.address()}}});
      EXPECT_EQ(place.open_by("db.example", resolver, "connect_timeout=4s")->one<int>("select 1"), 1);
      const auto before = place.runtime.now();
      const auto error =
          base::testing::error_text([&] { place.open_by("gone.example", resolver, "connect_timeout=100ms"); });
      EXPECT_NE(error.find("tried before: " + silent.address() + ": timeout"), error.npos) << error;
      EXPECT_GE(place.runtime.now() - before, 100ms);
    }
  });
}

// A statement that must end is ended at the server that runs it, whatever the name means by then.
TEST_P(SqlConnecting, AStatementIsStoppedWithoutLookingTheNameUpAgain) {
  run([&](const Place& place) {
    const auto resolver = std::make_shared<TableResolver>(
        place.runtime, std::map<std::string, std::vector<std::string>>{{"db.example", {"127.0.0.1"}}});
    const auto db = place.open_by("db.example", resolver, "max_connections=1");
    auto connection = db->connect();
    connection.set_statement_timeout(50ms);
    resolver->forget_all();
    EXPECT_THROW_CODE(
        connection.one<std::int64_t>("select max(n) from (" + declared().numbers(std::int64_t{1} << 50) + ") as r"),
        Code::timeout);
    connection.set_statement_timeout(kNoTimeout);
    EXPECT_EQ(connection.one<int>("select 1"), 1);  // The same session: no other could be made.
  });
}

// As one does that is being stopped, or a balancer without a server. Nothing was begun, so there is nothing to run
// again.
TEST_P(SqlConnecting, WhereTheLoginBreaksOffTheServerIsUnavailable) {
  run([&](const Place& place) {
    testing::Proxy proxy(place.runtime, "127.0.0.1", place.port());
    const auto parameters = "mode=rw&" + declared().faults->by_proxy;
    place.open();
    place.open_at(proxy.port(), parameters);
    const auto bytes = proxy.to_client();
    constexpr std::int64_t kDigits = 8;  // The numbers of sessions have more or fewer of them.
    for (std::int64_t passing = 0; passing < bytes - kDigits; ++passing) {
      SCOPED_TRACE(std::to_string(passing) + " of " + std::to_string(bytes) + " bytes");
      proxy.cut_after_to_client(passing);
      EXPECT_THROW_CODE(place.open_at(proxy.port(), parameters), Code::unavailable);
    }
  });
}

TEST_P(SqlConnecting, ACertificateIsForTheNameAndNotForTheAddress) {
  const auto& certificate = declared().faults->certificate;
  ASSERT_FALSE(certificate.empty());
  run([&](const Place& place) {
    const auto resolver = std::make_shared<TableResolver>(
        place.runtime, std::map<std::string, std::vector<std::string>>{
                           {"localhost", {"127.0.0.1"}}, {"127.0.0.1", {"127.0.0.1"}}, {"db.example", {"127.0.0.1"}}});
    const auto verified = "sslmode=verify-full&sslrootcert=" + certificate;
    EXPECT_EQ(place.open_by("localhost", resolver, verified)->one<int>("select 1"), 1);
    EXPECT_EQ(place.open_by("127.0.0.1", resolver, verified)->one<int>("select 1"), 1);
    EXPECT_THROW_CODE(place.open_by("db.example", resolver, verified), Code::permission_denied);
    EXPECT_EQ(place.open_by("db.example", resolver, "sslmode=require")->one<int>("select 1"), 1);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

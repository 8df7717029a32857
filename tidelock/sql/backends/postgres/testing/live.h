// Tests on the server that scripts/services starts, each on a database of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::postgres {

class PostgresLiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const url = std::getenv("TIDELOCK_TEST_POSTGRES");
    if (url == nullptr) return skip_or_fail("TIDELOCK_TEST_POSTGRES");
    url_ = base::Url::parse(url);
    admin_ = sql::open(runtime_, files_, url_, {.max_connections = 2});
    url_.path = "/tidelock_" + std::to_string(runtime_.random());
  }
  void TearDown() override {
    if (admin_ != nullptr) admin_->execute("drop database if exists " + url_.path.substr(1) + " with (force)");
  }

  static void skip_or_fail(const std::string& variable) {
    const char* const ci = std::getenv("CI");
    ASSERT_FALSE(ci != nullptr && std::string(ci) == "true") << variable << " names no server";
    GTEST_SKIP() << variable << " names no server: scripts/services up starts one";
  }

  std::unique_ptr<Database> open(const std::map<std::string, std::string>& params = {}) {
    return open_url(url_, params);
  }
  std::unique_ptr<Database> open_url(base::Url url, const std::map<std::string, std::string>& params = {}) {
    for (const auto& [name, value] : params) url.params[name] = value;
    return sql::open(runtime_, files_, url);
  }
  std::uint16_t port() const { return url_.hosts.front().port.value(); }
  // The same database by another port.
  base::Url by_port(std::uint16_t port) const {
    auto url = url_;
    url.hosts.front().port = port;
    return url;
  }
  // Returns the error that `call` throws; fails when it throws none.
  template <typename Call>
  static Error error_of(Call&& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(Code::internal, "nothing was thrown");
  }
  // Until `ready`, for a while.
  template <typename Ready>
  void wait_until(Ready&& ready) {
    const auto deadline = runtime_.in(std::chrono::seconds(30));
    while (!ready()) {
      ASSERT_FALSE(deadline.passed(runtime_.now())) << "it did not happen";
      runtime_.yield();
    }
  }
  void end_session(std::int64_t pid) { admin_->one<bool>("select pg_terminate_backend(?::int, 10000)", pid); }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::Url url_;
  std::unique_ptr<Database> admin_;
};

}  // namespace tidelock::sql::postgres

// Tests on a server that scripts/services starts, each on a database of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::postgres {

class PostgresLiveTest : public ::testing::Test {
 protected:
  // `variable` names the server.
  explicit PostgresLiveTest(const char* variable = "TIDELOCK_TEST_POSTGRES") : variable_(variable) {}
  void SetUp() override {
    TIDELOCK_NEEDS_VARIABLE(variable_);
    own_.emplace(runtime_, files_, variable_);
    url_ = own_->url();
    admin_ = &own_->admin();
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

  const char* const variable_;
  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::optional<sql::testing::OwnDatabase> own_;
  base::Url url_;              // Of this test's own database.
  Database* admin_ = nullptr;  // Of the server's test database.
};

}  // namespace tidelock::sql::postgres

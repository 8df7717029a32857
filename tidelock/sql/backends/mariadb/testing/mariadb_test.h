// Tests against the live server that TIDELOCK_TEST_MARIADB names, each on a database of its own; skipped without one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/sql/testing/turn.h"

namespace tidelock::sql::mariadb::testing {

class MariadbTest : public ::testing::Test {
 protected:
  // `variable` names the server.
  explicit MariadbTest(const char* variable = "TIDELOCK_TEST_MARIADB") : variable_(variable) {}
  void SetUp() override;

  // `parameters`: "statement_timeout=1s".
  std::unique_ptr<Database> open(const std::string& parameters = {});
  std::unique_ptr<Database> open_url(const base::Url& url);
  // Ends the session of a connection from another one, and waits until the server has let it go.
  void kill(std::int64_t session);

  const char* const variable_;
  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::optional<sql::testing::OwnDatabase> own_;
  base::Url url_;              // Of this test's own database.
  Database* admin_ = nullptr;  // Of the server's test database.
};

// For tests of sessions, most of which write to a table `t` of an `a` and a `b`.
class MariadbSessions : public MariadbTest {
 protected:
  std::unique_ptr<Database> with_table(const std::string& parameters = {});
};

// A server by itself, with the settings of a fresh installation, for one test at a time; some crash it, and it comes
// back.
class MariadbPlain : public MariadbTest {
 protected:
  MariadbPlain() : MariadbTest("TIDELOCK_TEST_MARIADB_PLAIN") {}
  void SetUp() override;

 private:
  std::optional<sql::testing::Turn> turn_;
};

// A setting of the server for a scope, as a fresh session finds it.
class Global {
 public:
  Global(Database& admin, std::string name, const std::string& value);
  ~Global();
  Global(const Global&) = delete;
  Global& operator=(const Global&) = delete;

 private:
  void set(const std::string& value);

  Database& admin_;
  const std::string name_;
  std::string before_;
};

// The error that `call` throws. Fails the test when it throws none.
template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Code::internal, "nothing was thrown");
}

}  // namespace tidelock::sql::mariadb::testing

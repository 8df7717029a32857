#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"

#include <cstdlib>
#include <filesystem>

namespace tidelock::sql::mariadb::testing {

void MariadbTest::SetUp() {
  const char* const server = std::getenv(variable_);
  if (server == nullptr) GTEST_SKIP() << variable_ << " names no server: scripts/services up starts one";
  url_ = base::Url::parse(server);
  admin_ = open_url(url_);
  url_.path = "/tidelock_" + std::to_string(runtime_.random());
}

void MariadbPlain::SetUp() {
  if (const char* const file = std::getenv("TIDELOCK_TEST_MARIADB_PLAIN_PID")) {
    turn_.emplace(std::filesystem::path(file).parent_path());
  }
  MariadbTest::SetUp();
}

void MariadbTest::TearDown() {
  if (admin_ != nullptr) admin_->execute("drop database if exists `" + url_.path.substr(1) + "`");
}

std::unique_ptr<Database> MariadbTest::open(const std::string& parameters) {
  auto url = url_;
  if (!parameters.empty()) url.params = base::Url::parse("memory:?" + parameters).params;
  return open_url(url);
}

std::unique_ptr<Database> MariadbTest::open_url(const base::Url& url) { return sql::open(runtime_, files_, url); }

void MariadbTest::kill(std::int64_t session) {
  const auto connected = [&] {
    return admin_->one<int>("select count(*) from information_schema.processlist where id = ?", session) != 0;
  };
  if (connected()) admin_->script("kill connection " + std::to_string(session));
  while (connected()) runtime_.yield();
}

}  // namespace tidelock::sql::mariadb::testing

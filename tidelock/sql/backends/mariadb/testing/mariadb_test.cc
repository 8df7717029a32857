#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"

#include <cstdlib>
#include <filesystem>

#include "tidelock/sql/testing/needs.h"

namespace tidelock::sql::mariadb::testing {

void MariadbTest::SetUp() {
  TIDELOCK_NEEDS_VARIABLE(variable_);
  own_.emplace(runtime_, files_, variable_);
  url_ = own_->url();
  admin_ = &own_->admin();
}

void MariadbPlain::SetUp() {
  if (const char* const file = std::getenv("TIDELOCK_TEST_MARIADB_PLAIN_PID")) {
    turn_.emplace(std::filesystem::path(file).parent_path());
  }
  MariadbTest::SetUp();
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

#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

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

std::unique_ptr<Database> MariadbSessions::with_table(const std::string& parameters) {
  auto db = open(parameters);
  db->script("create table t (a integer primary key, b varchar(100))");
  return db;
}

Global::Global(Database& admin, std::string name, const std::string& value) : admin_(admin), name_(std::move(name)) {
  before_ = admin.one<std::string>("select cast(@@global." + name_ + " as char)");
  set(value);
}

Global::~Global() {
  const bool is_number = before_.find_first_not_of("0123456789") == std::string::npos;
  set(is_number ? before_ : "'" + before_ + "'");
}

void Global::set(const std::string& value) { admin_.script("set global " + name_ + " = " + value); }

}  // namespace tidelock::sql::mariadb::testing

#include "tidelock/sql/database.h"

#include <utility>

#include "tidelock/sql/pool.h"

namespace tidelock::sql {

void DatabaseOptions::read(base::UrlParams& params) {
  using namespace std::chrono_literals;
  constexpr base::Duration kLongest = 24h * 365;
  max_connections = static_cast<std::size_t>(
      params.integer("max_connections", static_cast<std::int64_t>(max_connections), 1, 10'000));
  statement_cache = static_cast<std::size_t>(
      params.integer("statement_cache", static_cast<std::int64_t>(statement_cache), 1, 100'000));
  checkout_timeout = params.duration("checkout_timeout", checkout_timeout, 0s, kLongest);
  busy_timeout = params.duration("busy_timeout", busy_timeout, 0s, kLongest);
  statement_timeout = params.duration("statement_timeout", statement_timeout, 1us, kLongest);
  max_lifetime = params.duration("max_lifetime", max_lifetime, 1s, kLongest);
  max_idle = params.duration("max_idle", max_idle, 0s, kLongest);
  guarded = params.flag("guarded", guarded);
  const auto mode = params.choice("mode", read_only ? "ro" : must_exist ? "rw" : "rwc", {"ro", "rw", "rwc"});
  read_only = mode == "ro";
  must_exist = mode != "rwc";
  const auto require = [](bool fits, const char* rule) {
    if (!fits) throw Error(Code::invalid_argument, std::string("DatabaseOptions: ") + rule);
  };
  require(max_connections >= 1 && max_connections <= 10'000, "max_connections is from 1 to 10000");
  require(statement_cache >= 1 && statement_cache <= 100'000, "statement_cache is from 1 to 100000");
  require(checkout_timeout >= 0s && busy_timeout >= 0s && max_idle >= 0s, "no time is below 0");
  require(statement_timeout > 0s, "statement_timeout is longer than 0, or kNoTimeout");
  require(max_lifetime >= 1s, "max_lifetime is 1s at least");
}

Database::Database(base::Runtime& runtime, std::unique_ptr<Driver> driver, DatabaseOptions options, std::string name)
    : pool_(std::make_shared<Pool>(runtime, std::move(driver), std::move(options), std::move(name))) {}
Database::~Database() = default;

Connection Database::connect(std::optional<base::Deadline> deadline, const std::stop_token& stop) {
  auto pool = pool_;  // While it waits, the Database may go.
  auto& link = pool->checkout(deadline, stop);
  return Connection(std::move(pool), link);
}

Position Database::commit_prepared(std::string_view xid) {
  const auto connection = connect();
  return connection.link().commit_prepared(xid);
}
void Database::rollback_prepared(std::string_view xid) {
  const auto connection = connect();
  connection.link().rollback_prepared(xid);
}
std::vector<PreparedTransaction> Database::prepared_transactions() {
  const auto connection = connect();
  return connection.link().prepared_transactions();
}

void Database::observe(std::shared_ptr<Observer> observer) { pool_->observe(std::move(observer)); }
void Database::measure(base::Metrics& metrics) { pool_->measure(metrics); }
const Dialect& Database::dialect() const { return pool_->dialect(); }
const DatabaseOptions& Database::options() const { return pool_->options(); }
base::Runtime& Database::runtime() const { return pool_->runtime(); }
const std::string& Database::name() const { return pool_->name(); }
Database::PoolState Database::pool_state() const { return pool_->state(); }

}  // namespace tidelock::sql

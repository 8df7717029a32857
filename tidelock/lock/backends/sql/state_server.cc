#include "tidelock/lock/backends/sql/state_server.h"

#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/lock/backends/sql/server_statements.h"
#include "tidelock/lock/backends/sql/server_tables.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::lock {
namespace {

constexpr std::string_view kChannel = "tidelock_lock";

const ServerStatements& statements_for(const sql::Dialect& dialect) {
#if TIDELOCK_HAVE_POSTGRES
  if (dialect.engine == "postgres") return kPostgresStatements;
#endif
#if TIDELOCK_HAVE_MARIADB
  if (dialect.engine == "mariadb") return kMariadbStatements;
#endif
  throw Error(Code::unsupported,
              "locks cannot be kept in " + dialect.engine + ": use sqlite:path, or a server's database");
}

// What is told by the commits that free something.
class Notifications final : public Changes {
 public:
  Notifications(sql::Connection connection, base::Deadline deadline, const std::stop_token& stop)
      : connection_(std::move(connection)) {
    connection_.listen(kChannel, deadline, stop);
  }
  std::optional<std::string> wait(base::Deadline deadline, const std::stop_token& stop) override {
    auto told = connection_.wait_for_notification(deadline, stop);
    return told ? std::optional(std::move(told->payload)) : std::nullopt;
  }

 private:
  sql::Connection connection_;
};

class ServerState final : public State {
 public:
  ServerState(std::unique_ptr<sql::Database> database, base::Runtime& runtime, const std::string& now)
      : database_(std::move(database)), tables_(runtime, statements_for(database_->dialect()), now) {}

  sql::Database& database() const override { return *database_; }
  const ServerTables& tables() const override { return tables_; }
  std::unique_ptr<Changes> watch(base::Deadline deadline, const std::stop_token& stop) const override {
    // What hears keeps a connection; of one there is none to spare.
    const bool spare = database_->options().max_connections > 1;
    if (!database_->dialect().notifications || !spare || behind_pooler_) return nullptr;
    try {
      return std::make_unique<Notifications>(database_->connect(deadline, stop), deadline, stop);
    } catch (const Error& error) {
      if (error.code() != Code::unsupported) throw;
      behind_pooler_ = true;  // It lends its sessions anew for each transaction.
      return nullptr;
    }
  }

 private:
  const std::unique_ptr<sql::Database> database_;
  const ServerTables tables_;
  mutable std::atomic<bool> behind_pooler_ = false;
};

}  // namespace

StateServer::StateServer(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options,
                         std::string now)
    : runtime_(runtime), files_(files), url_(std::move(url)), read_only_(options.read_only), now_(std::move(now)) {
  sql::check_url(runtime_, files_, url_);
}

Guarantees StateServer::guarantees() const {
  return {.fencing_tokens = true,
          .fifo = true,
          .waiters_visible = true,
          .whose_clock = "the database server's wall clock",
          .note =
              "Excludes all processes that reach the database. A clock of the server that is set forward ends leases "
              "early, one that is set back keeps them longer; a failover that loses commits loses leases: fence what "
              "must not be written twice."};
}

std::shared_ptr<const State> StateServer::get(base::Deadline deadline) {
  {
    const base::LocalGuard guard(mutex_);
    if (state_ != nullptr) return state_;
  }
  auto opened = open(deadline);
  const base::LocalGuard guard(mutex_);
  if (state_ == nullptr) state_ = std::move(opened);
  return state_;  // Of several who opened it at once, the first was quick enough.
}

std::shared_ptr<const State> StateServer::open(base::Deadline deadline) {
  auto database = sql::open(runtime_, files_, url_,
                            {.read_only = read_only_, .must_exist = read_only_, .primary_only = !read_only_}, deadline);
  auto state = std::make_shared<ServerState>(std::move(database), runtime_, now_);
  if (read_only_) {
    return find_tables(state->database(), state->tables(), deadline) ? state : nullptr;
  }
  make_tables(state->database(), state->tables(), deadline);
  return state;
}

}  // namespace tidelock::lock

#include "tidelock/sql/connection.h"

#include <utility>

#include "tidelock/sql/link.h"
#include "tidelock/sql/pool.h"

namespace tidelock::sql {

Connection::Connection(std::shared_ptr<Pool> pool, Link& link)
    : Executor(&link, link.lease()), pool_(std::move(pool)) {}

Connection::Connection(Connection&& other) noexcept
    : Executor(std::exchange(other.link_, nullptr), other.scope_), pool_(std::move(other.pool_)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    give_back();
    link_ = std::exchange(other.link_, nullptr);
    scope_ = other.scope_;
    pool_ = std::move(other.pool_);
  }
  return *this;
}

Connection::~Connection() { give_back(); }

void Connection::give_back() noexcept {
  if (link_ == nullptr) return;
  pool_->give_back(*std::exchange(link_, nullptr));
}

Transaction Connection::begin(const TransactionOptions& options) {
  auto& on = link();
  const bool is_read_only = options.read_only || on.pool().options().read_only;
  return Transaction(on, on.begin(scope_, options), is_read_only);
}

void Connection::set_statement_timeout(base::Duration timeout) { link().set_statement_timeout(scope_, timeout); }

Canceller Connection::canceller() const {
  link().expect_cancel();
  return Canceller(pool_, link(), scope_);
}

std::uint64_t Connection::id() const { return link().id(); }
std::int64_t Connection::session_id() const { return link().session_id(); }
bool Connection::is_alive(base::Deadline deadline, const std::stop_token& stop) {
  return link().is_alive(scope_, deadline, stop);
}
void Connection::listen(std::string_view channel, base::Deadline deadline, const std::stop_token& stop) {
  link().listen(scope_, channel, deadline, stop);
}
std::optional<Notification> Connection::wait_for_notification(base::Deadline deadline, const std::stop_token& stop) {
  return link().wait_for_notification(scope_, deadline, stop);
}

}  // namespace tidelock::sql

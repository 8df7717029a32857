// What only servers have: commit in two phases, sessions with a number, liveness, notifications.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "tidelock/base/text.h"
#include "tidelock/sql/link_internal.h"

namespace tidelock::sql {

void Link::prepare_commit(std::uint64_t scope) {
  const Use use(*this);
  if (scope == scope_ && !has_xid_) {
    rollback(scope);
    throw Error(Code::misuse, "only a transaction that was begun with an xid can be prepared: name it in begin()");
  }
  require_committable(scope);
  try {
    observed(Category::commit, scope, "prepare", [&] { session_->prepare_commit(); });
  } catch (const Error& error) {
    if (error.code() == Code::unknown_outcome) broken_ = true;
    end_transaction();
    throw;
  } catch (...) {
    broken_ = true;
    end_transaction();
    throw;
  }
  end_transaction();
  if (pool_.dialect().prepare_ends_connection) spend();
}

void Link::spend() noexcept {
  pool_.expire(*this);
  close();
  lease_ = scope_ = 0;
}

Position Link::commit_prepared(std::string_view xid) {
  const auto& dialect = pool_.dialect();
  dialect.require(dialect.two_phase, "commit in two phases");
  return observed(Category::commit, 0, "commit prepared",
                  [&] { return session_->commit_prepared(xid, statement_deadline()); });
}

void Link::rollback_prepared(std::string_view xid) {
  const auto& dialect = pool_.dialect();
  dialect.require(dialect.two_phase, "commit in two phases");
  observed(Category::rollback, 0, "rollback prepared", [&] { session_->rollback_prepared(xid, statement_deadline()); });
}

std::vector<PreparedTransaction> Link::prepared_transactions() {
  const auto& dialect = pool_.dialect();
  dialect.require(dialect.two_phase, "commit in two phases");
  return observed(Category::statement, 0, "prepared transactions",
                  [&] { return session_->prepared_transactions(statement_deadline()); });
}

std::int64_t Link::session_id() {
  const auto& dialect = pool_.dialect();
  dialect.require(dialect.session_id, "session id");
  if (session_ == nullptr) throw_over();
  return session_->session_id();
}

bool Link::is_alive(std::uint64_t scope, base::Deadline deadline, const std::stop_token& stop) {
  const Use use(*this);
  check(scope);
  return !broken_ && session_->is_alive(deadline, stop);
}

void Link::listen(std::uint64_t scope, std::string_view channel, base::Deadline deadline, const std::stop_token& stop) {
  const Use use(*this);
  check(scope);
  const auto& dialect = pool_.dialect();
  dialect.require(dialect.notifications, "notifications");
  if (channel.empty()) throw Error(Code::invalid_argument, "name the channel to listen on");
  check_values(std::array{ValueView(channel)});
  const auto text = "listen " + dialect.quote(channel);
  const auto until = std::min(deadline, statement_deadline());
  observed(Category::statement, transaction_id(), text, [&] { session_->listen(channel, until, stop); });
}

std::optional<Notification> Link::wait_for_notification(std::uint64_t scope, base::Deadline deadline,
                                                        const std::stop_token& stop) {
  const Use use(*this);
  check(scope);
  const auto& dialect = pool_.dialect();
  dialect.require(dialect.notifications, "notifications");
  return session_->wait_for_notification(deadline, stop);
}

}  // namespace tidelock::sql

#include "tidelock/sql/driver.h"

namespace tidelock::sql {
namespace {

[[noreturn]] void throw_not_implemented(std::string_view what) {
  throw Error(Code::internal, "the dialect declares what its session does not implement: " + std::string(what));
}

}  // namespace

void Session::prepare_commit() { throw_not_implemented("prepare_commit"); }
Position Session::commit_prepared(std::string_view, base::Deadline) { throw_not_implemented("commit_prepared"); }
void Session::rollback_prepared(std::string_view, base::Deadline) { throw_not_implemented("rollback_prepared"); }
std::vector<PreparedTransaction> Session::prepared_transactions(base::Deadline) {
  throw_not_implemented("prepared_transactions");
}
std::int64_t Session::session_id() { throw_not_implemented("session_id"); }
void Session::listen(std::string_view, base::Deadline, const std::stop_token&) { throw_not_implemented("listen"); }
std::optional<Notification> Session::wait_for_notification(base::Deadline, const std::stop_token&) {
  throw_not_implemented("wait_for_notification");
}

Error failed_in_parts(const Error& error) {
  if (error.disposition() == Disposition::permanent && error.code() != Code::cancelled) return error;
  if (error.code() == Code::unknown_outcome) return error;
  return Error(Code::unknown_outcome,
               "it may have committed a part of its work before it failed, which a transaction around it would have "
               "kept from it: " +
                   error.message(),
               error.native().value_or(Error::Native{}));
}

}  // namespace tidelock::sql

#include "tidelock/sql/transact.h"

#include <algorithm>
#include <utility>

namespace tidelock::sql::transact_internal {
namespace {

Connection connect(Database& database, const TransactOptions& options) {
  const auto patience = std::min(options.timeout, database.options().checkout_timeout);
  return database.connect(database.runtime().in(patience), options.stop);
}

// The connection goes back before anybody waits for the next attempt.
void attempt(Connection connection, const TransactOptions& options, const std::function<void(Transaction&)>& unit) {
  auto transaction = connection.begin({.isolation = options.isolation,
                                       .read_only = options.read_only,
                                       .timeout = options.timeout,
                                       .stop = options.stop,
                                       .lock_timeout = options.lock_timeout});
  unit(transaction);
  if (transaction.is_open()) transaction.commit_without_position();
}

}  // namespace

void run(Database& database, const TransactOptions& options, const std::function<void(Transaction&)>& unit) {
  const base::RetryObserver nobody;
  base::RetryState state(database.runtime(), options.retry, options.stop, nobody);
  bool lost = false;  // By an earlier attempt: a server that starts anew is out of reach for a while.
  for (;;) {
    state.before_attempt();
    bool connected = false;
    try {
      auto connection = connect(database, options);
      connected = true;
      return attempt(std::move(connection), options, unit);
    } catch (const Error& error) {
      lost = lost || error.code() == Code::connection_lost;
      const bool comes_back = !connected && lost && error.code() == Code::unavailable;
      if ((error.disposition() != Disposition::rerun_unit && !comes_back) || !state.again(error)) throw;
    }
    state.pause();
  }
}

}  // namespace tidelock::sql::transact_internal

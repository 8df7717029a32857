#include "tidelock/sql/transact.h"

#include <algorithm>

namespace tidelock::sql::transact_internal {
namespace {

// The connection goes back before anybody waits for the next attempt.
void attempt(Database& database, const TransactOptions& options, const std::function<void(Transaction&)>& unit) {
  const auto patience = std::min(options.timeout, database.options().checkout_timeout);
  auto connection = database.connect(database.runtime().in(patience), options.stop);
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
  for (;;) {
    state.before_attempt();
    try {
      return attempt(database, options, unit);
    } catch (const Error& error) {
      if (error.disposition() != Disposition::rerun_unit || !state.again(error)) throw;
    }
    state.pause();
  }
}

}  // namespace tidelock::sql::transact_internal

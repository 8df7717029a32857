// Running a unit of work as one transaction, again and again until it is through.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "tidelock/base/retry.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {

struct TransactOptions {
  std::optional<Isolation> isolation{};
  bool read_only = false;
  base::Duration timeout = kNoTimeout;  // Of each attempt.
  // How often, and how long to wait between two attempts, outside any transaction. `idempotent` is not looked at.
  base::RetryPolicy retry{.max_attempts = 10,
                          .backoff = {.base = std::chrono::milliseconds(2), .cap = std::chrono::milliseconds(500)}};
  std::stop_token stop{};                        // Error: cancelled.
  std::optional<base::Duration> lock_timeout{};  // As in TransactionOptions.
};

namespace transact_internal {
void run(Database& database, const TransactOptions& options, const std::function<void(Transaction&)>& unit);
}

// Calls unit(Transaction&) in a transaction and commits it; returns what it returned. May call it several times: errors
// with the disposition rerun_unit roll back and run it again, so what it does outside the database must bear repetition
// (or be an after_commit hook, which runs once). Any other exception of the unit rolls back and passes through
// unchanged. A commit with an unknown outcome is never repeated: unknown_outcome passes through. Thread-safe: takes a
// connection of its own, for one attempt at a time. Who lost it also tries again where none is to be had (unavailable).
template <typename Unit>
auto transact(Database& database, const TransactOptions& options, Unit&& unit) {
  using Result = std::invoke_result_t<Unit&, Transaction&>;
  if constexpr (std::is_void_v<Result>) {
    transact_internal::run(database, options, [&](Transaction& transaction) { unit(transaction); });
  } else {
    static_assert(!std::is_reference_v<Result>, "return a value: the transaction is over when transact returns");
    std::optional<Result> result;
    transact_internal::run(database, options, [&](Transaction& transaction) { result.emplace(unit(transaction)); });
    return *std::move(result);
  }
}
template <typename Unit>
auto transact(Database& database, Unit&& unit) {
  return transact(database, TransactOptions{}, std::forward<Unit>(unit));
}

}  // namespace tidelock::sql

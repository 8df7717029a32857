// A connection taken from the pool of a Database.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

#include "tidelock/sql/executor.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::sql {

// Goes back to its Database when destroyed; a transaction that is still open on it is rolled back. What is run on it
// directly is committed by itself. Movable; used by one task at a time (checked where TIDELOCK_CHECKS is on). Keeps the
// pool alive, but not the Runtime and Files below it.
class Connection : public Executor {
 public:
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  // Waits for the write lock where the engine takes one here (SQLite, unless read_only).
  // Errors: unsupported for an isolation level, misuse when a transaction is open, database_locked.
  Transaction begin(const TransactionOptions& options = {});

  // For each statement run from now on, until the connection goes back. Error of the statement: timeout.
  void set_statement_timeout(base::Duration timeout);

  // Valid until this Connection is gone, and harmless afterwards.
  Canceller canceller() const;

  std::uint64_t id() const;  // Unique in its Database; what observers see.

  // The session as its server calls it: the process id of PostgreSQL's backend, MariaDB's connection id. Errors:
  // unsupported (Dialect::session_id; behind a pooler that lends its sessions anew for each transaction).
  std::int64_t session_id() const;

  // Asks the engine for an answer. False when none came until the deadline, or until `stop` was requested: what is left
  // is to give it back. Error: misuse while a transaction or query is on.
  bool is_alive(base::Deadline deadline, const std::stop_token& stop = {});

  // From now on, until the connection goes back, what is told on `channel` comes here. Waits for the server's word
  // until the deadline, for the statement timeout, or until `stop` is requested. Errors: misuse while a transaction is
  // open, unsupported (Dialect::notifications); timeout, cancelled: what is left is to give it back.
  void listen(std::string_view channel, base::Deadline deadline = base::Deadline::never(),
              const std::stop_token& stop = {});
  // The oldest notification that was not taken yet; empty at the deadline, and when `stop` is requested. Something may
  // be told and not arrive (the server restarts): look at the truth as well from time to time.
  // Error: connection_lost.
  std::optional<Notification> wait_for_notification(base::Deadline deadline, const std::stop_token& stop = {});

 private:
  friend class Database;
  Connection(std::shared_ptr<Pool> pool, Link& link);
  void give_back() noexcept;

  std::shared_ptr<Pool> pool_;
};

}  // namespace tidelock::sql

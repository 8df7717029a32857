// A connection taken from the pool of a Database.
#pragma once

#include <cstdint>
#include <memory>

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

 private:
  friend class Database;
  Connection(std::shared_ptr<Pool> pool, Link& link);
  void give_back() noexcept;

  std::shared_ptr<Pool> pool_;
};

}  // namespace tidelock::sql

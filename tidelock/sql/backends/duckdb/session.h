// One connection to a DuckDB database.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/errors.h"
#include "tidelock/sql/backends/duckdb/instance.h"
#include "tidelock/sql/backends/duckdb/interrupter.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::duckdb {

// The engine turns the COMMIT of a transaction in which a statement failed into a rollback and reports success. So the
// session remembers the first failure, refuses what comes after it, and rolls back and throws in commit(). Every failed
// statement counts, also one that the engine could not even plan and would forgive: a transaction either did all that
// it was told or nothing.
class DuckSession final : public Session {
 public:
  DuckSession(base::Runtime& runtime, std::shared_ptr<Instance> instance, std::shared_ptr<Watchdog> watchdog);
  ~DuckSession() override;

  std::unique_ptr<Prepared> prepare(std::string_view sql, base::Deadline deadline) override;
  // As the engine prepares it now; see nested.h.
  StatementHandle plan(const std::string& sql);
  void run_script(std::string_view sql, base::Deadline deadline) override;
  void begin(const BeginOptions& options) override;
  Position commit(bool want_position) override;
  bool transaction_alive() const noexcept override { return !failure_ && healthy_; }
  void rollback() noexcept override;
  [[noreturn]] void savepoint(std::string_view name) override;
  [[noreturn]] void release_savepoint(std::string_view name) override;
  [[noreturn]] void rollback_to_savepoint(std::string_view name) override;
  std::unique_ptr<Bulk> bulk(std::string_view table, std::span<const std::string> columns) override;
  void cancel() noexcept override { interrupter_.interrupt(Interrupter::Reason::cancelled); }
  bool reset() noexcept override;

  // For the statements and bulks of this session.
  const Api& api() const { return instance_->api(); }
  duckdb_connection connection() const { return connection_.get(); }
  Interrupter& interrupter() { return interrupter_; }
  base::Deadline transaction_deadline() const { return deadline_; }
  bool in_transaction() const { return in_transaction_; }
  // Called before the engine is: throws when the transaction is doomed, or another statement's rows are being read.
  void require_usable() const;
  // Runs it as far as the engine does before rows are asked for. A statement must be Running.
  void execute(duckdb_prepared_statement statement, ResultHandle& result);
  // What the engine said, as an error that is remembered while a transaction is open. Takes an interrupt for what the
  // interrupter knows about it. `commits`: the fault came while something was committed.
  Error failed(const Fault& fault, bool commits = false);
  Error failed(ResultHandle& result, bool commits = false);
  // For a statement that was interrupted, whatever the engine says about it.
  Error interrupted();
  // For text that begins or ends a transaction: the session would not know.
  [[noreturn]] static void throw_transaction_text();
  // A streamed result is open on the connection until it is told that there is none.
  void set_streaming(bool streaming) { streaming_ = streaming; }
  // Makes the engine let go of a streamed result that was not read to its end.
  void drop_stream() noexcept;

  // For StatementTransaction.
  void begin_statement();
  void commit_statement();
  void rollback_statement() noexcept;

 private:
  void control(StatementHandle& prepared, const char* sql, bool commits = false);
  void run_one(duckdb_prepared_statement statement);
  Error remembered(Error error);
  void end_transaction() noexcept;
  [[noreturn]] void throw_no_savepoints() const;

  std::shared_ptr<Instance> instance_;
  std::shared_ptr<Watchdog> watchdog_;
  ConnectionHandle connection_;
  Interrupter interrupter_;
  StatementHandle begin_;  // Prepared when first used; planning them each time takes longer than running them.
  StatementHandle begin_read_only_;
  StatementHandle commit_;
  StatementHandle rollback_;

  bool in_transaction_ = false;
  bool in_statement_ = false;                          // In a StatementTransaction.
  base::Deadline deadline_ = base::Deadline::never();  // Of this transaction.
  bool wrote_ = false;                                 // In this transaction.
  std::optional<Error> failure_;                       // The first in this transaction.
  bool streaming_ = false;                             // A streamed result is open.
  bool healthy_ = true;                                // False: to be closed.
  bool changed_session_ = false;  // A setting, a temporary table and the like would be left to the next user.
};

// Whether a plan of it depends on what the tables hold.
bool depends_on_data(duckdb_statement_type type);

// The transaction of one statement, where no other is open. DuckDB makes the plan of a statement without parameters
// once, by what it knows of the data just then (a column has no nulls, its numbers are small), and runs that plan on
// other data later, with wrong results: rows are missed, numbers cut off. So such a statement is planned in the
// transaction that it runs in. One with parameters the engine plans anew by itself, each time that it is run.
class StatementTransaction {
 public:
  explicit StatementTransaction(DuckSession& session) : session_(session), open_(!session.in_transaction()) {
    if (open_) session_.begin_statement();
  }
  ~StatementTransaction() {
    if (open_) session_.rollback_statement();
  }
  StatementTransaction(const StatementTransaction&) = delete;
  StatementTransaction& operator=(const StatementTransaction&) = delete;

  void commit() {
    if (std::exchange(open_, false)) session_.commit_statement();
  }

 private:
  DuckSession& session_;
  bool open_;
};

// A statement runs as long as this lives.
class Running {
 public:
  Running(Interrupter& interrupter, base::Deadline deadline) : interrupter_(interrupter) {
    interrupter_.begin(deadline);
  }
  ~Running() { interrupter_.end(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Interrupter& interrupter_;
};

}  // namespace tidelock::sql::duckdb

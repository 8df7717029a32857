// A connection to the engine as the pool keeps it: the session, its statements, and what runs on it now.
//
// Connections, transactions, statements and rows are thin faces of it. A Link lives as long as its Pool, so that a face
// which was kept too long meets its number here, finds it changed, and reports misuse instead of touching freed memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/sql/driver.h"
#include "tidelock/sql/guard.h"
#include "tidelock/sql/observer.h"
#include "tidelock/sql/statement.h"
#include "tidelock/sql/statement_cache.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::sql {

// Used by one task at a time: the one that has its lease.
class Link {
 public:
  Link(Pool& pool, std::uint64_t id, std::size_t statement_cache);
  ~Link();

  std::uint64_t id() const { return id_; }
  const Pool& pool() const { return pool_; }

  // For the Pool.
  bool is_open() const { return session_ != nullptr; }
  std::uint64_t lease() const { return lease_; }
  void open(base::Deadline deadline, const std::stop_token& stop);
  bool is_passed_over() const noexcept;  // A session refused to write since this one was opened.
  void start_lease(std::uint64_t scope);
  bool end_lease() noexcept;  // Ends what runs and rolls back. False: close it.
  bool has_hung_up() noexcept { return session_->has_hung_up(); }
  bool answers(base::Deadline deadline, const std::stop_token& stop) noexcept {
    return session_->is_alive(deadline, stop);
  }
  void close() noexcept;
  void cancel() noexcept { session_->cancel(); }  // From any task; the Pool sees to it that the session lives.

  // For the faces. `scope` says who asks: only the connection or transaction that is on may.
  // `runs`: at once, so that the guard refuses it before the engine has seen it.
  const std::shared_ptr<CachedStatement>& prepare(std::uint64_t scope, std::string_view sql, bool runs);
  std::int64_t execute(std::uint64_t scope, CachedStatement& statement, const Values& values);
  Rows query(std::uint64_t scope, CachedStatement& statement, const Values& values);
  void script(std::uint64_t scope, std::string_view sql);
  void set_statement_timeout(std::uint64_t scope, base::Duration timeout);

  // What the guard lets pass, until it is set anew or the lease ends.
  Rules allowed() const { return allowed_; }
  void allow(Rules rules) { allowed_ = rules; }

  // Before another task is given the means to cancel().
  void expect_cancel() {
    if (session_ != nullptr) session_->expect_cancel();
  }

  bool next();  // Of the query that runs.
  void finish(std::uint64_t execution) noexcept;

  BulkWriter bulk(std::uint64_t scope, std::string_view table, std::span<const std::string> columns);
  void bulk_append(std::uint64_t execution, const Values& row);
  std::int64_t bulk_finish(std::uint64_t execution);
  void bulk_drop(std::uint64_t execution) noexcept;

  std::uint64_t begin(std::uint64_t scope, const TransactionOptions& options);  // The scope of the transaction.
  Position commit(std::uint64_t scope, bool want_position);
  void prepare_commit(std::uint64_t scope);
  void rollback(std::uint64_t scope) noexcept;
  bool is_on(std::uint64_t scope) const { return scope == scope_; }
  void pass_over() noexcept;  // This session, and those that were opened before; see Pool.

  // What servers have. The three without a scope are for a Database with a connection of its own.
  Position commit_prepared(std::string_view xid);
  void rollback_prepared(std::string_view xid);
  std::vector<PreparedTransaction> prepared_transactions();
  std::int64_t session_id();
  bool is_alive(std::uint64_t scope, base::Deadline deadline, const std::stop_token& stop);
  void listen(std::uint64_t scope, std::string_view channel, base::Deadline deadline, const std::stop_token& stop);
  std::optional<Notification> wait_for_notification(std::uint64_t scope, base::Deadline deadline,
                                                    const std::stop_token& stop);

  bool has_savepoint() const { return savepoints_ > 0; }
  std::size_t savepoint(std::uint64_t scope);  // Its depth.
  void release_savepoint(std::uint64_t scope, std::size_t depth);
  void rollback_to_savepoint(std::uint64_t scope, std::size_t depth);
  void drop_savepoint(std::uint64_t scope, std::size_t depth) noexcept;

 private:
  friend class HookMeter;  // Measures the observer's hook, in bench/spy.cc.
  class Use;               // Catches two tasks in here at once.
  class Observation;       // One event for the observer.
  struct CancelOnStop {
    Link* link;
    std::uint64_t lease;
    void operator()() const noexcept;
  };

  bool in_transaction() const { return scope_ != lease_; }
  std::uint64_t transaction_id() const { return in_transaction() ? scope_ : 0; }
  void check(std::uint64_t scope) const {
    if (scope != scope_ || cursor_.execution != 0) [[unlikely]]
      throw_misuse(scope);
  }
  void check_depth(std::uint64_t scope, std::size_t depth) const;
  void check_alive() const;  // Error: why the transaction is doomed; cancelled on a requested stop.
  [[noreturn]] void throw_misuse(std::uint64_t scope) const;
  [[noreturn]] void throw_over() const;
  base::Deadline statement_deadline() const;

  const std::shared_ptr<CachedStatement>& prepare_new(std::string_view sql, bool runs);
  void start(CachedStatement& statement, const Values& values);
  void check_allowed(std::span<const Danger> dangers, std::string_view sql) const;
  // The hook of a statement: its two ends.
  void observe_cursor(Category category, std::string_view sql, const Values& values);
  void end_observation(const Error* error) noexcept;
  void report_refused(Category category, std::string_view sql, const Error& error);
  void failed(const Error* error) noexcept;      // Of what the cursor runs.
  void heed(const Error& error) noexcept;        // What it says about the server: see Pool::pass_over().
  void doom(Error reason) noexcept;              // The transaction can only be rolled back.
  void doom_after(const Error& error) noexcept;  // Where this error does that.
  void end_cursor(const Error* error = nullptr) noexcept;
  void drop_running() noexcept;                   // As end_cursor(); bulk writing has failed by that.
  void require_committable(std::uint64_t scope);  // Rolls back, and throws, when it cannot be.
  void end_transaction() noexcept;
  void spend() noexcept;  // Closes the session before its time: nothing more can be done on this connection.
  template <typename Body>
  auto observed(Category category, std::uint64_t transaction, std::string_view sql, Body&& body);

  Pool& pool_;
  const std::uint64_t id_;
  std::unique_ptr<Session> session_;
  StatementCache statements_;

  std::uint64_t lease_ = 0;       // The scope of the Connection that has it; 0: idle.
  std::uint64_t scope_ = 0;       // Who may run statements: lease_, or the transaction on it.
  bool broken_ = false;           // The session is of no further use.
  bool is_refused_ = false;       // Its server is the wrong one.
  std::uint64_t generation_ = 0;  // Of the session; see Pool::pass_over().
  base::Duration statement_timeout_ = kNoTimeout;
  Rules allowed_;

  Cursor cursor_;
  std::uint64_t last_execution_ = 0;
  std::string_view running_;  // Its text, while cursor_ runs.
  std::int64_t rows_ = 0;     // Read or appended by it.
  std::unique_ptr<Observation>
      observation_;  // Of what the cursor runs; made when first there is an observer, and kept.

  std::unique_ptr<Bulk> bulk_;
  std::string bulk_text_;
  std::size_t bulk_columns_ = 0;
  bool bulk_owns_transaction_ = false;
  std::optional<Error> bulk_failure_;  // The first thing that went wrong with it.

  base::Deadline transaction_deadline_ = base::Deadline::never();
  bool has_xid_ = false;
  bool reads_only_ = false;  // The transaction.
  std::stop_token stop_;
  std::optional<std::stop_callback<CancelOnStop>> on_stop_;
  std::size_t savepoints_ = 0;    // How many are open.
  std::optional<Error> doomed_;   // Why the transaction can only be rolled back.
  std::size_t doomed_depth_ = 0;  // Savepoints that were open then.

#if TIDELOCK_CHECKS
  std::atomic<std::uint64_t> user_ = 0;  // The task in here, plus 1.
#endif
};

}  // namespace tidelock::sql

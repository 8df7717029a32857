// What an engine must provide. Implemented in backends/, called only by this room: users see Database.
//
// An engine throws tidelock::Error with a code from its own error table and keeps no policy: pooling, retries,
// observers, placeholders and the checks of use are done once, above.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/dialect.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql {

struct BeginOptions {
  std::optional<Isolation> isolation{};  // Always one that the dialect has; empty: its default.
  bool read_only = false;
  base::Deadline deadline = base::Deadline::never();  // Of the whole transaction, the wait for its lock included.
  // What cancel() is called for. Every statement of the transaction looks at it once it can be cancelled: a request
  // that came a moment before then is not lost.
  std::stop_token stop{};
  std::optional<base::Duration> lock_timeout{};  // Empty: DatabaseOptions::busy_timeout.
  std::string xid{};                             // Empty: none. Only where Dialect::two_phase is declared.
};

// A statement prepared on one Session, and the cursor over its current execution. Used by one task at a time.
class Prepared {
 public:
  virtual ~Prepared() = default;

  virtual std::size_t parameter_count() const = 0;
  virtual std::size_t column_count() const = 0;  // 0 for a statement that returns no rows.
  virtual std::string_view column_name(std::size_t column) const = 0;

  // Binds and starts. The values need to live only for this call. A statement without rows has run when it returns.
  virtual void start(std::span<const ValueView> values, base::Deadline deadline) = 0;
  // Moves to the next row; false at the end. Rows are fetched as they are asked for; all at once only those of a
  // write that commits itself, where it may still fail behind the last of them.
  virtual bool next() = 0;
  // Of the current row; valid until the next call on this object.
  virtual ValueView value(std::size_t column) = 0;
  // Rows inserted, updated or deleted by the execution.
  virtual std::int64_t changes() const = 0;
  // Ends the execution, whether read to the end or not; never throws. Ready for another start().
  virtual void finish() noexcept = 0;
};

// Rows go to one table by the engine's fastest way, inside the current transaction.
class Bulk {
 public:
  virtual ~Bulk() = default;
  virtual void append(std::span<const ValueView> row) = 0;
  // Everything appended is in the table (and in the transaction). Without it the rest is dropped.
  virtual void finish() = 0;
};

// One connection to an engine. Used by one task at a time, except cancel().
class Session {
 public:
  virtual ~Session() = default;

  // One statement, with the engine's own placeholders. An engine that may have to wait for that, as for another's lock,
  // does so until the deadline. Errors: statement_invalid, also for several statements; timeout.
  virtual std::unique_ptr<Prepared> prepare(std::string_view sql, base::Deadline deadline) = 0;
  // Several statements separated by ';', no parameters, no rows. For schemas and scripts.
  virtual void run_script(std::string_view sql, base::Deadline deadline) = 0;

  virtual void begin(const BeginOptions& options) = 0;
  // May return an empty position when it is not wanted. Error: unknown_outcome when the answer did not come; anything
  // else means that it was rolled back.
  virtual Position commit(bool want_position) = 0;
  // Asked after a failed statement: false when the error ended the transaction by itself, so that only rollback() is
  // left.
  virtual bool transaction_alive() const noexcept { return true; }
  // Asked after Prepared::finish() in a transaction: what the statement failed with while rows that nobody had read
  // were dropped, once. Empty: nothing, or this engine makes a row only when it is asked for it.
  virtual std::optional<Error> take_unread_failure() noexcept { return std::nullopt; }
  // Never throws: a session that cannot roll back becomes unhealthy and is closed.
  virtual void rollback() noexcept = 0;
  virtual void savepoint(std::string_view name) = 0;
  virtual void release_savepoint(std::string_view name) = 0;
  virtual void rollback_to_savepoint(std::string_view name) = 0;
  // `table`: as a statement takes it, each part of the name in quotes.
  virtual std::unique_ptr<Bulk> bulk(std::string_view table, std::span<const std::string> columns) = 0;

  // Makes the statement that runs now fail with Code::cancelled; does nothing when none runs. From any task, behind an
  // expect_cancel().
  virtual void cancel() noexcept = 0;
  // From here on cancel() may be called: a wait that nobody can end has less to look at. Errors: those of the system.
  virtual void expect_cancel() {}

  // What a session can leak to its next user is reset. False: close it, open another.
  virtual bool reset() noexcept = 0;

  // Without asking the engine: its other end has gone. Called by who has the session, between two statements.
  virtual bool has_hung_up() noexcept { return false; }
  // Asks the engine and waits for its answer. False when none came until the deadline, or until `stop` was requested:
  // then the session is of no use, as somebody's answer may still come.
  virtual bool is_alive(base::Deadline, const std::stop_token& /*stop*/) noexcept { return true; }

  // The rest is called only where the Dialect declares it; the defaults throw `internal`.

  // Dialect::two_phase. Ends the transaction as prepared. Errors as of commit(): it may have been prepared, or was
  // rolled back.
  virtual void prepare_commit();
  // Errors: not_found when the server has none by that name, unknown_outcome.
  virtual Position commit_prepared(std::string_view xid, base::Deadline deadline);
  virtual void rollback_prepared(std::string_view xid, base::Deadline deadline);
  virtual std::vector<PreparedTransaction> prepared_transactions(base::Deadline deadline);

  // Dialect::session_id. Error: unsupported when something between here and the server lends its sessions anew for
  // each transaction.
  virtual std::int64_t session_id();

  // Dialect::notifications. Errors as above; timeout and cancelled, after which the session is of no use.
  virtual void listen(std::string_view channel, base::Deadline deadline, const std::stop_token& stop);
  // Empty at the deadline, and when `stop` is requested.
  virtual std::optional<Notification> wait_for_notification(base::Deadline deadline, const std::stop_token& stop);
};

// What a procedure or a block of code failed with outside a transaction, as the caller meets it: it may have committed
// a part of its work by then, so that what else could be done again has an unknown outcome.
Error failed_in_parts(const Error& error);

// Opens sessions to one database. Thread-safe.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual const Dialect& dialect() const = 0;
  // Errors: those of the engine; timeout, cancelled when `stop` is requested meanwhile.
  virtual std::unique_ptr<Session> open(base::Deadline deadline, const std::stop_token& stop) = 0;
};

}  // namespace tidelock::sql

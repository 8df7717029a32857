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
  // Moves to the next row; false at the end. Rows are fetched as they are asked for, never all at once.
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

  // One statement, with the engine's own placeholders. Errors: statement_invalid, also for several statements.
  virtual std::unique_ptr<Prepared> prepare(std::string_view sql) = 0;
  // Several statements separated by ';', no parameters, no rows. For schemas and scripts.
  virtual void run_script(std::string_view sql, base::Deadline deadline) = 0;

  virtual void begin(const BeginOptions& options) = 0;
  // Error: unknown_outcome when the answer did not come; anything else means that it was rolled back.
  virtual Position commit() = 0;
  // Asked after a failed statement: false when the error ended the transaction by itself, so that only rollback() is
  // left.
  virtual bool transaction_alive() const noexcept { return true; }
  // Never throws: a session that cannot roll back becomes unhealthy and is closed.
  virtual void rollback() noexcept = 0;
  virtual void savepoint(std::string_view name) = 0;
  virtual void release_savepoint(std::string_view name) = 0;
  virtual void rollback_to_savepoint(std::string_view name) = 0;

  virtual std::unique_ptr<Bulk> bulk(std::string_view table, std::span<const std::string> columns) = 0;

  // Makes the statement that runs now fail with Code::cancelled; does nothing when none runs. From any task.
  virtual void cancel() noexcept = 0;

  // What a session can leak to its next user is reset. False: close it, open another.
  virtual bool reset() noexcept = 0;
};

// Opens sessions to one database. Thread-safe.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual const Dialect& dialect() const = 0;
  virtual std::unique_ptr<Session> open(base::Deadline deadline) = 0;
};

}  // namespace tidelock::sql

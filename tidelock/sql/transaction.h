// Transactions and savepoints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/sql/executor.h"

namespace tidelock::sql {

// For statements and transactions that may take as long as they take.
inline constexpr base::Duration kNoTimeout = base::Duration::max();

inline constexpr std::size_t kXidBytesMost = 64;  // What every engine with a commit in two phases takes.

struct TransactionOptions {
  std::optional<Isolation> isolation{};  // Empty: the engine's default. A level it lacks is refused as unsupported.
  bool read_only = false;                // Writes are refused as read_only; readers never wait for writers.
  base::Duration timeout = kNoTimeout;   // Of the whole, from begin; a statement that runs then fails with timeout.
  std::stop_token stop{};                // Statements fail with cancelled once it is requested, also one that runs.
  // How long a statement waits for what another transaction holds before it fails with database_locked; empty:
  // DatabaseOptions::busy_timeout. Error: unsupported where the engine has no such wait (Dialect::lock_timeout).
  std::optional<base::Duration> lock_timeout{};
  // The name under which prepare_commit() will leave it: 1 to 64 letters, digits and . _ : - which no other transaction
  // of the server has. Errors: unsupported (Dialect::two_phase), already_exists.
  std::string xid{};
};

class Transaction;

// A part of a transaction that can be taken back. Nests; the inner ones end with the outer one. Destroying it rolls
// back to it unless it was released. Made by Transaction::savepoint(); must not outlive its Transaction.
class Savepoint {
 public:
  Savepoint(Savepoint&& other) noexcept;
  Savepoint& operator=(Savepoint&&) = delete;
  ~Savepoint();

  // Keeps what was done since. Errors: misuse after its end; those of the engine, after which the transaction goes on
  // or not as after any statement that failed.
  void release();
  // Takes it back, and ends the savepoint. When it fails, what was to be taken back may still be there: the transaction
  // can only be rolled back, to another try of this, a savepoint around it, or its beginning.
  void rollback();

 private:
  friend class Transaction;
  Savepoint(Link& link, std::uint64_t scope, std::size_t depth) : link_(&link), scope_(scope), depth_(depth) {}

  Link* link_;  // Null once over.
  std::uint64_t scope_;
  std::size_t depth_;  // 1 for the outermost.
};

// Everything run on it happens or nothing does. Rolls back in its destructor unless committed. While it is open its
// Connection runs nothing itself (Error: misuse). Used by one task at a time.
//
// After an error of the disposition rerun_unit the transaction is gone in the engine: only rolling back is left, and
// transact() does that and starts over. On engines with Dialect::poisoned_by_error every error is like that.
class Transaction : public Executor {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // The transaction is over, whatever this throws. Where the commit stands: see Dialect::position_note.
  // Errors: unknown_outcome when it may or may not have been committed; anything else means that it was rolled back.
  Position commit();
  // The same for those who do not ask: finding it out costs a statement on some engines.
  void commit_without_position();
  // The first phase of a commit in two: all of it is on disk under its xid, and it holds its locks until
  // Database::commit_prepared() or rollback_prepared(), called from anywhere, also after a restart of the server. The
  // transaction is over here, whatever this throws; its hooks never run. Where Dialect::prepare_ends_connection, its
  // Connection can only be given back. Errors: misuse when it was begun without an xid; unknown_outcome when it may or
  // may not be prepared (Database::prepared_transactions() tells); anything else means that it was rolled back.
  void prepare_commit();
  // Never throws; does nothing after the end.
  void rollback() noexcept;

  // Runs `hook` in commit(), once it is certain that the transaction is committed, in the order of adding. Never after
  // an unknown outcome. A hook must not use this transaction; its connection is free. A std::exception of a hook
  // changes nothing: it goes to Observer::on_hook_error, or to stderr where nobody observes; the next hook runs.
  void after_commit(std::function<void()> hook);

  // Error: unsupported where the engine has none (Dialect::savepoints_note).
  Savepoint savepoint();

  bool is_open() const;  // Neither committed nor rolled back by a call here.
  bool is_read_only() const { return is_read_only_; }
  bool has_savepoint() const;  // One is open: what is done now may be taken back, and the rest committed.
  std::uint64_t id() const { return scope_; }  // Unique in its Database; what observers see.

 private:
  friend class Connection;
  Transaction(Link& link, std::uint64_t scope, bool is_read_only)
      : Executor(&link, scope), is_read_only_(is_read_only) {}

  Position commit(bool want_position);

  bool is_read_only_;
  std::vector<std::function<void()>> hooks_;
};

}  // namespace tidelock::sql

// One connection to a MariaDB server as the pool keeps it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/sql/backends/mariadb/settings.h"
#include "tidelock/sql/backends/mariadb/wire.h"
#include "tidelock/sql/backends/mariadb/words.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::mariadb {

// What nobody gave a deadline: resetting, rolling back, planning.
inline constexpr base::Duration kHouseworkWithin = std::chrono::seconds(15);

// What the server said of itself when the session was set up.
struct ServerFacts {
  std::string version;           // "10.11.19-MariaDB"
  std::uint64_t session_id = 0;  // Behind a pooler it is not the number of the greeting.
  std::size_t max_allowed_packet = 0;
  std::optional<std::string> database;     // That is chosen.
  std::optional<std::string> role;         // That is on.
  bool has_binlog = false;                 // Without one there are no positions.
  bool rollback_on_timeout = false;        // A lock wait that times out takes the whole transaction back.
  bool read_only = false;                  // A replica, or a primary that is being retired.
  std::optional<bool> snapshot_isolation;  // innodb_snapshot_isolation; empty: the server is too old for it.
};

Lexis lexis_of(const Settings& settings);

class MariadbSession final : public Session {
 public:
  // Connects, and makes the session what docs/engines/mariadb.md says. Borrows both.
  MariadbSession(base::Runtime& runtime, const Settings& settings, base::Deadline deadline,
                 const std::stop_token& stop = {});

  std::unique_ptr<Prepared> prepare(std::string_view sql, base::Deadline deadline) override;
  void run_script(std::string_view sql, base::Deadline deadline) override;
  void begin(const BeginOptions& options) override;
  Position commit(bool want_position) override;
  bool transaction_alive() const noexcept override { return !begun_ || !ended_; }
  void rollback() noexcept override;
  void savepoint(std::string_view name) override;
  void release_savepoint(std::string_view name) override;
  void rollback_to_savepoint(std::string_view name) override;
  std::unique_ptr<Bulk> bulk(std::string_view table, std::span<const std::string> columns) override;
  void cancel() noexcept override { wire_.stop(); }
  void expect_cancel() override { wire_.expect_stop(); }
  bool reset() noexcept override;
  bool has_hung_up() noexcept override { return wire_.has_hung_up(); }
  bool is_alive(base::Deadline deadline, const std::stop_token& stop) noexcept override;
  void prepare_commit() override;
  Position commit_prepared(std::string_view xid, base::Deadline deadline) override;
  void rollback_prepared(std::string_view xid, base::Deadline deadline) override;
  std::vector<PreparedTransaction> prepared_transactions(base::Deadline deadline) override;
  std::int64_t session_id() override;

  // For its statements.
  Wire& wire() { return wire_; }
  const ServerFacts& facts() const { return facts_; }
  const Lexis& lexis() const { return lexis_; }
  std::uint64_t generation() const { return generation_; }  // The server forgot the statements of an earlier one.
  base::Deadline transaction_deadline() const { return deadline_; }
  // How long the server may take to plan a statement, which may wait for somebody who changes the table.
  base::Deadline planning_deadline() const;
  // Text is read here by the sql_mode and character set that the session began with. Error: unsupported, when it has
  // others by now, in which this text may mean something else.
  void check_reading(std::string_view sql);
  // Before and after what the statement sends. Errors: read_only, unsupported, timeout; what ended the transaction.
  void begin_statement(const StatementKind& kind, std::string_view sql, base::Deadline deadline);
  void end_statement() noexcept;  // Takes a kill that came a moment too late.
  // A statement went well. Error: misuse when it ended the transaction, or began one.
  void check_ended(const StatementKind& kind, std::string_view sql);
  // What is thrown for a statement that failed, once it is known what it means for the transaction.
  Error failure(const StatementKind& kind, unsigned number, std::string_view message, std::string_view about);
  // The same of one that nobody waits for any more, so that nothing can be thrown: a transaction whose write failed
  // unheard is not committed.
  void keep_failure(const StatementKind& kind, const Error& error) noexcept;
  // It is there to write, outside of a transaction.
  bool writes_alone(const StatementKind& kind) const { return !begun_ && !kind.reads; }
  // The statement was made to end, and this is why.
  Error interruption(std::string_view about) const;
  // Of values, that the server takes at a time.
  std::size_t value_bytes_most() const;
  // Error: too_large for more.
  void check_size(std::size_t bytes) const;

 private:
  void set_up(base::Deadline deadline, const std::stop_token& stop);
  std::string set_up_text() const;
  void check_allowed(const StatementKind& kind, std::string_view sql) const;
  // Behind a pooler: refuses what would stay in a session that is somebody else's next.
  void require_own_session(std::string_view what) const;
  void check_alive() const;  // Error: what ended the transaction.
  void restore_settings();
  void forget_settings() noexcept;  // Which of them the session has now is unknown.
  bool commits_by_itself() const;   // What is run outside of a transaction.
  void note_traces() noexcept;
  bool take_back() noexcept;  // What a statement outside of a transaction has begun. False: it has begun nothing.
  std::string begin_text(const BeginOptions& options);
  // Error: connection_lost where the server has hung up, so that what was not sent yet is known not to be applied.
  void require_connected(std::string_view about);
  // Runs it as a part of a transaction that is not to be interrupted.
  void control(const std::string& sql, base::Deadline deadline);
  Position finish_commit(const std::string& sql, std::string_view what, base::Deadline deadline);
  void end_transaction() noexcept;
  bool run_quietly(const std::string& sql) noexcept;
  bool is_still_in_transaction() noexcept;
  std::string xa_name(std::string_view xid) const;
  bool end_prepared(const std::string& sql, std::string_view xid, base::Deadline deadline);

  base::Runtime& runtime_;
  const Settings& settings_;
  const Lexis lexis_;
  Wire wire_;
  ServerFacts facts_;
  bool pooled_ = false;  // A pooler lends its sessions anew for each transaction.
  std::uint64_t generation_ = 1;
  std::int64_t lock_seconds_ = 0;           // As the session has it now; -1: unknown.
  std::optional<bool> snapshot_isolation_;  // The same; empty: unknown.
  bool may_be_lifted_ = false;              // mode=ro, by something inside of what ran.

  bool begun_ = false;
  bool reads_only_ = false;
  std::optional<Error> ended_;  // Why the transaction can only be rolled back: the server has done so, or will.
  std::string xid_;
  base::Deadline deadline_ = base::Deadline::never();
  bool traces_ = false;  // Something may be left in the session for its next user.
};

}  // namespace tidelock::sql::mariadb

// One connection to an SQLite database, in WAL mode unless it may only read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tidelock/sql/backends/sqlite/handle.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::sqlite {

inline constexpr Lexis kLexis{.backtick_identifiers = true,
                              .bracket_identifiers = true,
                              .byte_order_mark_is_space = true,
                              .named_parameters = true,
                              .trigger_bodies = true};

class SqliteSession final : public Session {
 public:
  // `place` must outlive it. Errors: what a user can get wrong about a file, each with the path and what to do.
  SqliteSession(const Place& place, base::Deadline deadline);
  ~SqliteSession() override;

  std::unique_ptr<Prepared> prepare(std::string_view sql, base::Deadline deadline) override;
  void run_script(std::string_view sql, base::Deadline deadline) override;
  void begin(const BeginOptions& options) override;
  Position commit(bool want_position) override;
  bool transaction_alive() const noexcept override { return !begun_ || handle_.in_transaction(); }
  void rollback() noexcept override;
  void savepoint(std::string_view name) override;
  void release_savepoint(std::string_view name) override;
  void rollback_to_savepoint(std::string_view name) override;
  std::unique_ptr<Bulk> bulk(std::string_view table, std::span<const std::string> columns) override;
  void cancel() noexcept override { handle_.cancel(); }
  bool reset() noexcept override;

  // For its statements.
  Handle& handle() { return handle_; }
  bool begun() const { return begun_; }
  // Error: read_only inside a read-only transaction.
  void check_may_write(std::string_view sql) const;
  // After a statement that committed itself.
  void checkpoint() noexcept;

 private:
  void open_log();
  std::optional<std::uint64_t> log_inode() const;
  bool log_is_replaced() const noexcept;
  void end_transaction() noexcept;
  void run_to_end(sqlite3_stmt* statement, bool commits);
  Position position();

  Handle handle_;
  // Prepared once. The last one is stepped to its only row to hold a snapshot, see commit().
  StatementHandle begin_immediate_, begin_deferred_, commit_, rollback_, snapshot_;
  bool write_ahead_ = false;                // The database is in WAL mode.
  std::optional<std::uint64_t> log_inode_;  // Of the log that is open.
  bool begun_ = false;
  bool reads_only_ = false;                            // The transaction that is begun.
  base::Deadline deadline_ = base::Deadline::never();  // Of the transaction.
  bool healthy_ = true;
};

}  // namespace tidelock::sql::sqlite

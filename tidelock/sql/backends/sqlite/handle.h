// An open SQLite connection, and all that can happen inside a call of it: waiting for locks through the Runtime,
// deadlines, cancelling, and exceptions of what it calls, which must not pass through C.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/sql/backends/sqlite/place.h"

namespace tidelock::sql::sqlite {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, Finalize>;

// Used by one task at a time, except cancel().
class Handle {
 public:
  // Opens the file; makes it where that is allowed. Nothing is left open when it throws.
  Handle(const Place& place, base::Deadline deadline);
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  sqlite3* get() const { return db_; }
  const Place& place() const { return place_; }

  // Before a statement is run: its time counts from here.
  void start(base::Deadline deadline) {
    deadline_ = deadline;
    if (stop_.stop_possible()) [[unlikely]] {
      look_at_stop();
    } else {
      cancelled_.store(false, std::memory_order_relaxed);
    }
    if (!deadline.is_never() || stop_.stop_possible() || watched_) [[unlikely]]
      watch();
    busy_until_ = base::Instant::min();
  }
  // SQLITE_ROW or SQLITE_DONE; anything else is thrown.
  int step(sqlite3_stmt* statement) {
    const int result = sqlite3_step(statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE) [[unlikely]]
      fail(result, sqlite3_sql(statement));
    return result;
  }
  // The same without throwing for a result; throws what a callback threw.
  int try_step(sqlite3_stmt* statement);
  // One statement; null when the text has none. `rest` is what follows it.
  StatementHandle prepare(std::string_view sql, unsigned flags, std::string_view* rest = nullptr);
  // Runs one statement without values, to its end.
  void run(std::string_view sql);
  // Throws the error of the last call; `sql`: the statement, where there is one.
  [[noreturn]] void fail(int result, std::string_view sql);
  Error error(int result, std::string_view sql);
  // Of a commit, or of a statement that commits itself: unknown_outcome where it may have been applied.
  Error error_of_commit(int result, std::string_view sql);
  // After SQLITE_BUSY: waits a little. False: the time for that is over, or it was cancelled.
  bool wait_for_lock();
  // Throws what a callback threw meanwhile.
  void check_pending();

  // From any task.
  void cancel() noexcept;
  // What cancel() will be called for: each start() looks whether it was requested before.
  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }
  // How long to wait for a lock; empty: as the place says, or its user by a pragma.
  void set_patience(std::optional<base::Duration> patience) { patience_ = patience; }

  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

  // From here on statements are looked at for what would stay with the connection, and `busy_timeout` and
  // `wal_autocheckpoint`, which would put SQLite's own handlers in the place of ours, are pragmas of ours.
  void watch_user();
  // A setting, a temporary table, another database: something that whoever uses the connection next would find.
  bool was_changed() const { return changed_; }

  // The frames in the write-ahead log from which on a commit copies it into the database file.
  std::uint32_t checkpoint_frames() const { return checkpoint_frames_; }
  // The frames of the write-ahead log after the last commit that wrote any.
  std::uint32_t committed_frames() const { return committed_frames_; }
  void forget_committed_frames() { committed_frames_ = 0; }

 private:
  int authorize(int action, const char* first, const char* second, const char* schema) noexcept;
  void watch();
  void look_at_stop();
  bool wait_for_lock(int attempt) noexcept;
  bool stop_now();

  const Place& place_;
  sqlite3* db_ = nullptr;
  bool changed_ = false;
  std::uint32_t committed_frames_ = 0;
  std::uint32_t checkpoint_frames_ = 1000;  // As SQLite's own default.
  std::unique_ptr<base::Signal> wake_;
  std::atomic<bool> cancelled_ = false;
  std::stop_token stop_;
  base::Duration busy_timeout_;
  std::optional<base::Duration> patience_;
  bool watched_ = false;  // The progress handler is installed.
  bool timed_out_ = false;
  base::Deadline deadline_ = base::Deadline::never();
  base::Instant busy_until_ = base::Instant::min();  // Not waiting yet: min().
  std::exception_ptr pending_;                       // What a callback threw.
};

}  // namespace tidelock::sql::sqlite

#include "tidelock/sql/backends/sqlite/session.h"

#include <array>
#include <string>
#include <utility>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/sqlite/errors.h"
#include "tidelock/sql/backends/sqlite/prepared.h"
#include "tidelock/sql/placeholders.h"

namespace tidelock::sql::sqlite {
namespace {

std::uint32_t big_endian(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

// Resets a statement at the end of a block. What that could report was reported by its last step.
class Reset {
 public:
  explicit Reset(const StatementHandle& statement) : statement_(statement.get()) {}
  ~Reset() { sqlite3_reset(statement_); }
  Reset(const Reset&) = delete;
  Reset& operator=(const Reset&) = delete;

 private:
  sqlite3_stmt* statement_;
};

// Rows go through one prepared insert.
class SqliteBulk final : public Bulk {
 public:
  SqliteBulk(SqliteSession& session, std::string_view insert, base::Deadline deadline)
      : insert_(session, insert), deadline_(deadline) {}

  void append(std::span<const ValueView> row) override {
    struct Finish {
      SqlitePrepared& insert;
      ~Finish() { insert.finish(); }
    } finish{insert_};
    insert_.start(row, deadline_);
  }
  void finish() override {}

 private:
  SqlitePrepared insert_;
  base::Deadline deadline_;
};

std::string quoted_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

}  // namespace

SqliteSession::SqliteSession(const Place& place, base::Deadline deadline) : handle_(place, deadline) {
  open_log();
  handle_.watch_user();
  begin_immediate_ = handle_.prepare("begin immediate", SQLITE_PREPARE_PERSISTENT);
  begin_deferred_ = handle_.prepare("begin", SQLITE_PREPARE_PERSISTENT);
  commit_ = handle_.prepare("commit", SQLITE_PREPARE_PERSISTENT);
  rollback_ = handle_.prepare("rollback", SQLITE_PREPARE_PERSISTENT);
  snapshot_ = handle_.prepare("select exists(select 1 from sqlite_schema)", SQLITE_PREPARE_PERSISTENT);
}

// The last one to close a database copies the log into it. Not a log that somebody deleted meanwhile: others went on
// without it, and its pages are older than theirs.
SqliteSession::~SqliteSession() {
  if (log_is_replaced()) sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

std::optional<std::uint64_t> SqliteSession::log_inode() const {
  const auto info = handle_.place().files.info(handle_.place().path + "-wal");
  return info ? std::optional(info->inode) : std::nullopt;
}

bool SqliteSession::log_is_replaced() const noexcept {
  if (!log_inode_) return false;
  try {
    return log_inode() != log_inode_;
  } catch (...) {  // Nothing can be said of it now.
    return false;
  }
}

// Reads the header, which finds out whether this is a database at all, and the schema.
void SqliteSession::open_log() {
  const auto mode_after = [&](std::string_view pragma) {
    const auto statement = handle_.prepare(pragma, 0);
    for (;;) {
      const int result = handle_.try_step(statement.get());
      if (result == SQLITE_ROW) break;
      if ((result & 0xff) != SQLITE_BUSY || !handle_.wait_for_lock()) handle_.fail(result, {});
      sqlite3_reset(statement.get());
    }
    return std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0)));
  };
  auto mode = mode_after("pragma journal_mode");
  if (mode != "wal" && !handle_.place().read_only) {
    mode = mode_after("pragma journal_mode = wal");
    if (mode != "wal") {
      throw Error(Code::unsupported, "no write-ahead log is possible for " + handle_.place().path +
                                         ", whose journal mode stays " + mode +
                                         ": put it on a local disk, where processes can share memory");
    }
  }
  write_ahead_ = mode == "wal";
  handle_.run("pragma synchronous = " + handle_.place().synchronous);
  handle_.run("select 1 from sqlite_schema limit 1");
  if (write_ahead_ && !handle_.place().immutable) log_inode_ = log_inode();
}

std::unique_ptr<Prepared> SqliteSession::prepare(std::string_view sql, base::Deadline) {
  return std::make_unique<SqlitePrepared>(*this, sql);
}

void SqliteSession::check_may_write(std::string_view sql) const {
  if (!begun_ || !reads_only_) return;
  throw Error(Code::read_only, "the transaction may only read: " + base::quoted(sql));
}

void SqliteSession::run_script(std::string_view sql, base::Deadline deadline) {
  handle_.start(deadline);
  try {
    while (!sql.empty()) {
      const auto statement = handle_.prepare(sql, 0, &sql);
      if (statement == nullptr) continue;
      const std::string_view text = sqlite3_sql(statement.get());
      if (begun_ && controls_transactions(rewrite_placeholders(text, kLexis).first_word)) {
        throw Error(Code::misuse, "a script inside a transaction must not begin or end one: " + base::quoted(text));
      }
      if (sqlite3_bind_parameter_count(statement.get()) > 0) {  // SQLite would take null for each.
        throw Error(
            Code::statement_invalid,
            "a script has no values for parameters; run this by itself, with its values: " + base::quoted(text));
      }
      const bool writes = sqlite3_stmt_readonly(statement.get()) == 0;
      if (writes) check_may_write(text);
      run_to_end(statement.get(), !begun_ && (writes || handle_.in_transaction()));
    }
    if (!begun_ && handle_.in_transaction()) {
      throw Error(Code::misuse, "the script began a transaction and did not end it; it was rolled back");
    }
  } catch (...) {
    if (!begun_) rollback();
    throw;
  }
  checkpoint();
}

// `commits`: what fails may have been applied all the same.
void SqliteSession::run_to_end(sqlite3_stmt* statement, bool commits) {
  int result = SQLITE_ROW;
  while (result == SQLITE_ROW) result = handle_.try_step(statement);
  if (result == SQLITE_DONE) return;
  const char* const text = sqlite3_sql(statement);
  throw commits ? handle_.error_of_commit(result, text) : handle_.error(result, text);
}

void SqliteSession::begin(const BeginOptions& options) {
  const bool reads_only = options.read_only || handle_.place().read_only;
  const auto& statement = reads_only ? begin_deferred_ : begin_immediate_;
  const Reset reset(statement);
  handle_.set_stop(options.stop);
  handle_.set_patience(options.lock_timeout);
  try {
    handle_.start(options.deadline);
    handle_.step(statement.get());
  } catch (...) {
    handle_.set_stop({});
    handle_.set_patience({});
    throw;
  }
  begun_ = true;
  reads_only_ = reads_only;
  deadline_ = options.deadline;
}

void SqliteSession::end_transaction() noexcept {
  begun_ = false;
  reads_only_ = false;
  deadline_ = base::Deadline::never();
  handle_.set_stop({});
  handle_.set_patience({});
}

// The log cannot begin anew as long as a snapshot reads it, so one is held from before the commit until its salts are
// read: frame and salts belong together. Busy is no outcome: nothing was applied, and the commit is repeated.
Position SqliteSession::commit(bool want_position) {
  Position position;
  {
    const Reset reset_commit(commit_);
    const Reset reset_snapshot(snapshot_);
    handle_.set_stop({});  // A commit that was asked for is seen through.
    handle_.start(base::Deadline::never());
    handle_.forget_committed_frames();
    const bool held = want_position && write_ahead_ && !reads_only_ && handle_.try_step(snapshot_.get()) == SQLITE_ROW;
    int result = handle_.try_step(commit_.get());
    while ((result & 0xff) == SQLITE_BUSY && handle_.wait_for_lock()) {
      sqlite3_reset(commit_.get());
      result = handle_.try_step(commit_.get());
    }
    if (result != SQLITE_DONE) {
      auto error = handle_.error_of_commit(result, "commit");
      sqlite3_reset(commit_.get());
      sqlite3_reset(snapshot_.get());
      rollback();
      throw error;
    }
    if (held && handle_.committed_frames() != 0) position = this->position();
  }
  end_transaction();
  checkpoint();
  return position;
}

// Empty when it cannot be read: the commit stands all the same.
Position SqliteSession::position() {
  sqlite3_file* log = nullptr;
  std::array<unsigned char, 32> header;  // The salts are at 16 and 20.
  if (sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK) return {};
  if (log == nullptr || log->pMethods == nullptr) return {};
  if (log->pMethods->xRead(log, header.data(), header.size(), 0) != SQLITE_OK) return {};
  const Salts salts{big_endian(&header[16]), big_endian(&header[20])};
  return handle_.place().generations->position(salts, handle_.committed_frames());
}

// Copies as much of the log as no reader needs, and waits for nobody. When it fails, the log stays and the next commit
// tries again.
void SqliteSession::checkpoint() noexcept {
  if (handle_.committed_frames() < handle_.checkpoint_frames()) return;
  handle_.forget_committed_frames();
  if (log_is_replaced()) return;
  sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

void SqliteSession::rollback() noexcept {
  end_transaction();
  if (!handle_.in_transaction()) return;  // SQLite did it itself.
  const Reset reset(rollback_);
  handle_.start(base::Deadline::never());
  if (sqlite3_step(rollback_.get()) != SQLITE_DONE) healthy_ = false;
}

void SqliteSession::savepoint(std::string_view name) {
  handle_.start(deadline_);
  handle_.run("savepoint " + quoted_identifier(name));
}
void SqliteSession::release_savepoint(std::string_view name) {
  handle_.start(deadline_);
  handle_.run("release " + quoted_identifier(name));
}
void SqliteSession::rollback_to_savepoint(std::string_view name) {
  handle_.start(deadline_);
  handle_.run("rollback to " + quoted_identifier(name));
}

std::unique_ptr<Bulk> SqliteSession::bulk(std::string_view table, std::span<const std::string> columns) {
  std::string insert = "insert into " + std::string(table) + " (";
  std::string values;
  for (const auto& column : columns) {
    insert += quoted_identifier(column) + ", ";
    values += "?, ";
  }
  insert.resize(insert.size() - 2);
  values.resize(values.size() - 2);
  return std::make_unique<SqliteBulk>(*this, insert + ") values (" + values + ")", deadline_);
}

bool SqliteSession::reset() noexcept {
  if (handle_.in_transaction()) rollback();
  return healthy_ && !handle_.was_changed();
}

}  // namespace tidelock::sql::sqlite

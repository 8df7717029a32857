#include "tidelock/sql/backends/postgres/session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/postgres/bulk.h"
#include "tidelock/sql/backends/postgres/oids.h"
#include "tidelock/sql/backends/postgres/prepared.h"
#include "tidelock/sql/placeholders.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;

// How long a session that goes back, or rolls back, may wait for its server.
constexpr base::Duration kTidyWithin = 10s;

// What is asked around a commit. Its position is as far as the log is on disk, which the commit is part of, unless it
// does not wait for that: as the transaction itself may have said, so that it is asked in it.
constexpr const char* kWrote = "tidelock_wrote";
constexpr const char* kWroteSql =
    "select pg_current_xact_id_if_assigned() is not null, current_setting('synchronous_commit') <> 'off'";
constexpr const char* kPosition = "tidelock_position";
constexpr const char* kPositionSql =
    "select case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end, "
    "case when not pg_is_in_recovery() then pg_current_wal_flush_lsn() end";
constexpr int kWritten = 0;  // Columns of it.
constexpr int kOnDisk = 1;

// DISCARD ALL without DEALLOCATE ALL: the statements of the pool's cache stay. RESET ALL goes back to what the
// connection was opened with.
constexpr const char* kReset =
    "close all; set session authorization default; reset all; unlisten *; select pg_advisory_unlock_all(); "
    "discard temp; discard sequences";

// Reported with the end of each statement, whatever has changed it; before PostgreSQL 14 it is not.
constexpr const char* kAccess = "default_transaction_read_only";

std::string_view level_text(Isolation isolation) {
  switch (isolation) {
    case Isolation::read_uncommitted:
      return "read uncommitted";
    case Isolation::read_committed:
      return "read committed";
    case Isolation::repeatable_read:
    case Isolation::snapshot:
      return "repeatable read";
    case Isolation::serializable:
      return "serializable";
  }
  return "serializable";
}

std::string_view value_of(const ResultHandle& result, int column) {
  return {PQgetvalue(result.get(), 0, column), static_cast<std::size_t>(PQgetlength(result.get(), 0, column))};
}

std::string quoted_with(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) out.append(c == quote ? 2 : 1, c);
  return out + quote;
}

// What only begin() and the like, or the pool, may do.
void refuse_session_text(std::string_view sql) {
  const auto all = tokens(sql);
  if (all.empty()) return;
  const auto first = base::ascii::lower(all.front().text);
  const auto second = all.size() > 1 ? base::ascii::lower(all[1].text) : std::string();
  if (sql.size() > kBytesMost) throw_too_large("a statement");
  if (first == "prepare" && second == "transaction") {
    throw Error(Code::misuse, "PREPARE TRANSACTION is not run as a statement: call Transaction::prepare_commit()");
  }
  const bool is_about_prepared = first == "prepare" || first == "execute" || first == "deallocate" ||
                                 (first == "discard" && (second == "all" || second == "plans"));
  if (is_about_prepared) {
    throw Error(
        Code::misuse,
        "the prepared statements of the connection belong to its pool, which prepares each text once by itself: " +
            base::quoted(sql));
  }
}

Error rolled_back() { return Error(Code::serialization_failure, "the server rolled the transaction back"); }

}  // namespace

void throw_too_large(std::string_view about) {
  throw Error(Code::too_large,
              "PostgreSQL takes values, rows and statements of less than 1 GiB: " + std::string(about));
}

std::string quoted_name(std::string_view name) { return quoted_with(name, '"'); }

std::string quoted_text(std::string_view text) { return quoted_with(text, '\''); }

PostgresSession::PostgresSession(base::Runtime& runtime, const Settings& settings, base::Deadline deadline,
                                 const std::stop_token& stop)
    : settings_(settings), where_(settings_.where), client_(runtime, settings, deadline, stop) {
  const char* const encoding = PQparameterStatus(client_.get(), "server_encoding");
  if (encoding != nullptr && std::string_view(encoding) == "SQL_ASCII") {
    throw Error(Code::unsupported, "the database has the encoding SQL_ASCII, which does not say what its bytes mean (" +
                                       where_ + "): make one with `encoding 'UTF8'`");
  }
  client_.start_opening(deadline, stop);
  try {
    constexpr const char* kBackend = "select pg_backend_pid()";
    const auto backend = client_.run(kBackend, kBackend);
    std::from_chars(value_of(backend, 0).data(), value_of(backend, 0).data() + value_of(backend, 0).size(), pid_);
    const bool by_a_pooler = pid_ != client_.handshake_pid() || settings.pooler != Pooler::detect;
    pooled_ = by_a_pooler && settings.pooler != Pooler::session;
    if (by_a_pooler) client_.run(settings.set_up(), "set up");
  } catch (const Error& error) {
    if (error.code() != Code::connection_lost) throw;
    throw Error(Code::unavailable, error.message(),
                error.native().value_or(Error::Native{}));  // Nothing was begun yet.
  }
  hears_of_access_ = settings.read_only && !pooled_ && client_.has_setting(kAccess, "on");
}

void PostgresSession::refuse_other_reading(std::string_view sql) const {
  if (sql.find('\\') == sql.npos) return;  // It reads alike in all of them.
  if (client_.has_setting("standard_conforming_strings", "on") && client_.has_setting("client_encoding", "UTF8"))
    return;
  throw Error(Code::unsupported,
              "standard_conforming_strings or client_encoding was changed, and with it what a backslash means: leave "
              "them as they are, and write E'…' where a backslash is to escape: " +
                  base::quoted(sql));
}

std::unique_ptr<Prepared> PostgresSession::prepare(std::string_view sql, base::Deadline deadline) {
  refuse_session_text(sql);
  refuse_other_reading(sql);
  refuse_what_stays(sql, effects(sql));
  return std::make_unique<PostgresPrepared>(*this, sql, deadline);
}

void PostgresSession::run_script(std::string_view sql, base::Deadline deadline) {
  for (const auto statement : statements(sql)) run_one(statement, deadline);
}

void PostgresSession::run_one(std::string_view sql, base::Deadline deadline) {
  const auto all = tokens(sql);
  const auto first = base::ascii::upper(all.front().text);
  if (controls_transactions(first)) {
    throw Error(Code::misuse, "a script must not begin or end a transaction: " + base::quoted(sql));
  }
  refuse_session_text(sql);
  refuse_other_reading(sql);
  const auto seen = effects(sql);
  refuse_what_stays(sql, seen);
  note(seen);
  bool is_sent = false;
  try {
    start(deadline);
    if (all.size() >= 2 && first == "COPY") {
      throw Error(Code::unsupported, "COPY is not run in a script: use bulk(), or a query: " + base::quoted(sql));
    }
    const auto settings = settings_for(seen);
    is_sent = true;
    client_.run(settings.empty() ? std::string(sql) : settings + ";" + std::string(sql), base::quoted(sql));
  } catch (const Error& error) {
    const auto met = outcome(error, seen.may_write);
    throw is_sent && seen.may_commit && !begun_ ? failed_in_parts(met) : met;
  }
}

void PostgresSession::note(const Effects& effects) {
  if (effects.sets_access && (reads_only_ || settings_.read_only)) {
    throw Error(Code::misuse,
                "what was begun or opened to read only stays so: begin a transaction that may write, or open the "
                "database with mode=rw");
  }
  if (settings_.read_only && !begun_) {  // In a transaction it is begin() that has said so.
    if (is_set_free()) {
      throw Error(
          Code::misuse,
          "the database was opened with mode=ro, and something has set default_transaction_read_only off, as "
          "set_config() does in a function: until the connection has been given back, only transactions are run");
    }
    if (effects.may_commit) {
      throw Error(Code::read_only,
                  "with mode=ro a block of code (DO) and a procedure (CALL) are run in a transaction only, which the "
                  "server knows to be read-only: outside one they may commit by themselves, and then write");
    }
  }
  leaves_state_ = leaves_state_ || effects.may_leave_state;
}

bool PostgresSession::is_set_free() const { return hears_of_access_ && !client_.has_setting(kAccess, "on"); }

void PostgresSession::require_connected(std::string_view sql) {
  if (!client_.has_hung_up()) return;
  client_.give_up();
  throw Error(Code::connection_lost,
              "the server had closed the connection before this was sent (" + where_ + "): " + base::quoted(sql));
}

Error PostgresSession::outcome(const Error& error, bool may_write) {
  if (error.code() != Code::connection_lost) return error;
  client_.give_up();
  if (!may_write || begun_) return error;
  return Error(
      Code::unknown_outcome,
      "the connection was lost before the answer came, so it may or may not have been applied: " + error.message(),
      error.native().value_or(Error::Native{}));
}

ResultHandle PostgresSession::command(const std::string& sql, base::Deadline deadline) {
  try {
    start(deadline);
    return client_.run(sql, sql);
  } catch (const Error& error) {
    if (error.code() == Code::connection_lost) client_.give_up();
    throw;
  }
}

std::string PostgresSession::settings_for(const Effects& effects) const {
  if (!pooled_ || begun_ || !effects.is_about_rows) return {};
  return "select set_config('extra_float_digits', '3', true), set_config('lock_timeout', '" +
         lock_timeout_text(settings_.busy_timeout) + "', true)";
}

void PostgresSession::begin(const BeginOptions& options) {
  std::string sql = "begin";
  if (options.isolation) sql += " isolation level " + std::string(level_text(*options.isolation));
  if (options.read_only) sql += " read only";
  if (options.lock_timeout || pooled_) {
    sql += "; set local lock_timeout = " + lock_timeout_text(options.lock_timeout.value_or(settings_.busy_timeout));
  }
  if (pooled_) sql += "; set local extra_float_digits = 3";  // The session of a pooler has the server's own settings.
  stop_ = options.stop;
  try {
    command(sql, options.deadline);
  } catch (...) {
    stop_ = {};
    if (client_.is_good() && client_.in_transaction()) rollback();
    throw;
  }
  begun_ = true;
  reads_only_ = options.read_only;
  xid_ = options.xid;
  deadline_ = options.deadline;
}

void PostgresSession::end_transaction() noexcept {
  begun_ = false;
  reads_only_ = false;
  xid_.clear();
  deadline_ = base::Deadline::never();
  stop_ = {};
  unread_failure_.reset();
}

Position PostgresSession::commit(bool want_position) {
  if (client_.is_good() && client_.has_failed_transaction()) {
    rollback();
    throw Error(Code::serialization_failure, "rolled back: something in the transaction had failed");
  }
  const auto deadline = deadline_;
  const bool reads_only = reads_only_;
  stop_ = {};  // A commit that was asked for is seen through.
  try {
    require_connected("commit");
    if (want_position && !own_prepared_ && !reads_only && !pooled_) {
      prepare_own(kWrote, kWroteSql);
      prepare_own(kPosition, kPositionSql);
      own_prepared_ = true;
    }
    client_.start_uncancellable(deadline);
  } catch (const Error&) {  // Nothing was sent.
    rollback();
    throw;
  }
  try {
    if (reads_only) {
      client_.run("commit", "commit");
      end_transaction();
      return {};
    }
    auto position = want_position && !pooled_ ? commit_with_position() : commit_alone();
    end_transaction();
    return position;
  } catch (const Error& error) {
    end_transaction();
    if (client_.is_good() && client_.in_transaction()) rollback();
    throw outcome(error, !reads_only);
  }
}

void PostgresSession::prepare_own(const char* name, const char* sql) {
  client_.start_uncancellable(deadline_);
  client_.sent(PQsendPrepare(client_.get(), name, sql, 0, nullptr));
  while (const auto result = client_.next_result()) {
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR) throw client_.error(result.get(), sql);
  }
}

Position PostgresSession::commit_alone() {
  const auto result = client_.run("commit", "commit");
  if (std::string_view(PQcmdStatus(result.get())) != "COMMIT") throw rolled_back();
  return {};
}

// Whether it wrote, its commit, and where that stands: three requests, one round trip.
Position PostgresSession::commit_with_position() {
  auto* const connection = client_.get();
  PQenterPipelineMode(connection);
  client_.sent(PQsendQueryPrepared(connection, kWrote, 0, nullptr, nullptr, nullptr, 0));
  client_.sent(PQsendQueryParams(connection, "commit", 0, nullptr, nullptr, nullptr, nullptr, 0));
  client_.sent(PQsendQueryPrepared(connection, kPosition, 0, nullptr, nullptr, nullptr, 0));
  client_.sent(PQpipelineSync(connection));
  bool wrote = false;
  bool waits_for_disk = true;
  bool committed = false;
  Position position;
  std::optional<Error> failure;
  for (int step = 0;;) {
    const auto result = client_.next_result();
    if (result == nullptr) {
      ++step;  // The next request's results come.
      continue;
    }
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_FATAL_ERROR && !failure) failure = client_.error(result.get(), "commit");
    const bool is_row = PQntuples(result.get()) == 1;  // Alone, where libpq goes on as for the query before.
    if (is_row && step == 0) {
      wrote = value_of(result, 0) == "t";
      waits_for_disk = value_of(result, 1) == "t";
    }
    if (status == PGRES_COMMAND_OK && step == 1) committed = std::string_view(PQcmdStatus(result.get())) == "COMMIT";
    if (is_row && step == 2) {
      position.text = value_of(result, waits_for_disk ? kOnDisk : kWritten);
    }
  }
  PQexitPipelineMode(connection);
  if (!committed && failure) throw *failure;
  if (!committed) throw rolled_back();
  return wrote ? position : Position{};
}

// Behind a commit that stands, and waited for the disk. Empty when the server does not say.
Position PostgresSession::position_now(base::Deadline deadline) noexcept {
  if (pooled_) return {};
  try {
    client_.start_uncancellable(std::min(deadline, base::Deadline(base::later(client_.runtime().now(), kTidyWithin))));
    const auto result = client_.run(kPositionSql, kPositionSql);
    return {std::string(value_of(result, kOnDisk))};
  } catch (const std::exception&) {
    client_.give_up();
    return {};
  }
}

void PostgresSession::rollback() noexcept {
  if (!client_.is_good()) return end_transaction();
  try {
    client_.start_uncancellable(base::later(client_.runtime().now(), kTidyWithin));
    client_.drop_results();
    if (client_.in_transaction()) client_.run("rollback", "rollback");
  } catch (const std::exception&) {
    client_.give_up();
  }
  end_transaction();
}

void PostgresSession::savepoint(std::string_view name) { command("savepoint " + quoted_name(name), deadline_); }
void PostgresSession::release_savepoint(std::string_view name) {
  command("release savepoint " + quoted_name(name), deadline_);
}
void PostgresSession::rollback_to_savepoint(std::string_view name) {
  command("rollback to savepoint " + quoted_name(name), deadline_);
}

std::unique_ptr<Bulk> PostgresSession::bulk(std::string_view table, std::span<const std::string> columns) {
  return std::make_unique<PostgresBulk>(*this, table, columns);
}

bool PostgresSession::reset() noexcept {
  if (!client_.is_good()) return false;
  if (client_.in_transaction()) rollback();
  if (!client_.is_good()) return false;
  if ((!leaves_state_ && !is_set_free()) || pooled_) return true;  // Who knows whose session that would reset.
  try {
    client_.start_uncancellable(base::later(client_.runtime().now(), kTidyWithin));
    client_.run(settings_.pooler == Pooler::session ? std::string(kReset) + "; " + settings_.set_up() : kReset,
                "reset");
    while (client_.wait_for_notification(base::Instant::min(), {})) {  // What was told before.
    }
  } catch (const std::exception&) {
    client_.give_up();
    return false;
  }
  leaves_state_ = false;
  return !is_set_free();
}

bool PostgresSession::has_hung_up() noexcept {
  try {
    return client_.has_hung_up();
  } catch (const std::exception&) {
    return true;
  }
}

bool PostgresSession::is_alive(base::Deadline deadline, const std::stop_token& stop) noexcept {
  try {
    client_.start_opening(deadline, stop);
    client_.run("", "");
    return client_.is_good();
  } catch (const std::exception&) {
    client_.give_up();
    return false;
  }
}

void PostgresSession::require_own_session(std::string_view what) const {
  if (!pooled_) return;
  throw Error(Code::unsupported,
              "no " + std::string(what) + " through " + where_ +
                  ": a pooler stands before the server and lends its sessions anew for each transaction; connect to "
                  "the server itself, or say pooler=session in the URL where the pooler lends whole sessions");
}

void PostgresSession::refuse_what_stays(std::string_view sql, const Effects& effects) const {
  if (!pooled_) return;
  if (settings_.read_only && !begun_ && effects.may_write) {
    throw Error(Code::read_only,
                "through a pooler nothing that may write is run with mode=ro but in a transaction, which "
                "the server knows to be read-only: " +
                    base::quoted(sql));
  }
  if (const auto kept = kept_in_session(sql); !kept.empty()) require_own_session(kept);
}

void PostgresSession::prepare_commit() {
  const auto sql = "prepare transaction " + quoted_text(xid_);
  const auto xid = xid_;
  stop_ = {};
  try {
    require_connected(sql);
    client_.start_uncancellable(deadline_);
  } catch (const Error&) {  // Nothing was sent.
    rollback();
    throw;
  }
  end_transaction();
  try {
    const auto result = client_.run(sql, sql);
    if (std::string_view(PQcmdStatus(result.get())) != "PREPARE TRANSACTION") {
      throw Error(Code::serialization_failure, "the server rolled the transaction back");
    }
  } catch (const Error& error) {
    if (client_.is_good() && client_.in_transaction()) rollback();
    const auto native = error.native().value_or(Error::Native{});
    if (native.state == "55000") {
      throw Error(Code::unsupported,
                  "the server keeps no prepared transactions: set max_prepared_transactions (now 0, or too few) in "
                  "postgresql.conf, and restart it",
                  native);
    }
    if (native.state == "53200") {
      throw Error(
          Code::unavailable,
          "the server keeps as many prepared transactions as max_prepared_transactions allows: end some of them, "
          "or raise it",
          native);
    }
    if (native.state == "42710") {
      throw Error(Code::already_exists, "a prepared transaction has the xid " + base::quoted(xid) + " already", native,
                  xid);
    }
    throw outcome(error, true);
  }
}

void PostgresSession::resolve(const std::string& sql, std::string_view xid, base::Deadline deadline) {
  try {
    client_.start_uncancellable(deadline);
    client_.run(sql, sql);
  } catch (const Error& error) {
    const auto native = error.native().value_or(Error::Native{});
    if (native.state == "42704") {
      throw Error(
          Code::not_found,
          "no prepared transaction has the xid " + base::quoted(xid) + ": it was ended before, or never prepared",
          native, std::string(xid));
    }
    if (native.state == "55000") {
      throw Error(Code::database_locked, "another session ends the prepared transaction just now", native);
    }
    throw outcome(error, true);
  }
}

Position PostgresSession::commit_prepared(std::string_view xid, base::Deadline deadline) {
  resolve("commit prepared " + quoted_text(xid), xid, deadline);
  return position_now(deadline);
}

void PostgresSession::rollback_prepared(std::string_view xid, base::Deadline deadline) {
  resolve("rollback prepared " + quoted_text(xid), xid, deadline);
}

std::vector<PreparedTransaction> PostgresSession::prepared_transactions(base::Deadline deadline) {
  const auto result = command(
      "select gid, prepared at time zone 'UTC' from pg_prepared_xacts where database = current_database() "
      "order by prepared, gid",
      deadline);
  std::vector<PreparedTransaction> found;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    found.push_back(
        {.xid = PQgetvalue(result.get(), row, 0), .since = parse_timestamp(PQgetvalue(result.get(), row, 1))});
  }
  return found;
}

std::int64_t PostgresSession::session_id() {
  require_own_session("session id");
  return pid_;
}

void PostgresSession::listen(std::string_view channel, base::Deadline deadline, const std::stop_token& stop) {
  constexpr std::size_t kLongest = 63;  // A longer name would be cut in silence.
  require_own_session("notifications");
  if (channel.size() > kLongest) {
    throw Error(Code::invalid_argument, "a channel of PostgreSQL has 63 bytes at most: " + base::quoted(channel));
  }
  leaves_state_ = true;
  try {
    client_.start_opening(deadline, stop);
    client_.run("listen " + quoted_name(channel), "listen");
  } catch (const Error& error) {
    const auto code = error.code();
    if (code == Code::timeout || code == Code::cancelled || code == Code::connection_lost) client_.give_up();
    throw;
  }
}

std::optional<Notification> PostgresSession::wait_for_notification(base::Deadline deadline,
                                                                   const std::stop_token& stop) {
  require_own_session("notifications");
  return client_.wait_for_notification(deadline, stop);
}

}  // namespace tidelock::sql::postgres

#include "tidelock/sql/backends/mariadb/session.h"

#include <mysqld_error.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/mariadb/bulk.h"
#include "tidelock/sql/backends/mariadb/errors.h"
#include "tidelock/sql/backends/mariadb/prepared.h"

namespace tidelock::sql::mariadb {
namespace {

constexpr std::int64_t kLockSecondsMost = 31'536'000;
// A greeting has room for so much of the number of a session.
constexpr std::uint64_t kGreetedBits = 0xffffffff;
constexpr std::size_t kPacketReserveBytes =
    64 * 1024;  // Of max_allowed_packet: what a statement is besides its values.

// Whole seconds are what the server counts locks in: rounded up, and 0 only for not waiting at all.
std::int64_t lock_seconds(base::Duration timeout) {
  return std::min<std::int64_t>(std::chrono::ceil<std::chrono::seconds>(timeout).count(), kLockSecondsMost);
}

std::string set_lock_seconds(std::int64_t seconds) {
  const auto text = std::to_string(seconds);
  return "set innodb_lock_wait_timeout = " + text + ", lock_wait_timeout = " + text + ";";
}

std::string set_snapshot_isolation(bool on) {
  return std::string("set innodb_snapshot_isolation = ") + (on ? "on;" : "off;");
}

std::string_view sql_name(Isolation isolation) {
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
  std::terminate();
}

// Without these all modes read alike.
bool depends_on_mode(std::string_view sql) { return sql.find_first_of("\\\"") != sql.npos; }

// Without these all character sets read alike.
bool depends_on_character_set(std::string_view sql) {
  return sql.find_first_of("\\`") != sql.npos &&
         std::ranges::any_of(sql, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace

Lexis lexis_of(const Settings& settings) {
  return {.backtick_identifiers = true,
          .backslash_escapes = !settings.ansi,
          .hash_comments = true,
          .double_quoted_strings = !settings.ansi,
          .dash_comments_need_space = true,
          .executable_comments = true,
          .at_variables = true};
}

MariadbSession::MariadbSession(base::Runtime& runtime, const Settings& settings, base::Deadline deadline,
                               const std::stop_token& stop)
    : runtime_(runtime),
      settings_(settings),
      lexis_(lexis_of(settings)),
      wire_(runtime, settings, settings.database, deadline, stop) {
  if (mariadb_connection(wire_.get()) == 0) {
    throw Error(Code::unsupported, "the server at " + settings.address() + " is no MariaDB (it says " +
                                       mysql_get_server_info(wire_.get()) + "): Tidelock knows MariaDB only");
  }
  set_up(deadline, stop);
}

std::string MariadbSession::set_up_text() const {
  std::string text =
      "set time_zone = '+00:00', autocommit = 1, session_track_system_variables = "
      "'last_gtid,character_set_client', "
      "session_track_state_change = 1, session_track_schema = 0, net_write_timeout = 3600, completion_type = 0, "
      "lc_messages = 'en_US', sql_mode = "
      "'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
      "NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION";
  if (settings_.ansi) text += ",ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES";
  text += "';" + set_lock_seconds(lock_seconds(settings_.busy_timeout));
  text += std::string("set session transaction isolation level repeatable read, read ") +
          (settings_.read_only ? "only;" : "write;");
  if (!settings_.database.empty()) text += "use " + quoted_identifier(settings_.database) + ";";
  return text;
}

void MariadbSession::set_up(base::Deadline deadline, const std::stop_token& stop) {
  wire_.begin_opening(deadline, stop);
  const auto rows = wire_.rows(
      set_up_text() +
      "select connection_id(), version(), @@max_allowed_packet, @@log_bin, @@innodb_rollback_on_timeout, "
      "@@global.read_only, (select variable_value from information_schema.session_variables where variable_name = "
      "'innodb_snapshot_isolation'), database(), current_role(), " +
      std::string(Wire::kServer));
  wire_.end();
  if (!rows || rows->size() != 1 || rows->front().size() != 10) {
    wire_.throw_not_opened("setting up a session at " + settings_.address());
  }
  const auto& row = rows->front();
  facts_ = {.version = row[1].value_or(""),
            .session_id = number_of(row[0]),
            .max_allowed_packet = number_of(row[2]),
            .database = row[7],
            .role = row[8],
            .has_binlog = number_of(row[3]) != 0,
            .rollback_on_timeout = number_of(row[4]) != 0,
            .read_only = number_of(row[5]) != 0,
            .snapshot_isolation = row[6] ? std::optional(*row[6] == "ON") : std::nullopt};
  const bool by_a_pooler =
      (facts_.session_id & kGreetedBits) != (wire_.id() & kGreetedBits) || settings_.pooler != Pooler::detect;
  wire_.set_server(by_a_pooler ? std::string() : row[9].value_or(""));
  pooled_ = by_a_pooler && settings_.pooler != Pooler::session;
  lock_seconds_ = lock_seconds(settings_.busy_timeout);
  snapshot_isolation_ = facts_.snapshot_isolation;
  traces_ = may_be_lifted_ = false;
}

void MariadbSession::require_own_session(std::string_view what) const {
  if (!pooled_) return;
  throw Error(Code::unsupported,
              "no " + std::string(what) + " through " + settings_.address() +
                  ": a pooler stands before the server and lends its sessions anew for each transaction; connect to "
                  "the server itself, or say pooler=session in the URL where the pooler lends whole sessions");
}

base::Deadline MariadbSession::planning_deadline() const {
  const base::Deadline own = base::later(runtime_.now(), settings_.busy_timeout + kHouseworkWithin);
  return std::min(own, deadline_);
}

void MariadbSession::check_allowed(const StatementKind& kind, std::string_view sql) const {
  if (kind.controls) {
    throw Error(Code::misuse,
                "transactions are begun and ended by begin(), commit() and rollback(), not by " + base::quoted(sql));
  }
  if (pooled_ && settings_.read_only && !begun_ && kind.may_write) {
    throw Error(Code::read_only,
                "through a pooler nothing that may write is run with mode=ro but in a transaction, which the server "
                "knows to be read-only: " +
                    base::quoted(sql));
  }
  if (kind.ends_autocommit) {
    throw Error(Code::misuse,
                "autocommit stays on, since a statement outside of a transaction is committed by itself: run what "
                "belongs together between begin() and commit(), not behind " +
                    base::quoted(sql));
  }
  if (!kind.keeps.empty()) require_own_session(kind.keeps);
  const bool reads_only = settings_.read_only || (begun_ && reads_only_);
  if (reads_only && kind.sets_access && !kind.commits) {
    throw Error(Code::misuse,
                "what was begun or opened to read only stays so, and runs no text that is not shown: begin a "
                "transaction that may write, or open the database with mode=rw, not " +
                    base::quoted(sql));
  }
  if (!kind.commits) return;
  // The server would run it, and commit what was read so far.
  if (reads_only) throw Error(Code::read_only, "nothing may be changed here: " + base::quoted(sql));
  if (begun_) {
    throw Error(Code::unsupported, "MariaDB commits the open transaction before it runs this: run it outside of one: " +
                                       base::quoted(sql));
  }
}

// What a transaction had for itself is taken back before the next statement outside of one, and what a procedure did to
// the session that is not for it to decide.
void MariadbSession::restore_settings() {
  const auto seconds = lock_seconds(settings_.busy_timeout);
  std::string text;
  if (lock_seconds_ != seconds) text += set_lock_seconds(seconds);
  if (snapshot_isolation_ != facts_.snapshot_isolation) text += set_snapshot_isolation(*facts_.snapshot_isolation);
  if (!commits_by_itself()) text += "set autocommit = 1;";
  if (may_be_lifted_) text += "set session transaction read only;";
  if (text.empty()) return;
  try {
    control(text, base::later(runtime_.now(), kHouseworkWithin));
  } catch (const Error&) {
    forget_settings();
    throw;
  }
  lock_seconds_ = seconds;
  snapshot_isolation_ = facts_.snapshot_isolation;
  may_be_lifted_ = false;
}

void MariadbSession::forget_settings() noexcept {
  lock_seconds_ = -1;
  snapshot_isolation_.reset();
}

bool MariadbSession::commits_by_itself() const { return pooled_ || wire_.has_autocommit(); }

void MariadbSession::note_traces() noexcept {
  traces_ = true;
  may_be_lifted_ = settings_.read_only;
}

void MariadbSession::check_reading(std::string_view sql) {
  if (depends_on_mode(sql) && wire_.has_backslash_escapes() != lexis_.backslash_escapes) {
    throw Error(Code::unsupported,
                "the sql_mode of this session was changed, and with it what quotes and backslashes mean: keep "
                "NO_BACKSLASH_ESCAPES and ANSI_QUOTES as they were, or open the database with the other ansi=: " +
                    base::quoted(sql));
  }
  if (depends_on_character_set(sql) && hides_quotes(wire_.character_set())) {
    throw Error(Code::unsupported,
                "the session was set to the character set " + std::string(wire_.character_set()) +
                    ", in which a quote may be a part of a letter: keep it utf8mb4: " + base::quoted(sql));
  }
}

void MariadbSession::check_alive() const {
  if (begun_ && ended_) throw *ended_;
}

void MariadbSession::begin_statement(const StatementKind& kind, std::string_view sql, base::Deadline deadline) {
  check_alive();
  check_allowed(kind, sql);
  if (!deadline.is_never() && deadline.passed(runtime_.now())) {
    throw Error(Code::timeout, "its time was over before it began: " + base::quoted(sql));
  }
  if (!begun_ && kind.may_write) require_connected(base::quoted(sql));
  if (!begun_) restore_settings();
  if (kind.leaves_traces) note_traces();
  wire_.begin(deadline, true);
}

void MariadbSession::require_connected(std::string_view about) {
  if (!wire_.has_hung_up()) return;
  wire_.set_broken();
  throw Error(Code::connection_lost,
              "the server had closed the connection before this was sent: " + std::string(about));
}

void MariadbSession::end_statement() noexcept {
  wire_.end();
  if (wire_.take_kill()) run_quietly("do 0");
}

void MariadbSession::check_ended(const StatementKind& kind, std::string_view sql) {
  if (wire_.tracked_state_change()) note_traces();
  if (take_back()) {
    throw Error(Code::misuse,
                "it began a transaction and did not end it, so that was rolled back: begin one by begin(), not by " +
                    base::quoted(sql));
  }
  if (wire_.interrupted() && !kind.may_write) throw interruption(base::quoted(sql));
  if (!begun_ || wire_.in_transaction()) return;
  ended_ = Error(Code::misuse,
                 "the statement ended the transaction, and what came before it is committed: " + base::quoted(sql));
  throw *ended_;
}

bool MariadbSession::take_back() noexcept {
  if (begun_ || !wire_.in_transaction()) return false;
  if (!run_quietly("rollback")) wire_.set_broken();
  return true;
}

Error MariadbSession::interruption(std::string_view about) const {
  const auto why = wire_.interrupted().value_or(Code::cancelled);
  return Error(
      why, (why == Code::timeout ? "the statement was over its time: " : "stopped on request: ") + std::string(about));
}

Error MariadbSession::failure(const StatementKind& kind, unsigned number, std::string_view message,
                              std::string_view about) {
  if (ends_connection(number)) wire_.set_broken();
  const bool committed_by_itself = !begun_ && kind.may_write;
  if (committed_by_itself && (wire_.broken() || may_be_applied(number)) && number != ER_NET_PACKET_TOO_LARGE) {
    return Error(Code::unknown_outcome,
                 "the connection was lost, and the statement may have been applied: " + std::string(about),
                 {static_cast<int>(number), std::string(message)});
  }
  const bool stopped = wire_.interrupted() && (number == ER_QUERY_INTERRUPTED || wire_.broken());
  auto error = stopped ? interruption(about) : error_of(number, message, about);
  if (!begun_ && kind.leaves_traces && !wire_.broken() && is_still_in_transaction()) take_back();
  if (!begun_ && kind.may_commit) error = failed_in_parts(error);
  may_be_lifted_ = settings_.read_only;  // By a function, of which an error says nothing.
  if (!begun_ || ended_) return error;
  bool ended = wire_.broken() || ends_transaction(number, facts_.rollback_on_timeout);
  if (!ended && kind.leaves_traces && !is_still_in_transaction()) {
    ended = true;
    if (!wire_.broken()) {
      error = Error(Code::misuse,
                    "the statement ended the transaction before it failed, and what came before it is committed: " +
                        error.message(),
                    error.native().value_or(Error::Native{}));
    }
  }
  if (ended) ended_ = error;
  return error;
}

// The answer to a statement that failed does not tell it.
bool MariadbSession::is_still_in_transaction() noexcept {
  if (!run_quietly("do 0") && !run_quietly("do 0")) wire_.set_broken();  // A kill that came late may meet the first.
  return !wire_.broken() && wire_.in_transaction();
}

void MariadbSession::keep_failure(const StatementKind& kind, const Error& error) noexcept {
  if (begun_ && !ended_ && kind.may_write) ended_ = error;
}

std::size_t MariadbSession::value_bytes_most() const {
  return facts_.max_allowed_packet - std::min(facts_.max_allowed_packet / 2, kPacketReserveBytes);
}

void MariadbSession::check_size(std::size_t bytes) const {
  if (bytes <= value_bytes_most()) return;
  throw Error(Code::too_large, "the values take " + std::to_string(bytes) + " bytes, and the server takes " +
                                   std::to_string(facts_.max_allowed_packet) +
                                   " at a time: raise its max_allowed_packet");
}

std::unique_ptr<Prepared> MariadbSession::prepare(std::string_view sql, base::Deadline deadline) {
  return std::make_unique<MariadbPrepared>(*this, sql, deadline);
}

std::unique_ptr<Bulk> MariadbSession::bulk(std::string_view table, std::span<const std::string> columns) {
  return std::make_unique<MariadbBulk>(*this, table, columns);
}

void MariadbSession::run_script(std::string_view sql, base::Deadline deadline) {
  const auto statements = statements_of(sql, lexis_);
  if (statements.empty()) return;
  check_reading(sql);
  const bool other_mode = depends_on_mode(sql) && base::ascii::upper(sql).find("SQL_MODE") != std::string::npos;
  const bool other_set = depends_on_character_set(sql) && std::ranges::any_of(statements, sets_one_that_hides_quotes);
  if (statements.size() > 1 && (other_mode || other_set)) {
    throw Error(Code::unsupported,
                std::string("a script that changes ") + (other_mode ? "sql_mode" : "the character set") +
                    " changes what the quotes and backslashes behind it mean: run that statement by itself: " +
                    base::quoted(sql));
  }
  StatementKind all{.empty = false, .reads = true};
  const auto note = [&](std::string_view statement) {
    auto kind = kind_of(statement, lexis_);
    all.may_commit = all.may_commit || kind.may_commit || kind.controls;
    if (!begun_ && std::exchange(kind.controls, false)) all.controls = true;
    if (!begun_) kind.ends_autocommit = false;  // As in a dump. What it does not commit itself is told at its end.
    check_allowed(kind, statement);
    all.reads = all.reads && kind.reads;
    all.may_write = all.may_write || kind.may_write;
    all.leaves_traces = all.leaves_traces || kind.leaves_traces;
  };
  std::string text;
  for (const auto statement : statements) {
    note(statement);
    text.append(text.empty() ? "" : ";\n").append(statement);
  }
  if (sql.find("/*!") != sql.npos || sql.find("/*M!") != sql.npos) {
    for (const auto statement : statements_of(sql, lexis_, false)) note(statement);
    text = sql;  // The marks of what only some versions execute must stay where they are.
  }
  const bool transactions = std::exchange(all.controls, false);
  begin_statement(all, sql, deadline);
  const bool ok = wire_.query(text);
  std::optional<Error> error;
  try {
    if (!ok) throw failure(all, wire_.errno_(), wire_.message(), base::quoted(sql));
    check_ended(all, sql);
  } catch (const Error& met) {
    error = met;
  }
  end_statement();
  if (error) {
    if (transactions && !wire_.broken()) run_quietly("rollback");
    throw *error;
  }
}

bool MariadbSession::reset() noexcept {
  if (wire_.broken()) return false;
  if (!traces_ || pooled_) return true;  // Who knows whose session that would reset.
  if (hides_quotes(wire_.character_set())) return false;
  try {
    const base::Deadline deadline = base::later(runtime_.now(), kHouseworkWithin);
    wire_.begin(deadline, false);
    const bool ok = wire_.reset_connection();
    wire_.end();
    if (!ok) return false;
    ++generation_;
    const auto before = facts_;
    set_up(deadline, {});
    // Where no database was chosen, none can be again; and a role stays, which may allow more.
    return facts_.database == before.database && facts_.role == before.role;
  } catch (const std::exception&) {
    return false;
  }
}

bool MariadbSession::is_alive(base::Deadline deadline, const std::stop_token& stop) noexcept {
  if (wire_.broken()) return false;
  wire_.begin_opening(deadline, stop);
  const bool answered = wire_.query("do 0");
  wire_.end();
  if (!answered) wire_.set_broken();
  return answered;
}

std::int64_t MariadbSession::session_id() {
  require_own_session("session id");
  return static_cast<std::int64_t>(facts_.session_id);
}

// ---- Transactions ----

std::string MariadbSession::begin_text(const BeginOptions& options) {
  std::string text;
  if (pooled_) {  // The session that it meets was last somebody else's.
    text = set_up_text();
    forget_settings();
  }
  const auto seconds = lock_seconds(options.lock_timeout.value_or(settings_.busy_timeout));
  if (seconds != lock_seconds_) text += set_lock_seconds(seconds);
  lock_seconds_ = seconds;
  if (facts_.snapshot_isolation) {
    const bool snapshot = *facts_.snapshot_isolation || options.isolation == Isolation::snapshot;
    if (snapshot_isolation_ != snapshot) text += set_snapshot_isolation(snapshot);
    snapshot_isolation_ = snapshot;
  }
  if (options.isolation) text += "set transaction isolation level " + std::string(sql_name(*options.isolation)) + ";";
  const bool reads_only = options.read_only || settings_.read_only;
  if (options.xid.empty()) return text + "start transaction" + (reads_only ? " read only" : "");
  if (reads_only) text += "set transaction read only;";
  return text + "xa start " + xa_name(options.xid);
}

void MariadbSession::begin(const BeginOptions& options) {
  if (wire_.broken()) throw Error(Code::connection_lost, "the connection to " + settings_.address() + " was lost");
  if (!options.xid.empty()) require_own_session("commit in two phases");
  wire_.set_stop(options.stop);
  try {
    control(begin_text(options), options.deadline);
  } catch (...) {
    wire_.set_stop({});
    // Half of the text may have been run, and what it says of the next transaction must not meet a later one.
    forget_settings();
    if (!wire_.broken() && !run_quietly("start transaction; rollback")) wire_.set_broken();
    throw;
  }
  begun_ = true;
  ended_.reset();
  reads_only_ = options.read_only || settings_.read_only;
  deadline_ = options.deadline;
  xid_ = options.xid;
}

void MariadbSession::control(const std::string& sql, base::Deadline deadline) {
  check_alive();
  wire_.begin(deadline.is_never() ? base::Deadline(base::later(runtime_.now(), settings_.commit_timeout)) : deadline,
              false);
  const bool ok = wire_.query(sql);
  const auto error =
      ok ? std::optional<Error>() : failure({.empty = false, .reads = true}, wire_.errno_(), wire_.message(), sql);
  wire_.end();
  if (error) throw *error;
}

bool MariadbSession::run_quietly(const std::string& sql) noexcept {
  wire_.begin(base::later(runtime_.now(), kHouseworkWithin), false);
  const bool ok = wire_.query(sql);
  wire_.end();
  return ok;
}

void MariadbSession::end_transaction() noexcept {
  begun_ = false;
  reads_only_ = false;
  ended_.reset();
  xid_.clear();
  deadline_ = base::Deadline::never();
  wire_.set_stop({});
}

// Of what commits: once it was sent, no answer means that nobody knows.
Position MariadbSession::finish_commit(const std::string& sql, std::string_view what, base::Deadline deadline) {
  wire_.begin(deadline, false);
  const bool ok = wire_.query(sql);
  const auto number = wire_.errno_();
  wire_.end();
  if (ok) return {std::string(wire_.tracked_gtid())};
  const std::string message(wire_.message());
  if (refuses_commit(number)) throw error_of(number, message, what);
  wire_.set_broken();
  throw Error(Code::unknown_outcome, "no answer came to the " + std::string(what) + ", which may have been applied",
              {static_cast<int>(number), message});
}

Position MariadbSession::commit(bool) {
  wire_.set_stop({});  // A commit that was asked for is seen through.
  const base::Deadline deadline = base::later(runtime_.now(), settings_.commit_timeout);
  try {
    check_alive();
    require_connected("commit");
    if (!xid_.empty()) control("xa end " + xa_name(xid_), deadline);
    auto position =
        finish_commit(xid_.empty() ? "commit" : "xa commit " + xa_name(xid_) + " one phase", "commit", deadline);
    end_transaction();
    return position;
  } catch (const Error& error) {
    if (error.code() != Code::unknown_outcome) rollback();
    end_transaction();
    throw;
  }
}

void MariadbSession::rollback() noexcept {
  wire_.set_stop({});
  if (!wire_.broken()) {
    bool ok = false;
    if (xid_.empty()) {
      ok = run_quietly("rollback");
    } else {
      const auto name = xa_name(xid_);
      run_quietly("xa end " + name);  // It may have been ended by its error.
      ok = run_quietly("xa rollback " + name) || wire_.errno_() == ER_XAER_NOTA;
    }
    if (!ok) wire_.set_broken();
  }
  end_transaction();
}

void MariadbSession::savepoint(std::string_view name) { control("savepoint `" + std::string(name) + "`", deadline_); }
void MariadbSession::release_savepoint(std::string_view name) {
  control("release savepoint `" + std::string(name) + "`", deadline_);
}
void MariadbSession::rollback_to_savepoint(std::string_view name) {
  control("rollback to savepoint `" + std::string(name) + "`", deadline_);
}

}  // namespace tidelock::sql::mariadb

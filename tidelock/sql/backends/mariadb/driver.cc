#include "tidelock/sql/backends/mariadb/driver.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "tidelock/base/local_mutex.h"
#include "tidelock/sql/backends/mariadb/session.h"
#include "tidelock/sql/backends/mariadb/settings.h"
#include "tidelock/sql/backends/mariadb/types.h"
#include "tidelock/sql/backends/mariadb/words.h"

namespace tidelock::sql::mariadb {
namespace {

// domain-server-sequence
struct Gtid {
  std::uint64_t domain = 0, server = 0, sequence = 0;
};

std::optional<Gtid> parse_gtid(std::string_view text) {
  Gtid gtid;
  for (auto* const part : {&gtid.domain, &gtid.server, &gtid.sequence}) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *part);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (part == &gtid.sequence) continue;
    if (!text.starts_with('-')) return std::nullopt;
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional(gtid) : std::nullopt;
}

// Within a domain the sequence only grows; two domains say nothing of each other.
std::partial_ordering compare_positions(const Position& a, const Position& b) {
  const auto first = parse_gtid(a.text);
  const auto second = parse_gtid(b.text);
  if (!first || !second || first->domain != second->domain) return std::partial_ordering::unordered;
  if (first->sequence == second->sequence && first->server != second->server) return std::partial_ordering::unordered;
  return first->sequence <=> second->sequence;
}

Dialect make_dialect(const Settings& settings, const ServerFacts& facts) {
  Dialect dialect;
  dialect.engine = "mariadb";
  dialect.version = facts.version;
  dialect.lexis = lexis_of(settings);
  dialect.identifier_quote = '`';
  dialect.isolation_levels = {Isolation::repeatable_read, Isolation::read_committed, Isolation::read_uncommitted,
                              Isolation::serializable};
  if (facts.snapshot_isolation) dialect.isolation_levels.push_back(Isolation::snapshot);
  dialect.isolation_note = "this server has no innodb_snapshot_isolation (MariaDB 10.6.18, 10.11.8 and later have it)";
  dialect.savepoints = true;
  dialect.transactional_ddl = false;
  dialect.on_duplicate_key = true;
  dialect.commit_position = facts.has_binlog;
  dialect.position_note = facts.has_binlog
                              ? "the global transaction id: domain-server-sequence; ordered within a domain"
                              : "the server writes no binary log (log_bin), and so has no transaction ids";
  dialect.compare_positions = compare_positions;
  dialect.column_type = column_type;
  dialect.is_server = true;
  // read_only is a number, or a word from 12.0 on. A replica that can be written all the same is told by what everybody
  // may see of its replication: it follows, and nobody follows it. Two primaries that follow each other are both
  // followed.
  dialect.is_standby =
      "select cast(@@global.read_only as char) not in ('0', 'OFF') or "
      "(select max(variable_name = 'SLAVE_RUNNING' and variable_value = 'ON') > "
      "max(variable_name = 'SLAVES_CONNECTED' and variable_value <> '0') "
      "from information_schema.global_status where variable_name in ('SLAVE_RUNNING', 'SLAVES_CONNECTED'))";
  dialect.lock_timeout = {.supported = true, .note = "whole seconds, rounded up"};
  dialect.two_phase.supported = true;
  dialect.prepare_ends_connection = true;
  dialect.session_id.supported = true;
  dialect.notifications.note = "MariaDB tells nobody about changes: look again from time to time";
  dialect.row_locks = {
      .for_update = {.sql = "for update"},
      .for_share = {.sql = "lock in share mode"},
      .skip_locked = {.sql = "skip locked"},
      .nowait = {.sql = "nowait"},
      .lock_table = {.note = "LOCK TABLES ends the open transaction, and a commit does not end it: lock the rows, or "
                             "take a lease"}};
  return dialect;
}

bool is_missing_database(const Error& error, const Settings& settings) {
  return error.code() == Code::not_found && !settings.database.empty();
}

void make_database(base::Runtime& runtime, const Settings& settings, base::Deadline deadline,
                   const std::stop_token& stop) {
  Wire wire(runtime, settings, {}, deadline, stop);
  wire.begin_opening(deadline, stop);
  if (!wire.query("set session transaction read write; create database if not exists " +
                  quoted_identifier(settings.database) + " character set utf8mb4 collate utf8mb4_nopad_bin")) {
    wire.throw_not_opened("the database " + settings.database + " does not exist and could not be made");
  }
  wire.end();
}

class MariadbDriver final : public Driver {
 public:
  MariadbDriver(base::Runtime& runtime, Settings settings, base::Deadline until, const std::stop_token& stop)
      : runtime_(runtime), settings_(std::move(settings)) {
    if (settings_.resolver == nullptr) settings_.resolver = std::make_shared<base::SystemResolver>(runtime_);
    const base::Deadline deadline = within_connect_timeout(until);
    auto first = [&] {
      try {
        return std::make_unique<MariadbSession>(runtime_, settings_, deadline, stop);
      } catch (const Error& error) {
        if (settings_.must_exist || settings_.read_only || !is_missing_database(error, settings_)) throw;
      }
      make_database(runtime_, settings_, deadline, stop);
      return std::make_unique<MariadbSession>(runtime_, settings_, deadline, stop);
    }();
    dialect_ = make_dialect(settings_, first->facts());
    first_ = std::move(first);
  }

  const Dialect& dialect() const override { return dialect_; }

  std::unique_ptr<Session> open(base::Deadline deadline, const std::stop_token& stop) override {
    {
      const base::LocalGuard guard(mutex_);
      if (first_ != nullptr) return std::move(first_);
    }
    return std::make_unique<MariadbSession>(runtime_, settings_, within_connect_timeout(deadline), stop);
  }

 private:
  base::Deadline within_connect_timeout(base::Deadline deadline) const {
    return std::min(base::Deadline(base::later(runtime_.now(), settings_.connect_timeout)), deadline);
  }

  base::Runtime& runtime_;
  Settings settings_;
  Dialect dialect_;
  base::LocalMutex mutex_;
  std::unique_ptr<Session> first_ TIDELOCK_GUARDED_BY(mutex_);  // The one that asked what the server can.
};

}  // namespace

std::string client_version() { return mysql_get_client_info(); }

Lexis lexis_of(const base::Url& url) {
  base::UrlParams params(url);
  DatabaseOptions options;
  options.read(params);
  return lexis_of(read_settings(url, params, options));
}

std::unique_ptr<Driver> make_driver(base::Runtime& runtime, const base::Url& url, base::UrlParams& params,
                                    const DatabaseOptions& options, base::Deadline deadline,
                                    const std::stop_token& stop) {
  return std::make_unique<MariadbDriver>(runtime, read_settings(url, params, options), deadline, stop);
}

}  // namespace tidelock::sql::mariadb

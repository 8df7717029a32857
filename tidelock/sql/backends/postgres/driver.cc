#include "tidelock/sql/backends/postgres/driver.h"

#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "tidelock/sql/backends/postgres/session.h"
#include "tidelock/sql/backends/postgres/settings.h"

namespace tidelock::sql::postgres {
namespace {

std::string column_type(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "integer";
    case Kind::boolean:
      return "boolean";
    case Kind::int64:
      return "bigint";
    case Kind::real:
      return "double precision";
    case Kind::decimal:
      return "numeric";
    case Kind::text:
      return "text";
    case Kind::blob:
      return "bytea";
    case Kind::date:
      return "date";
    case Kind::time:
      return "time";
    case Kind::timestamp:
      return "timestamp with time zone";
    case Kind::uuid:
      return "uuid";
    case Kind::json:
      return "json";
  }
  std::terminate();
}

// "16/B374D848": two hexadecimal numbers of 32 bits.
std::optional<std::uint64_t> log_position(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  const auto high = number(text.substr(0, slash));
  const auto low = number(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return std::uint64_t{*high} << 32 | *low;
}

std::partial_ordering compare_positions(const Position& a, const Position& b) {
  const auto first = log_position(a.text);
  const auto second = log_position(b.text);
  if (!first || !second) return std::partial_ordering::unordered;
  return *first <=> *second;
}

Dialect make_dialect() {
  Dialect dialect;
  dialect.engine = "postgres";
  dialect.version = version();
  dialect.lexis = kLexis;
  dialect.isolation_levels = {Isolation::read_committed, Isolation::read_uncommitted, Isolation::repeatable_read,
                              Isolation::snapshot, Isolation::serializable};
  dialect.isolation_note =
      "read uncommitted is read committed, and repeatable read is snapshot isolation: "
      "https://www.postgresql.org/docs/15/transaction-iso.html";
  dialect.is_standby = "select pg_is_in_recovery()";
  dialect.savepoints = true;
  dialect.poisoned_by_error = true;
  dialect.commit_position = true;
  dialect.position_note =
      "how far the server's log was on disk right after the commit (LSN); a standby that has replayed it shows the "
      "commit; ordered within one timeline; none behind a pooler";
  dialect.compare_positions = compare_positions;
  dialect.is_server = true;
  dialect.lock_timeout.supported = true;
  dialect.two_phase = {.supported = true, .note = "needs max_prepared_transactions above 0 at the server"};
  dialect.session_id = {.supported = true, .note = "the process id of the server's backend"};
  dialect.notifications = {.supported = true, .note = "LISTEN and NOTIFY; send by select pg_notify(?, ?)"};
  dialect.row_locks = {.for_update = {.sql = "for update"},
                       .for_share = {.sql = "for share"},
                       .skip_locked = {.sql = "skip locked"},
                       .nowait = {.sql = "nowait"},
                       .lock_table = {.sql = "lock table {} in exclusive mode"}};
  dialect.column_type = column_type;
  return dialect;
}

// Thread-safe.
class PostgresDriver final : public Driver {
 public:
  PostgresDriver(base::Runtime& runtime, Settings settings)
      : runtime_(runtime), settings_(std::move(settings)), dialect_(make_dialect()) {
    if (settings_.resolver == nullptr) settings_.resolver = std::make_shared<base::SystemResolver>(runtime_);
  }

  const Dialect& dialect() const override { return dialect_; }
  std::unique_ptr<Session> open(base::Deadline deadline, const std::stop_token& stop) override {
    try {
      return std::make_unique<PostgresSession>(runtime_, settings_, in_time(deadline), stop);
    } catch (const Error& error) {
      const bool missing = error.native() && error.native()->state == "3D000";
      if (!missing || settings_.must_exist || settings_.database.empty()) throw;
      make_database(error, deadline, stop);
    }
    return std::make_unique<PostgresSession>(runtime_, settings_, in_time(deadline), stop);
  }

 private:
  // For each of the steps: a database that has to be made takes its time.
  base::Deadline in_time(base::Deadline deadline) const {
    return std::min(deadline, base::Deadline(base::later(runtime_.now(), settings_.connect_timeout)));
  }

  // Whoever makes it first; `missing` is the error when it may not be made.
  void make_database(const Error& missing, base::Deadline deadline, const std::stop_token& stop) {
    try {
      const auto maintenance = for_maintenance(settings_);
      PostgresSession session(runtime_, maintenance, in_time(deadline), stop);
      session.client().start_opening(in_time(deadline), stop);
      session.client().run("create database " + quoted_name(settings_.database) + " encoding 'UTF8' template template0",
                           "create database");
    } catch (const Error& error) {
      const auto state = error.native() ? error.native()->state : std::string();
      if (state == "42P04" || state == "23505") return;  // Somebody else did, just now.
      if (error.code() == Code::permission_denied) throw missing;
      throw;
    }
  }

  base::Runtime& runtime_;
  Settings settings_;
  const Dialect dialect_;
};

}  // namespace

std::string version() {
  const int number = PQlibVersion();
  return std::to_string(number / 10'000) + "." + std::to_string(number % 10'000);
}

std::unique_ptr<Driver> make_driver(base::Runtime& runtime, const base::Url& url, base::UrlParams& params,
                                    const DatabaseOptions& options) {
  return std::make_unique<PostgresDriver>(runtime, read_settings(url, params, options));
}

}  // namespace tidelock::sql::postgres

#include "tidelock/sql/backends/duckdb/driver.h"

#include <utility>

#include "tidelock/sql/backends/duckdb/session.h"

namespace tidelock::sql::duckdb {
namespace {

std::string column_type(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "INTEGER";
    case Kind::boolean:
      return "BOOLEAN";
    case Kind::int64:
      return "BIGINT";
    case Kind::real:
      return "DOUBLE";
    case Kind::decimal:
      return "DECIMAL(38, 18)";
    case Kind::text:
      return "VARCHAR";
    case Kind::blob:
      return "BLOB";
    case Kind::date:
      return "DATE";
    case Kind::time:
      return "TIME";
    case Kind::timestamp:
      return "TIMESTAMP WITH TIME ZONE";
    case Kind::uuid:
      return "UUID";
    case Kind::json:
      return "JSON";
  }
  std::terminate();
}

}  // namespace

Dialect make_dialect(const std::string& version) {
  Dialect dialect;
  dialect.engine = "duckdb";
  dialect.version = version;
  dialect.lexis.dollar_quotes = true;
  dialect.lexis.escape_strings = true;
  dialect.lexis.nested_comments = true;
  dialect.lexis.return_ends_comment = true;
  dialect.lexis.unicode_spaces = true;
  dialect.lexis.user_is_value = true;
  dialect.lexis.numbered_placeholders = true;  // Its own ? count in the order of reading: the FROM of an UPDATE first.
  dialect.isolation_levels = {Isolation::snapshot};
  dialect.isolation_note =
      "DuckDB runs every transaction on a snapshot of the database: two that each read what the other writes may both "
      "commit (write skew)";
  dialect.poisoned_by_error = true;
  dialect.commit_position = true;
  dialect.savepoints_note = "DuckDB has no savepoints, and any error ends the whole transaction";
  dialect.position_note =
      "the microsecond at which the process opened the database, and the count of transactions committed since, in the "
      "order in which they took effect; statements outside a transaction are not counted";
  dialect.compare_positions = compare_positions;
  dialect.lock_timeout.note = "no statement of DuckDB waits for another transaction: the later of two writers fails";
  dialect.two_phase.note = "a DuckDB transaction ends with its connection";
  dialect.session_id.note = "DuckDB runs in this process and has no sessions of its own";
  dialect.notifications.note = "DuckDB tells nobody about changes: look again from time to time";
  const std::string no_locks =
      "DuckDB locks no rows: the later of two transactions that change one fails, and is run again by transact()";
  dialect.row_locks = {.for_update = {.note = no_locks},
                       .for_share = {.note = no_locks},
                       .skip_locked = {.note = no_locks},
                       .nowait = {.note = no_locks},
                       .lock_table = {.note = no_locks}};
  dialect.column_type = column_type;
  return dialect;
}

DuckDriver::DuckDriver(base::Runtime& runtime, base::Files& files, Settings settings)
    : runtime_(runtime),
      files_(files),
      settings_(std::move(settings)),
      dialect_(make_dialect(api().version)),
      watchdog_(std::make_shared<Watchdog>(runtime)),
      instance_(Instance::open(runtime, files, settings_)) {}

std::unique_ptr<Session> DuckDriver::open(base::Deadline, const std::stop_token&) {
  return std::make_unique<DuckSession>(runtime_, instance(), watchdog_);
}

std::shared_ptr<Instance> DuckDriver::instance() {
  {
    const base::LocalGuard guard(mutex_);
    if (instance_ != nullptr && !instance_->broken()) return instance_;
    instance_.reset();  // Perhaps the last to hold it: closed, it can be opened again.
  }
  auto opened = Instance::open(runtime_, files_, settings_);
  const base::LocalGuard guard(mutex_);
  instance_ = opened;
  return opened;
}

}  // namespace tidelock::sql::duckdb

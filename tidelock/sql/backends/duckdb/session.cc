#include "tidelock/sql/backends/duckdb/session.h"

#include <optional>
#include <utility>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/duckdb/bulk.h"
#include "tidelock/sql/backends/duckdb/nested.h"
#include "tidelock/sql/backends/duckdb/prepared.h"

namespace tidelock::sql::duckdb {
namespace {

bool only_reads(duckdb_statement_type type) {
  return type == DUCKDB_STATEMENT_TYPE_SELECT || type == DUCKDB_STATEMENT_TYPE_EXPLAIN;
}

// Whether it may leave something on the connection: a setting, a temporary table, a prepared statement.
bool changes_session(duckdb_statement_type type) {
  switch (static_cast<int>(type)) {
    case DUCKDB_STATEMENT_TYPE_SELECT:
    case DUCKDB_STATEMENT_TYPE_EXPLAIN:
    case DUCKDB_STATEMENT_TYPE_INSERT:
    case DUCKDB_STATEMENT_TYPE_UPDATE:
    case DUCKDB_STATEMENT_TYPE_DELETE:
    case DUCKDB_STATEMENT_TYPE_COPY:
    case DUCKDB_STATEMENT_TYPE_ALTER:
    case DUCKDB_STATEMENT_TYPE_DROP:
    case DUCKDB_STATEMENT_TYPE_ANALYZE:
    case DUCKDB_STATEMENT_TYPE_VACUUM:
    case DUCKDB_STATEMENT_TYPE_CALL:  // CHECKPOINT is one.
    case static_cast<int>(kMergeStatement):
      return false;
    default:
      return true;
  }
}

}  // namespace

bool depends_on_data(duckdb_statement_type type) {
  switch (static_cast<int>(type)) {
    case DUCKDB_STATEMENT_TYPE_SELECT:
    case DUCKDB_STATEMENT_TYPE_EXPLAIN:
    case DUCKDB_STATEMENT_TYPE_INSERT:
    case DUCKDB_STATEMENT_TYPE_UPDATE:
    case DUCKDB_STATEMENT_TYPE_DELETE:
    case DUCKDB_STATEMENT_TYPE_COPY:
    case DUCKDB_STATEMENT_TYPE_CREATE:  // TABLE … AS
    case static_cast<int>(kMergeStatement):
      return true;
    default:
      return false;
  }
}

DuckSession::DuckSession(base::Runtime& runtime, std::shared_ptr<Instance> instance, std::shared_ptr<Watchdog> watchdog)
    : instance_(std::move(instance)),
      watchdog_(std::move(watchdog)),
      connection_(instance_->connect()),
      interrupter_(instance_->api(), connection_.get(), runtime, *watchdog_) {}

DuckSession::~DuckSession() {
  if (in_transaction_) rollback();
}

std::unique_ptr<Prepared> DuckSession::prepare(std::string_view sql, base::Deadline) {
  require_usable();
  auto statement = plan(std::string(sql));
  if (api().prepared_statement_type(statement.get()) == DUCKDB_STATEMENT_TYPE_TRANSACTION) throw_transaction_text();
  return std::make_unique<DuckPrepared>(*this, std::move(statement), sql);
}

StatementHandle DuckSession::plan(const std::string& sql) {
  StatementHandle statement(api());
  if (api().prepare(connection(), sql.c_str(), statement.out()) != DuckDBSuccess) {
    throw failed(fault_from_text(api().prepare_error(statement.get())));
  }
  const auto readable = with_casts_to_text(api(), statement.get(), sql);
  if (!readable) return statement;
  StatementHandle cast(api());
  // Where the engine does not take it within another query, reading such a column says what to do.
  return api().prepare(connection(), readable->c_str(), cast.out()) == DuckDBSuccess ? std::move(cast)
                                                                                     : std::move(statement);
}

void DuckSession::run_script(std::string_view sql, base::Deadline deadline) {
  require_usable();
  const std::string text(sql);
  ExtractedHandle statements(api());
  const auto count = api().extract_statements(connection(), text.c_str(), statements.out());
  if (const char* error = api().extract_statements_error(statements.get())) throw failed(fault_from_text(error));
  const Running running(interrupter_, deadline);
  for (idx_t i = 0; i < count; ++i) {
    std::optional<StatementTransaction> transaction(std::in_place, *this);
    StatementHandle statement(api());
    if (api().prepare_extracted_statement(connection(), statements.get(), i, statement.out()) != DuckDBSuccess) {
      throw failed(fault_from_text(api().prepare_error(statement.get())));
    }
    const auto type = api().prepared_statement_type(statement.get());
    if (type == DUCKDB_STATEMENT_TYPE_TRANSACTION) throw_transaction_text();
    if (!depends_on_data(type)) transaction.reset();  // Some can be run in no transaction.
    run_one(statement.get());
    if (transaction) transaction->commit();
  }
}

// Whatever rows it has are read and dropped.
void DuckSession::run_one(duckdb_prepared_statement statement) {
  ResultHandle result(api());
  execute(statement, result);
  while (auto* chunk = api().fetch_chunk(result.get())) const ChunkHandle dropped(api(), chunk);
  if (api().result_error(&result.get()) != nullptr) throw failed(result);
}

void DuckSession::execute(duckdb_prepared_statement statement, ResultHandle& result) {
  if (interrupter_.look() != Interrupter::Reason::none) throw interrupted();
  const auto type = api().prepared_statement_type(statement);
  // A CALL is a CHECKPOINT, most likely: it changes nothing that a caller could lose.
  const bool commits = !in_transaction_ && !in_statement_ && !only_reads(type) && type != DUCKDB_STATEMENT_TYPE_CALL;
  if (!only_reads(type)) wrote_ = true;
  if (changes_session(type)) changed_session_ = true;

  PendingHandle pending(api());
  if (api().pending_prepared_streaming(statement, pending.out()) != DuckDBSuccess) {
    throw failed(fault_from_text(api().pending_error(pending.get())));
  }
  if (interrupter_.reason() != Interrupter::Reason::none) {  // Perhaps before the engine cleared its own flag.
    pending.reset();
    drop_stream();
    throw interrupted();
  }
  if (api().execute_pending(pending.get(), result.out()) != DuckDBSuccess) throw failed(result, commits);
}

void DuckSession::begin(const BeginOptions& options) {
  require_usable();
  if (options.read_only) {
    control(begin_read_only_, "begin transaction read only");
  } else {
    control(begin_, "begin transaction");
  }
  in_transaction_ = true;
  deadline_ = options.deadline;
  interrupter_.set_stop(options.stop);
  wrote_ = false;
  failure_.reset();
}

Position DuckSession::commit(bool) {
  if (failure_) {
    const auto first = *std::exchange(failure_, std::nullopt);
    rollback();
    throw Error(first.code(), "rolled back, since a statement of the transaction had failed: " + first.message(),
                first.native().value_or(Error::Native{}), first.object());
  }
  if (streaming_) {
    drop_stream();
    rollback();
    throw Error(Code::misuse, "rolled back: commit was called while the rows of a statement were still being read");
  }
  const bool wrote = wrote_;
  end_transaction();  // Whatever comes now, it is over.
  const auto run = [&] { control(commit_, "commit", wrote); };
  if (wrote) return instance_->commit_in_order(run);
  run();
  return {};
}

void DuckSession::rollback() noexcept {
  if (!in_transaction_) return;
  end_transaction();
  try {
    control(rollback_, "rollback");
  } catch (const std::exception&) {
    healthy_ = false;
  }
}

void DuckSession::begin_statement() {
  const Interrupter::Hold hold(interrupter_);
  control(begin_, "begin transaction");
  in_statement_ = true;
  wrote_ = false;
}

void DuckSession::commit_statement() {
  const Interrupter::Hold hold(interrupter_);
  in_statement_ = false;
  control(commit_, "commit", wrote_);
}

void DuckSession::rollback_statement() noexcept {
  const Interrupter::Hold hold(interrupter_);
  in_statement_ = false;
  try {
    control(rollback_, "rollback");
  } catch (const std::exception&) {
    healthy_ = false;
  }
}

void DuckSession::end_transaction() noexcept {
  in_transaction_ = false;
  deadline_ = base::Deadline::never();
  interrupter_.set_stop({});
  wrote_ = false;
  failure_.reset();
}

// BEGIN, COMMIT, ROLLBACK. Not interruptible: a commit that was asked for is seen through.
void DuckSession::control(StatementHandle& prepared, const char* sql, bool commits) {
  if (!prepared) {
    StatementHandle fresh(api());
    if (api().prepare(connection(), sql, fresh.out()) != DuckDBSuccess) {
      throw failed(fault_from_text(api().prepare_error(fresh.get())));
    }
    prepared = std::move(fresh);
  }
  ResultHandle result(api());
  if (api().execute_prepared(prepared.get(), result.out()) == DuckDBSuccess) return;
  if (is_committed(fault_from_text(api().result_error(&result.get())))) {
    instance_->set_broken();
    return;
  }
  throw failed(result, commits);
}

void DuckSession::savepoint(std::string_view) { throw_no_savepoints(); }
void DuckSession::release_savepoint(std::string_view) { throw_no_savepoints(); }
void DuckSession::rollback_to_savepoint(std::string_view) { throw_no_savepoints(); }

std::unique_ptr<Bulk> DuckSession::bulk(std::string_view table, std::span<const std::string> columns) {
  require_usable();
  wrote_ = true;
  return std::make_unique<DuckBulk>(*this, table, columns);
}

bool DuckSession::reset() noexcept {
  if (in_transaction_) rollback();
  if (streaming_) drop_stream();
  return healthy_ && !changed_session_ && !instance_->broken();
}

void DuckSession::require_usable() const {
  if (failure_) {
    throw Error(
        failure_->code(),
        "the transaction is doomed since a statement of it failed, and can only be rolled back: " + failure_->message(),
        failure_->native().value_or(Error::Native{}), failure_->object());
  }
  if (streaming_) {
    throw Error(Code::misuse, "the rows of another statement are still being read on this connection");
  }
}

Error DuckSession::failed(ResultHandle& result, bool commits) {
  auto fault = fault_from_text(api().result_error(&result.get()));
  fault.type = api().result_error_type(&result.get());
  return failed(fault, commits);
}

Error DuckSession::failed(const Fault& fault, bool commits) {
  if (is_fatal(fault)) instance_->set_broken();
  if (is_fatal(fault) || is_exhaustion(fault)) healthy_ = false;
  if (fault.type == DUCKDB_ERROR_INTERRUPT && interrupter_.reason() != Interrupter::Reason::none) return interrupted();
  auto error = to_error(fault);
  if (commits && is_fatal(fault) && error.code() != Code::unavailable) {
    return Error(Code::unknown_outcome, "the engine failed while it committed: it may or may not be in the database",
                 *error.native());
  }
  return remembered(std::move(error));
}

Error DuckSession::remembered(Error error) {
  if (in_transaction_ && !failure_) failure_ = error;
  return error;
}

Error DuckSession::interrupted() {
  const bool timed_out = interrupter_.reason() == Interrupter::Reason::timed_out;
  return remembered(timed_out ? Error(Code::timeout, "the statement was stopped: its time is up")
                              : Error(Code::cancelled, "the statement was cancelled"));
}

void DuckSession::drop_stream() noexcept {
  streaming_ = false;
  // The engine ends what the connection was doing before it looks at the next text, here an empty one. It waits for its
  // threads to finish what they are at, which may be the whole of a long query unless they are interrupted.
  api().interrupt(connection());
  ResultHandle result(api());
  if (api().query(connection(), "", result.out()) != DuckDBSuccess) healthy_ = false;
}

void DuckSession::throw_transaction_text() {
  throw Error(Code::misuse, "a transaction is begun and ended by begin(), commit() and rollback(), not by SQL text");
}

void DuckSession::throw_no_savepoints() const {
  throw Error(Code::unsupported,
              "DuckDB has no savepoints, and any error ends the whole transaction: use one transaction "
              "a unit that may fail on its own");
}

}  // namespace tidelock::sql::duckdb

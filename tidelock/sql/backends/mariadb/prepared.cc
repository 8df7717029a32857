#include "tidelock/sql/backends/mariadb/prepared.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/mariadb/errors.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;

// How many rows that nobody wants are read, before the statement is killed instead.
constexpr int kDroppedRowsMost = 1000;
// The clock is looked at once for so many rows.
constexpr std::int64_t kRowsBetweenLooks = 128;
constexpr base::Duration kDropWithin = 10s;

}  // namespace

MariadbPrepared::MariadbPrepared(MariadbSession& session, std::string_view sql, base::Deadline deadline)
    : session_(session), sql_(sql), kind_(kind_of(sql, session.lexis())) {
  if (kind_.empty) throw Error(Code::statement_invalid, "there is no statement in " + base::quoted(sql));
  session_.begin_statement(kind_, sql_, std::min(deadline, session_.planning_deadline()));
  struct End {
    MariadbSession& session;
    ~End() { session.end_statement(); }
  } const end{session_};
  try {
    prepare_on_server();
  } catch (...) {
    if (statement_ != nullptr) session_.wire().close(statement_);
    throw;
  }
}

MariadbPrepared::~MariadbPrepared() {
  finish();
  if (statement_ != nullptr) session_.wire().close(statement_);
}

void MariadbPrepared::prepare_on_server() {
  auto& wire = session_.wire();
  if (statement_ != nullptr) wire.close(std::exchange(statement_, nullptr));
  if (wire.broken()) {
    throw session_.failure({.empty = false, .reads = true}, CR_SERVER_LOST, "the connection was lost before",
                           base::quoted(sql_));
  }
  session_.check_reading(sql_);
  statement_ = mysql_stmt_init(wire.get());
  if (statement_ == nullptr) throw Error(Code::io_error, "there is no memory left for a statement");
  mysql_stmt_attr_set(statement_, STMT_ATTR_CB_USER_DATA, this);
  mysql_stmt_attr_set(statement_, STMT_ATTR_CB_RESULT, reinterpret_cast<const void*>(&on_cell));
  described_ = 0;
  if (wire.prepare(statement_, sql_) != 0) {  // Nothing of it was run.
    throw session_.failure({.empty = false, .reads = true}, mysql_stmt_errno(statement_), mysql_stmt_error(statement_),
                           base::quoted(sql_));
  }
  generation_ = session_.generation();
  parameters_ = mysql_stmt_param_count(statement_);
  describe();
}

void MariadbPrepared::describe() {
  const auto count = mysql_stmt_field_count(statement_);
  const MYSQL_FIELD* const fields = count == 0 ? nullptr : mariadb_stmt_fetch_fields(statement_);
  const std::span<const MYSQL_FIELD> described(fields, count);
  if (generation_ == described_ && std::ranges::equal(columns_, described, [](const auto& column, const auto& field) {
        return column.is_of(field);
      }))
    return;
  described_ = generation_;
  columns_.clear();
  for (const auto& field : described) columns_.push_back(Column::of(field));
  cells_.assign(count, {});
  scratch_.resize(count);
}

std::string_view MariadbPrepared::column_name(std::size_t column) const { return columns_[column].name; }

Error MariadbPrepared::failure() {
  has_rows_ = false;
  // What happens while rows are read is told of the connection only.
  if (mysql_stmt_errno(statement_) == 0) {
    auto& wire = session_.wire();
    return session_.failure(kind_, wire.errno_(), wire.message(), base::quoted(sql_));
  }
  return session_.failure(kind_, mysql_stmt_errno(statement_), mysql_stmt_error(statement_), base::quoted(sql_));
}

void MariadbPrepared::start(std::span<const ValueView> values, base::Deadline deadline) {
  binds_.set(values);
  session_.check_size(binds_.bytes());
  session_.begin_statement(kind_, sql_, deadline);
  started_ = true;
  deadline_ = deadline;
  rows_ = changes_ = 0;
  whole_ = false;
  if (generation_ != session_.generation() || session_.wire().broken()) prepare_on_server();
  execute();
  const auto fields = mysql_stmt_field_count(statement_);
  if (fields != 0) {
    describe();  // The types of a column may follow those of the values.
    has_rows_ = true;
    whole_ = session_.writes_alone(kind_) && !session_.wire().has_more_results();
    if (whole_ && session_.wire().store_result(statement_) != 0) fail();
    return;
  }
  columns_.clear();
  described_ = 0;
  const auto affected = mysql_stmt_affected_rows(statement_);
  changes_ = affected == static_cast<my_ulonglong>(-1) ? 0 : static_cast<std::int64_t>(affected);
  end();
}

void MariadbPrepared::end() {
  if (!drop_more_results()) fail();
  session_.check_ended(kind_, sql_);
}

void MariadbPrepared::execute() {
  if (parameters_ != 0 && mysql_stmt_bind_param(statement_, binds_.get()) != 0) fail();
  if (session_.wire().execute(statement_) == 0) return;
  if (mysql_stmt_errno(statement_) != CR_NEW_STMT_METADATA) fail();
  execute_again();
}

// The table has other columns than when the statement was prepared, and the client library cannot read its rows.
void MariadbPrepared::execute_again() {
  if (kind_.may_write) {
    session_.wire().close(std::exchange(statement_, nullptr));  // With its rows; the next start() prepares it anew.
    generation_ = 0;
    throw Error(Code::unknown_outcome,
                "the columns of the table were changed meanwhile: the statement was applied, and its rows cannot be "
                "read: " +
                    base::quoted(sql_));
  }
  prepare_on_server();
  if (mysql_stmt_bind_param(statement_, binds_.get()) != 0 || session_.wire().execute(statement_) != 0) fail();
}

void MariadbPrepared::on_cell(void* self, unsigned column, unsigned char** row) {
  auto& prepared = *static_cast<MariadbPrepared*>(self);
  if (row == nullptr) {
    prepared.cells_[column] = {};
    return;
  }
  const unsigned char* at = *row;
  prepared.cells_[column] = take(prepared.columns_[column], &at);
  *row += at - *row;
}

// What a fetch that finds its row in a buffer does not notice.
void MariadbPrepared::look_at_clock() {
  auto& wire = session_.wire();
  if (wire.interrupted()) return;
  if (rows_ % kRowsBetweenLooks == 0 && !deadline_.is_never() && deadline_.passed(wire.runtime().now())) {
    wire.interrupt(Code::timeout);
  }
  wire.check_stop();
}

bool MariadbPrepared::next() {
  if (!has_rows_) return false;
  auto& wire = session_.wire();
  if (!whole_) look_at_clock();
  const int result = wire.fetch(statement_);
  if (result != 0 && result != MYSQL_NO_DATA) fail();
  has_rows_ = result == 0;
  // What wrote goes on where the kill came too late: to say that it was stopped would be to say that it was undone.
  if (wire.interrupted() && !kind_.may_write) {
    if (!drop_rows() || !drop_more_results()) fail();
    throw session_.interruption(base::quoted(sql_));
  }
  if (has_rows_) {
    ++rows_;
    return true;
  }
  if (!kind_.reads) changes_ = rows_;
  end();
  return false;
}

ValueView MariadbPrepared::value(std::size_t column) {
  return decode(columns_[column], cells_[column], scratch_[column]);
}

// Reads what is left, or kills the statement where that would take long and it has nothing else to do.
bool MariadbPrepared::drop_rows() noexcept {
  auto& wire = session_.wire();
  int result = has_rows_ ? 0 : MYSQL_NO_DATA;
  for (int dropped = 0; result == 0; ++dropped) {
    if (dropped == kDroppedRowsMost && !kind_.may_write && !wire.interrupted()) wire.interrupt(Code::cancelled);
    result = wire.fetch(statement_);
  }
  has_rows_ = false;
  return result == MYSQL_NO_DATA;
}

// A stored procedure may return several; the first one is what its caller sees.
bool MariadbPrepared::drop_more_results() noexcept {
  auto& wire = session_.wire();
  int result = 0;
  while ((result = wire.next_result(statement_)) == 0) {
    if (mysql_stmt_field_count(statement_) == 0) continue;
    wire.free_result(statement_);
    if (wire.errno_() != 0) return false;
  }
  return result < 0;
}

void MariadbPrepared::finish() noexcept {
  if (!std::exchange(started_, false)) return;
  auto& wire = session_.wire();
  if (has_rows_) {
    wire.begin(base::later(wire.runtime().now(), kDropWithin), true);
    try {
      if (!drop_rows()) fail();
      end();
    } catch (const Error& error) {
      session_.keep_failure(kind_, error);
    }
  }
  session_.end_statement();
}

}  // namespace tidelock::sql::mariadb

#include "tidelock/sql/backends/duckdb/prepared.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"

namespace tidelock::sql::duckdb {
namespace {

bool contains_word(std::string_view text, std::string_view lower_word) {
  const auto same = [](char a, char b) { return base::ascii::to_lower(a) == b; };
  return std::search(text.begin(), text.end(), lower_word.begin(), lower_word.end(), same) != text.end();
}

bool is_change(duckdb_statement_type type) {
  return type == DUCKDB_STATEMENT_TYPE_INSERT || type == DUCKDB_STATEMENT_TYPE_UPDATE ||
         type == DUCKDB_STATEMENT_TYPE_DELETE || type == kMergeStatement;
}

std::string name_of_column(const Api& api, duckdb_prepared_statement statement, idx_t index) {
  const char* text = api.prepared_statement_column_name(statement, index);
  std::string name = text != nullptr ? text : "";
  api.free(const_cast<char*>(text));
  return name;
}

// The engine gives a statement without rows one column all the same: how many rows it changed, or that it went well.
bool returns_rows(const Api& api, duckdb_prepared_statement statement, std::string_view sql) {
  const auto type = api.prepared_statement_type(statement);
  if (type == DUCKDB_STATEMENT_TYPE_SELECT || type == DUCKDB_STATEMENT_TYPE_EXPLAIN) return true;
  if (contains_word(sql, "returning")) return true;
  if (api.prepared_statement_column_count(statement) != 1) return true;
  const auto name = name_of_column(api, statement, 0);
  return name != "Count" && name != "Success" && name != "unknown";
}

// PRAGMA and CALL of something that has nothing to tell: one column, "Success", and no rows.
bool tells_success_only(const Api& api, duckdb_result& result, duckdb_statement_type type) {
  if (type != DUCKDB_STATEMENT_TYPE_PRAGMA && type != DUCKDB_STATEMENT_TYPE_CALL) return false;
  return api.column_count(&result) == 1 && std::string_view(api.column_name(&result, 0)) == "Success";
}

}  // namespace

DuckPrepared::DuckPrepared(DuckSession& session, StatementHandle statement, std::string_view sql)
    : session_(session),
      api_(session.api()),
      sql_(sql),
      statement_(std::move(statement)),
      parameters_(parameters_of(api_, statement_.get())),
      result_(api_),
      chunk_(api_) {
  if (!returns_rows(api_, statement_.get(), sql)) return;
  const auto count = api_.prepared_statement_column_count(statement_.get());
  for (idx_t i = 0; i < count; ++i) names_.push_back(name_of_column(api_, statement_.get(), i));
}

void DuckPrepared::start(std::span<const ValueView> values, base::Deadline deadline) {
  finish();
  session_.require_usable();
  for (std::size_t i = 0; i < values.size(); ++i) {
    bind_value(api_, statement_.get(), i + 1, parameters_[i], values[i]);
  }
  changes_ = 0;
  const bool planned_anew = parameters_.empty() && depends_on_data(api_.prepared_statement_type(statement_.get()));
  if (planned_anew) transaction_.emplace(session_);
  running_.emplace(session_.interrupter(), deadline);
  try {
    if (planned_anew) statement_ = session_.plan(sql_);
    session_.execute(statement_.get(), result_);
    open_result();
  } catch (...) {
    finish();
    throw;
  }
}

void DuckPrepared::open_result() {
  auto& result = result_.get();
  const auto type = api_.prepared_statement_type(statement_.get());
  const auto kind = api_.result_return_type(result);
  if (kind == DUCKDB_RESULT_TYPE_CHANGED_ROWS) changes_ = static_cast<std::int64_t>(api_.rows_changed(&result));
  names_.clear();
  if (kind != DUCKDB_RESULT_TYPE_QUERY_RESULT || tells_success_only(api_, result, type)) return complete();
  // INSERT … RETURNING and the like are run to the end and hold a row for each change.
  if (is_change(type)) changes_ = static_cast<std::int64_t>(api_.row_count(&result));
  streaming_ = api_.result_is_streaming(result);
  session_.set_streaming(streaming_);
  const auto count = api_.column_count(&result);
  for (idx_t i = 0; i < count; ++i) names_.push_back(columns_.emplace_back(api_, result, i).name());
  if (streaming_) return;
  if (transaction_) transaction_->commit();
  committed_ = is_change(type) && !session_.in_transaction();
}

bool DuckPrepared::next() {
  if (!running_) return false;
  if (!committed_ && session_.interrupter().reason() != Interrupter::Reason::none) stop(session_.interrupted());
  return ++row_ < rows_ || fetch();
}

bool DuckPrepared::fetch() {
  if (!committed_ && session_.interrupter().look() != Interrupter::Reason::none) stop(session_.interrupted());
  auto* chunk = api_.fetch_chunk(result_.get());
  if (chunk == nullptr) {  // The engine is through with it, well or not.
    session_.set_streaming(streaming_ = false);
    if (api_.result_error(&result_.get()) != nullptr) stop(session_.failed(result_));
    complete();
    return false;
  }
  chunk_ = ChunkHandle(api_, chunk);
  row_ = 0;
  rows_ = api_.data_chunk_get_size(chunk);
  for (idx_t i = 0; i < columns_.size(); ++i) columns_[i].attach(api_.data_chunk_get_vector(chunk, i));
  return rows_ > 0 || fetch();
}

void DuckPrepared::stop(const Error& error) {
  const auto copy = error;
  finish();
  throw copy;
}

void DuckPrepared::complete() {
  close();
  if (transaction_) transaction_->commit();
  transaction_.reset();
}

void DuckPrepared::finish() noexcept {
  close();
  transaction_.reset();
}

void DuckPrepared::close() noexcept {
  columns_.clear();
  chunk_.reset();
  result_.reset();
  if (std::exchange(streaming_, false)) session_.drop_stream();
  running_.reset();
  committed_ = false;
  row_ = rows_ = 0;
}

}  // namespace tidelock::sql::duckdb

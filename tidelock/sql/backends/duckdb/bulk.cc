#include "tidelock/sql/backends/duckdb/bulk.h"

#include <algorithm>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/duckdb/session.h"

namespace tidelock::sql::duckdb {
namespace {

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

// The columns of a table as the table writes them: the appender minds their case, SQL does not.
std::vector<std::string> columns_of(DuckSession& session, const TableName& name) {
  const auto& api = session.api();
  TableHandle table(api);
  if (api.table_description_create_ext(session.connection(), or_null(name.catalog), or_null(name.schema),
                                       name.table.c_str(), table.out()) != DuckDBSuccess) {
    const char* text = api.table_description_error(table.get());
    throw session.failed(Fault{DUCKDB_ERROR_CATALOG, text != nullptr ? text : "no table " + base::quoted(name.table)});
  }
  std::vector<std::string> columns;
  while (char* column = api.table_description_get_column_name(table.get(), columns.size())) {
    columns.emplace_back(column);
    api.free(column);
  }
  return columns;
}

}  // namespace

TableName TableName::parse(std::string_view text) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const bool doubled = quoted && i + 1 < text.size() && text[i + 1] == '"';
      if (doubled)
        parts.back() += text[i++];
      else
        quoted = !quoted;
    } else if (c == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  const bool empty = std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); });
  if (quoted || empty || parts.size() > 3 || text.find('\0') != text.npos) {
    throw Error(Code::invalid_argument,
                base::quoted(text) + R"( is no name of a table: write table, schema.table or "a table")");
  }
  TableName name;
  name.table = std::move(parts.back());
  if (parts.size() > 1) name.schema = std::move(parts[parts.size() - 2]);
  if (parts.size() > 2) name.catalog = std::move(parts[0]);
  return name;
}

DuckBulk::DuckBulk(DuckSession& session, std::string_view table, std::span<const std::string> columns)
    : session_(session), api_(session.api()), appender_(api_), chunk_(api_), capacity_(api_.vector_size()) {
  const auto name = TableName::parse(table);
  const auto known = columns_of(session_, name);
  check(api_.appender_create_ext(session_.connection(), or_null(name.catalog), or_null(name.schema), name.table.c_str(),
                                 appender_.out()));
  std::vector<std::string> names;
  for (const auto& column : columns) {
    const auto same = std::find_if(known.begin(), known.end(),
                                   [&](const auto& k) { return base::ascii::equal_ignoring_case(k, column); });
    if (same == known.end()) {
      throw session_.failed(Fault{DUCKDB_ERROR_BINDER, "table " + base::quoted(name.table) + " has no column " +
                                                           base::quoted(column) + "; it has " + base::listed(known)});
    }
    check(api_.appender_add_column(appender_.get(), same->c_str()));
    names.push_back(*same);
  }
  const auto count = api_.appender_column_count(appender_.get());
  if (columns.empty() && known.size() == count) names = known;  // Else some are generated, and cannot be told apart.
  std::vector<duckdb_logical_type> types;
  for (idx_t i = 0; i < count; ++i) {
    columns_.emplace_back(api_, TypeHandle(api_, api_.appender_column_type(appender_.get(), i)),
                          i < names.size() ? names[i] : "number " + std::to_string(i));
    types.push_back(columns_.back().chunk_type());
  }
  chunk_ = ChunkHandle(api_, api_.create_data_chunk(types.data(), types.size()));
  for (idx_t i = 0; i < count; ++i) columns_[i].attach(api_.data_chunk_get_vector(chunk_.get(), i));
}

// The appender's own end would insert what it holds.
DuckBulk::~DuckBulk() {
  if (appender_) api_.appender_clear(appender_.get());
}

void DuckBulk::append(std::span<const ValueView> row) {
  for (std::size_t i = 0; i < row.size(); ++i) columns_[i].write(row_, row[i]);
  if (++row_ == capacity_) hand_over();
}

void DuckBulk::finish() {
  if (row_ > 0) hand_over();
  run([&] { return api_.appender_close(appender_.get()); });
  appender_.reset();
}

void DuckBulk::hand_over() {
  api_.data_chunk_set_size(chunk_.get(), row_);
  run([&] { return api_.append_data_chunk(appender_.get(), chunk_.get()); });
  api_.data_chunk_reset(chunk_.get());
  for (idx_t i = 0; i < columns_.size(); ++i) columns_[i].attach(api_.data_chunk_get_vector(chunk_.get(), i));
  row_ = 0;
}

// As a statement, so that it can be cancelled and ends with its transaction's time.
template <typename Step>
void DuckBulk::run(Step step) {
  const Running running(session_.interrupter(), session_.transaction_deadline());
  check(step());
  if (session_.interrupter().reason() != Interrupter::Reason::none) throw session_.interrupted();
}

void DuckBulk::check(duckdb_state state) {
  if (state == DuckDBSuccess) return;
  const ErrorHandle error(api_, api_.appender_error_data(appender_.get()));
  const char* text = api_.error_data_message(error.get());
  throw session_.failed(Fault{api_.error_data_error_type(error.get()), text != nullptr ? text : ""});
}

}  // namespace tidelock::sql::duckdb

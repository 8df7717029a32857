#include "tidelock/batch/row_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/covered.h"
#include "tidelock/sql/upsert.h"

namespace tidelock::batch {
namespace {

constexpr std::size_t kBatchRowsMax = 64;

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

}  // namespace

RowWriter::RowWriter(sql::Database& store, const Write& write, std::vector<std::string> columns)
    : write_(write), columns_(std::move(columns)) {
  const auto& dialect = store.dialect();
  for (const auto& key : write_.key) {
    if (std::ranges::find(columns_, key) == columns_.end()) {
      throw Error(Code::invalid_argument,
                  fmt::format("the key {} is none of the columns {}", base::quoted(key), base::listed(columns_)));
    }
  }
  std::vector<std::string> quoted;
  for (const auto& column : columns_) quoted.push_back(dialect.quote(column));
  check_sql_ = fmt::format("select {} from {} where 1 = 0", joined(quoted, ", "), write_.table);
  check_table(store);

  if (write_.kind == Write::Kind::upsert) {
    // A statement costs more than a row where it is planned anew each time, or is a round trip.
    if (dialect.engine == "duckdb" || dialect.is_server) batch_rows_ = kBatchRowsMax;
    one_sql_ = upsert_sql(dialect, 1);
    batch_sql_ = upsert_sql(dialect, batch_rows_);
  } else if (write_.kind == Write::Kind::update) {
    one_sql_ = update_sql(dialect);
  }
}

// Without a step SQLite would not notice that a statement which it knows has become wrong.
void RowWriter::check_table(sql::Database& store) const {
  store.connect().query(check_sql_).next();
  sql::require_covered(store, write_.table);
}

bool RowWriter::is_key(const std::string& column) const {
  return std::ranges::find(write_.key, column) != write_.key.end();
}

std::string RowWriter::upsert_sql(const sql::Dialect& dialect, std::size_t rows) const {
  std::vector<std::string> changes;
  std::ranges::remove_copy_if(columns_, std::back_inserter(changes), [&](const auto& each) { return is_key(each); });
  return sql::upsert_statement(
      dialect, {.table = write_.table, .columns = columns_, .key = write_.key, .update = std::move(changes)}, rows);
}

std::string RowWriter::update_sql(const sql::Dialect& dialect) const {
  std::vector<std::string> keys;
  std::vector<std::string> changes;
  for (const auto& column : columns_) (is_key(column) ? keys : changes).push_back(dialect.quote(column) + " = ?");
  return fmt::format("update {} set {} where {}", write_.table, joined(changes, ", "), joined(keys, " and "));
}

std::vector<std::size_t> RowWriter::write(sql::Transaction& tx, const Chunk& chunk, RowRange range,
                                          bool one_by_one) const {
  switch (write_.kind) {
    case Write::Kind::insert:
      insert(tx, chunk, range);
      return {};
    case Write::Kind::upsert:
      upsert(tx, chunk, range, one_by_one ? 1 : batch_rows_);
      return {};
    case Write::Kind::update:
      return update(tx, chunk, range);
  }
  return {};
}

void RowWriter::insert(sql::Transaction& tx, const Chunk& chunk, RowRange range) const {
  if (range.size() == 0) return;
  auto bulk = tx.bulk(write_.table, columns_);
  for (auto i = range.begin; i < range.end; ++i) bulk.append_values(chunk.row(i));
  bulk.finish();
}

void RowWriter::upsert(sql::Transaction& tx, const Chunk& chunk, RowRange range, std::size_t batch_rows) const {
  std::vector<sql::ValueView> values;
  auto i = range.begin;
  for (; batch_rows > 1 && i + batch_rows <= range.end; i += batch_rows) {
    values.clear();
    for (auto row = i; row < i + batch_rows; ++row) {
      const auto of_row = chunk.row(row);
      values.insert(values.end(), of_row.begin(), of_row.end());
    }
    tx.execute_values(batch_sql_, values);
  }
  if (i == range.end) return;
  auto statement = tx.prepare(one_sql_);
  for (; i < range.end; ++i) statement.execute_values(chunk.row(i));
}

std::vector<std::size_t> RowWriter::update(sql::Transaction& tx, const Chunk& chunk, RowRange range) const {
  std::vector<std::size_t> missing;
  if (range.size() == 0) return missing;
  auto statement = tx.prepare(one_sql_);
  std::vector<sql::ValueView> values;
  for (auto i = range.begin; i < range.end; ++i) {
    const auto row = chunk.row(i);
    values.clear();
    for (const bool keys : {false, true}) {
      for (std::size_t column = 0; column < columns_.size(); ++column) {
        if (is_key(columns_[column]) == keys) values.push_back(row[column]);
      }
    }
    if (statement.execute_values(values) == 0) missing.push_back(i);
  }
  return missing;
}

}  // namespace tidelock::batch

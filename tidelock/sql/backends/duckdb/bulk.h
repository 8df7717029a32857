// Many rows into one table, through the engine's appender.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/column_writer.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::duckdb {

class DuckSession;

// The parts of a table's name as SQL reads them: shop.main."order lines".
struct TableName {
  std::string catalog;  // Empty: the current one.
  std::string schema;   // Empty: the current one.
  std::string table;

  // Error: invalid_argument for a name that SQL could not read.
  static TableName parse(std::string_view text);
};

// Rows are collected in a chunk of the engine's own layout and handed over 2048 at a time; the appender inserts about
// 200 000 at a time, so an error of the engine may come that many rows late. Columns that are not named get their
// defaults.
class DuckBulk final : public Bulk {
 public:
  // `columns` empty: all of the table. Errors: statement_invalid for a table or column that does not exist.
  DuckBulk(DuckSession& session, std::string_view table, std::span<const std::string> columns);
  ~DuckBulk() override;

  void append(std::span<const ValueView> row) override;
  void finish() override;

 private:
  void hand_over();
  template <typename Step>
  void run(Step step);
  void check(duckdb_state state);

  DuckSession& session_;
  const Api& api_;
  AppenderHandle appender_;
  ChunkHandle chunk_;
  std::vector<ColumnWriter> columns_;
  idx_t row_ = 0;  // The next one in the chunk.
  idx_t capacity_;
};

}  // namespace tidelock::sql::duckdb

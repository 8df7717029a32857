// A prepared statement of a DuckDB session, and the cursor over its rows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/bind.h"
#include "tidelock/sql/backends/duckdb/column_reader.h"
#include "tidelock/sql/backends/duckdb/session.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::duckdb {

// Rows are streamed by chunks of 2048: the engine works ahead as far as its buffer reaches (about 1 MB) and then waits,
// so memory is constant whatever the number of rows. What the engine cannot stream (INSERT … RETURNING, PRAGMA, …) it
// collects first.
class DuckPrepared final : public Prepared {
 public:
  DuckPrepared(DuckSession& session, StatementHandle statement, std::string_view sql);
  ~DuckPrepared() override { finish(); }

  std::size_t parameter_count() const override { return parameters_.size(); }
  // Before the first start() of a statement whose columns depend on its parameters: a guess.
  std::size_t column_count() const override { return names_.size(); }
  std::string_view column_name(std::size_t column) const override { return names_.at(column); }
  void start(std::span<const ValueView> values, base::Deadline deadline) override;
  bool next() override;
  ValueView value(std::size_t column) override { return columns_[column].value(row_); }
  std::int64_t changes() const override { return changes_; }
  void finish() noexcept override;

 private:
  void open_result();
  // Ends the execution, and commits what is the statement's own. Error: those of a commit.
  void complete();
  void close() noexcept;
  bool fetch();
  [[noreturn]] void stop(const Error& error);

  DuckSession& session_;
  const Api& api_;
  const std::string sql_;
  StatementHandle statement_;
  std::vector<Parameter> parameters_;
  std::vector<std::string> names_;  // Of the columns.

  // Of the current execution.
  std::optional<StatementTransaction> transaction_;
  bool committed_ = false;  // Its rows are in memory, and nothing undoes it any more.
  std::optional<Running> running_;
  ResultHandle result_;
  ChunkHandle chunk_;
  std::vector<ColumnReader> columns_;
  idx_t row_ = 0;   // In the chunk.
  idx_t rows_ = 0;  // Of the chunk.
  bool streaming_ = false;
  std::int64_t changes_ = 0;
};

}  // namespace tidelock::sql::duckdb

// Rows of a chunk into their table.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tidelock/batch/job.h"
#include "tidelock/batch/row_reader.h"
#include "tidelock/sql/database.h"

namespace tidelock::batch {

// Rows `begin` up to `end` of a chunk.
struct RowRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

// Used by one task.
class RowWriter {
 public:
  // Looks whether the table has these columns. Errors: invalid_argument for a key that is no column; those of
  // check_table().
  RowWriter(sql::Database& store, const Write& write, std::vector<std::string> columns);

  // Looks again. Errors: what the engine says about the table; unsupported for one that no transaction covers.
  void check_table(sql::Database& store) const;

  // Writes them in the transaction, one statement a row where `one_by_one`. Returns the rows of an update that found
  // nothing. Errors: those of the engine.
  std::vector<std::size_t> write(sql::Transaction& tx, const Chunk& chunk, RowRange range, bool one_by_one) const;

  // Whether write() does something else without one_by_one: an error of one row may then be another one's.
  bool batches() const { return batch_rows_ > 1; }

 private:
  std::string upsert_sql(const sql::Dialect& dialect, std::size_t rows) const;
  std::string update_sql(const sql::Dialect& dialect) const;
  bool is_key(const std::string& column) const;
  void insert(sql::Transaction& tx, const Chunk& chunk, RowRange range) const;
  void upsert(sql::Transaction& tx, const Chunk& chunk, RowRange range, std::size_t batch_rows) const;
  std::vector<std::size_t> update(sql::Transaction& tx, const Chunk& chunk, RowRange range) const;

  const Write write_;
  const std::vector<std::string> columns_;
  std::string check_sql_;
  std::size_t batch_rows_ = 1;
  std::string one_sql_;    // Of an upsert or update.
  std::string batch_sql_;  // Of an upsert of batch_rows_.
};

}  // namespace tidelock::batch

// Rows into a table by MariaDB's bulk protocol: one prepared insert that is sent with thousands of rows at a time.
//
// It is as fast as LOAD DATA LOCAL INFILE, needs no permission to read files, and a row that the table refuses is an
// error, where LOAD DATA LOCAL turns it into a warning (docs/decisions/mariadb-bulk.md).
#pragma once

#include <mysql.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/mariadb/session.h"
#include "tidelock/sql/backends/mariadb/types.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::mariadb {

class MariadbBulk final : public Bulk {
 public:
  MariadbBulk(MariadbSession& session, std::string_view table, std::span<const std::string> columns);
  ~MariadbBulk() override;
  void append(std::span<const ValueView> row) override;
  void finish() override { flush(); }

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };
  ValueView keep(const ValueView& value);
  const char* keep(const char* data, std::size_t size);
  void flush();
  static my_bool on_row(void* self, MYSQL_BIND* binds, unsigned row);

  MariadbSession& session_;
  std::string sql_;
  StatementKind kind_{.empty = false};
  MYSQL_STMT* statement_ = nullptr;
  const std::size_t bytes_most_;  // Of a batch, as they are sent.
  std::size_t columns_;
  std::vector<Kind> kinds_;        // Of each column in this batch; null: nothing else so far.
  std::vector<ValueView> values_;  // Row by row; their texts lie in the blocks.
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;      // That they are sent as, at most.
  std::vector<Block> blocks_;  // The first one is used again for the next batch.
  std::size_t used_ = 0;       // Of the last block.
  std::vector<MYSQL_TIME> times_;
  std::vector<ShortText> texts_;
};

}  // namespace tidelock::sql::mariadb

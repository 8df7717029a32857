// One prepared statement on a MariaDB server and its execution.
#pragma once

#include <mysql.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/mariadb/session.h"
#include "tidelock/sql/backends/mariadb/types.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::mariadb {

class MariadbPrepared final : public Prepared {
 public:
  // Prepares until the deadline, and no longer than planning may take.
  MariadbPrepared(MariadbSession& session, std::string_view sql, base::Deadline deadline);
  ~MariadbPrepared() override;

  std::size_t parameter_count() const override { return parameters_; }
  std::size_t column_count() const override { return columns_.size(); }
  std::string_view column_name(std::size_t column) const override;
  void start(std::span<const ValueView> values, base::Deadline deadline) override;
  bool next() override;
  ValueView value(std::size_t column) override;
  std::int64_t changes() const override { return changes_; }
  void finish() noexcept override;

 private:
  void prepare_on_server();
  void describe();
  void execute();
  void execute_again();
  void look_at_clock();
  bool drop_rows() noexcept;          // False: failure() says why the statement failed meanwhile.
  bool drop_more_results() noexcept;  //
  void end();                         // It has run, but for the results that nobody asked for.
  Error failure();
  [[noreturn]] void fail() { throw failure(); }
  static void on_cell(void* self, unsigned column, unsigned char** row);

  MariadbSession& session_;
  const std::string sql_;
  const StatementKind kind_;
  MYSQL_STMT* statement_ = nullptr;
  std::uint64_t generation_ = 0;
  std::uint64_t described_ = 0;  // The generation that columns_ are of.
  std::size_t parameters_ = 0;
  std::vector<Column> columns_;
  std::vector<Cell> cells_;
  std::vector<ShortText> scratch_;
  Binds binds_;
  base::Deadline deadline_ = base::Deadline::never();
  bool started_ = false;
  bool has_rows_ = false;  // There are some on the way.
  bool whole_ = false;     // They are all here, and the statement has run.
  std::int64_t rows_ = 0;
  std::int64_t changes_ = 0;
};

}  // namespace tidelock::sql::mariadb

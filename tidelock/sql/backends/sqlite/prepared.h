// One SQLite statement and its execution.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/sqlite/handle.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::sqlite {

class SqliteSession;

class SqlitePrepared final : public Prepared {
 public:
  SqlitePrepared(SqliteSession& session, std::string_view sql);

  std::size_t parameter_count() const override;
  std::size_t column_count() const override { return kinds_.size(); }
  std::string_view column_name(std::size_t column) const override;
  void start(std::span<const ValueView> values, base::Deadline deadline) override;
  bool next() override;
  ValueView value(std::size_t column) override;
  std::int64_t changes() const override { return changes_; }
  void finish() noexcept override;

 private:
  void describe();
  void bind(std::span<const ValueView> values);
  void bind_text(int number, std::string_view text);
  std::string_view keep(std::string_view text);
  ValueView text_value(std::string_view text, Kind kind) const;
  bool step();

  SqliteSession& session_;
  Handle& handle_;
  StatementHandle statement_;
  bool writes_;
  std::vector<Kind> kinds_;  // Of the columns, by declared type; Kind::null says nothing.
  int prepared_anew_ = 0;    // How often SQLite did that by itself, for a schema that changed.
  bool stepped_ = false;
  bool autocommitted_ = false;
  std::int64_t total_before_ = 0;
  std::int64_t changes_ = 0;
  // Texts and blobs of the values, for as long as the execution may read them.
  std::string kept_;
};

}  // namespace tidelock::sql::sqlite

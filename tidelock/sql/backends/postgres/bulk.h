// Rows into a table by COPY in its binary form: https://www.postgresql.org/docs/15/sql-copy.html
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/driver.h"

namespace tidelock::sql::postgres {

class PostgresSession;

class PostgresBulk final : public Bulk {
 public:
  PostgresBulk(PostgresSession& session, std::string_view table, std::span<const std::string> columns);
  ~PostgresBulk() override;
  PostgresBulk(const PostgresBulk&) = delete;
  PostgresBulk& operator=(const PostgresBulk&) = delete;

  void append(std::span<const ValueView> row) override;
  void finish() override;

 private:
  void find_types(const std::string& select);
  void begin_copy(const std::string& copy);
  void send();
  void end() noexcept;

  PostgresSession& session_;
  std::string about_;
  std::vector<std::string> columns_;
  std::vector<unsigned> types_;
  std::string buffer_;
  bool copying_ = false;
};

}  // namespace tidelock::sql::postgres

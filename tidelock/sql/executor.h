// What runs statements: the common part of Connection and Transaction, for helpers that work on either.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/sql/bulk_writer.h"
#include "tidelock/sql/dialect.h"
#include "tidelock/sql/guard.h"
#include "tidelock/sql/statement.h"

namespace tidelock::sql {

// Used by one task at a time. Values stand for the `?` of the text, in order; see placeholders.h and convert.h.
// Errors of every call: those of Statement, and statement_invalid for text that is not exactly one statement.
class Executor {
 public:
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Rows changed. Statements are prepared once per connection and text (DatabaseOptions::statement_cache).
  template <typename... Args>
  std::int64_t execute(std::string_view sql, const Args&... args) {
    return execute_values(sql, Values(sql::bind(args...), secrets_of<Args...>()));
  }
  template <typename... Args>
  Rows query(std::string_view sql, const Args&... args) {
    return query_values(sql, Values(sql::bind(args...), secrets_of<Args...>()));
  }
  // The one column of the one row. Errors: not_found without a row; invalid_argument for a second row or column.
  template <typename T, typename... Args>
  T one(std::string_view sql, const Args&... args) {
    auto value = maybe<T>(sql, args...);
    if (!value) throw_no_row(sql);
    return *std::move(value);
  }
  // The same, and empty without a row. A null needs T = std::optional<…>.
  template <typename T, typename... Args>
  std::optional<T> maybe(std::string_view sql, const Args&... args) {
    static_assert(!kBorrows<T>, "the row is gone when this returns: take an owning type");
    Rows rows = query_values(sql, Values(sql::bind(args...), secrets_of<Args...>()));
    if (rows.column_count() != 1) throw_not_one(sql, "column", rows.column_count());
    if (!rows.next()) return std::nullopt;
    std::optional<T> value(rows.row().template get<T>(0));
    if (rows.next()) throw_not_one(sql, "row", 2);
    return value;
  }

  std::int64_t execute_values(std::string_view sql, const Values& values);
  Rows query_values(std::string_view sql, const Values& values);
  Statement prepare(std::string_view sql);
  // Several statements separated by ';', without values and rows. Outside a transaction those before a failed one stay.
  // Error: statement_invalid for a parameter.
  void script(std::string_view sql);
  // Rows into one table by the engine's fastest way; see BulkWriter.
  BulkWriter bulk(std::string_view table, std::vector<std::string> columns);

  // Its server turned out to be the wrong one, as one that was demoted: neither this connection nor one that was opened
  // before now is given to anybody else. Called by itself when a write is refused as read_only_server.
  void pass_over() noexcept;

  const Dialect& dialect() const;
  base::Runtime& runtime() const;

 protected:
  Executor(Link* link, std::uint64_t scope) : link_(link), scope_(scope) {}
  ~Executor() = default;
  Link& link() const;  // Error: misuse after its end.

  Link* link_;  // Null once moved from or ended.
  std::uint64_t
      scope_;  // Which connection or transaction this is, unique in its Database. The Link knows which one is on.

 private:
  friend Permission allow(Executor& on, Rules rules);
  [[noreturn]] static void throw_no_row(std::string_view sql);
  [[noreturn]] static void throw_not_one(std::string_view sql, std::string_view what, std::size_t count);
};

}  // namespace tidelock::sql

// Running statements: prepared statements, rows and cancelling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/sql/convert.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql {

class Link;              // A connection of the pool; see link.h.
class Pool;              // See pool.h.
struct CachedStatement;  // See statement_cache.h.

// What a Link executes now, for the fast way through Rows and Row.
struct Cursor {
  Prepared* prepared = nullptr;
  std::uint64_t execution = 0;  // Changes with each execution; 0 when none runs.
  std::size_t columns = 0;
};

// The current row of a Rows; a reference to it, not a copy: valid until the next row is asked for.
class Row {
 public:
  explicit Row(const Cursor& cursor) : cursor_(&cursor), execution_(cursor.execution) {}

  // Column numbers start at 0. What is convertible to what stands in convert.h.
  // Errors: invalid_argument for another kind, a null or a value out of range (with the column and both kinds) or a
  // column that does not exist; misuse after the end of its Rows.
  template <typename T>
  T get(std::size_t column) const {
    const ValueView value = at(column);
    if constexpr (kIsOptional<T>) {
      if (std::holds_alternative<Null>(value)) return std::nullopt;
      auto converted = try_convert<typename T::value_type>(value);
      if (!converted) throw_mismatch(value, kTypeName<typename T::value_type>, column);
      return converted;
    } else {
      auto converted = try_convert<T>(value);
      if (!converted) [[unlikely]]
        throw_mismatch(value, kTypeName<T>, column);
      return *std::move(converted);
    }
  }
  template <typename T>
  T get(std::string_view column) const {
    return get<T>(column_number(column));
  }
  ValueView operator[](std::size_t column) const { return at(column); }
  bool is_null(std::size_t column) const { return std::holds_alternative<Null>(at(column)); }

  std::size_t size() const { return cursor_->columns; }
  std::string_view column_name(std::size_t column) const;
  std::size_t column_number(std::string_view name) const;  // Error: invalid_argument, names the columns there are.

 private:
  ValueView at(std::size_t column) const {
    if (cursor_->execution != execution_ || column >= cursor_->columns) [[unlikely]]
      throw_no_such_column(column);
    return cursor_->prepared->value(column);
  }
  [[noreturn]] void throw_no_such_column(std::size_t column) const;
  [[noreturn]] void throw_mismatch(const ValueView& value, std::string_view wanted, std::size_t column) const;

  const Cursor* cursor_;
  std::uint64_t execution_;
};

// A running query. Rows arrive as they are read; memory stays constant whatever their number. Destroying it ends the
// query. While it runs its connection runs nothing else (Error: misuse). Belongs to one task at a time.
// A statement that writes and returns rows (insert … returning) outside a transaction is committed behind its last row:
// that it was, is known when next() returned false. Destroyed before, it is still carried out, and nobody hears whether
// its commit failed. That is SQLite; elsewhere it is committed, and its rows are in memory, before the first one is
// given.
class Rows {
 public:
  class Iterator {
   public:
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Rows* rows) : rows_(rows) {}
    Row operator*() const { return rows_->row(); }
    Iterator& operator++() {
      rows_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& i, std::default_sentinel_t) { return i.rows_->finished(); }

   private:
    Rows* rows_;
  };

  Rows(Rows&& other) noexcept
      : link_(std::exchange(other.link_, nullptr)), cursor_(other.cursor_), execution_(other.execution_) {}
  Rows& operator=(Rows&& other) noexcept {
    if (this != &other) {
      finish();
      link_ = std::exchange(other.link_, nullptr);
      cursor_ = other.cursor_;
      execution_ = other.execution_;
    }
    return *this;
  }
  ~Rows() { finish(); }

  // True when there is a row, which row() then gives; false at the end, and the query is over.
  // Errors: those of the statement; misuse after the end.
  bool next();
  Row row() const {  // Error: misuse when there is none.
    check();
    return Row(*cursor_);
  }
  std::size_t column_count() const;  // 0 for a statement that returns no rows, which has run by now.
  std::string_view column_name(std::size_t column) const;
  std::int64_t changes() const;  // Rows inserted, updated or deleted by a statement that returns none.
  bool finished() const { return link_ == nullptr; }
  // Ends the query now; its connection is free again. Never throws; may be called twice.
  void finish() noexcept {
    if (Link* const link = std::exchange(link_, nullptr)) end(*link);
  }

  // for (auto row : connection.query("select …")) …
  Iterator begin() {
    next();
    return Iterator(this);
  }
  static std::default_sentinel_t end() { return {}; }

 private:
  friend class Link;
  Rows(Link& link, const Cursor& cursor) : link_(&link), cursor_(&cursor), execution_(cursor.execution) {}
  void check() const {
    if (link_ == nullptr || cursor_->execution != execution_) [[unlikely]]
      throw_over();
  }
  [[noreturn]] void throw_over() const;
  void end(Link& link) noexcept;

  Link* link_;  // Null once over.
  const Cursor* cursor_;
  std::uint64_t execution_;
};

// A statement that is prepared once and run many times. Ends with the Connection or Transaction that prepared it, whose
// task uses it.
// Errors of every run: invalid_argument for a wrong count of values (says both), for text with a NUL byte or that is
// not UTF-8; misuse after the end of its Connection or Transaction or while a Rows runs; what the engine refuses.
class Statement {
 public:
  // Rows changed. Rows returned, if any, are passed over.
  template <typename... Args>
  std::int64_t execute(const Args&... args) {
    return execute_values(Values(sql::bind(args...), secrets_of<Args...>()));
  }
  template <typename... Args>
  Rows query(const Args&... args) {
    return query_values(Values(sql::bind(args...), secrets_of<Args...>()));
  }
  std::int64_t execute_values(const Values& values);
  Rows query_values(const Values& values);
  std::size_t parameter_count() const;

 private:
  friend class Executor;
  Statement(Link& link, std::uint64_t scope, std::shared_ptr<CachedStatement> statement)
      : link_(&link), scope_(scope), statement_(std::move(statement)) {}

  Link* link_;
  std::uint64_t scope_;
  std::shared_ptr<CachedStatement> statement_;
};

// Stops what a Connection runs, from any task: the statement fails with Code::cancelled. Does nothing when none runs,
// or once the Connection is gone. Thread-safe; copies are equal.
class Canceller {
 public:
  void cancel() const noexcept;

 private:
  friend class Connection;
  Canceller(std::shared_ptr<Pool> pool, Link& link, std::uint64_t lease)
      : pool_(std::move(pool)), link_(&link), lease_(lease) {}

  std::shared_ptr<Pool> pool_;
  Link* link_;
  std::uint64_t lease_;
};

}  // namespace tidelock::sql

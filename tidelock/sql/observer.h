// Sees every statement of a Database: for the spy, metrics and tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/dialect.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql {

enum class Category : std::uint8_t { statement, script, bulk, begin, commit, rollback, savepoint };

// Borrowed for the call.
struct StatementEvent {
  const void* execution;  // The same in on_start() and on_statement(); no other that runs has it, of any Database.
  Category category;
  std::string_view database;  // Its name(): the URL, without secrets.
  const Dialect& dialect;
  std::uint64_t connection;           // Unique in its Database.
  std::uint64_t transaction;          // 0 outside a transaction; unique in its Database.
  std::string_view sql;               // As the caller wrote it.
  std::span<const ValueView> values;  // A base::Secret is the text ***.
  bool has_secrets;                   // One of them was a base::Secret: the engine's words about it may repeat it.
  std::int64_t rows;                  // Read, or changed by a statement without rows.
  base::Instant started;
  std::chrono::microseconds elapsed;  // Until the last row was read or the statement was given up.
  const Error* error;                 // Null when it went well.
  base::Runtime& runtime;             // Its context() holds the task's values: run, step, trace.
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Called in the task that runs the statement, before it; on_statement() follows, always. Rows, elapsed and error say
  // nothing yet. What is refused before the engine sees it is not announced. Must be quick and thread-safe.
  virtual void on_start(const StatementEvent& event) noexcept;
  // Called in the task that ran the statement, after it. Must be quick and thread-safe.
  virtual void on_statement(const StatementEvent& event) noexcept = 0;
  // A Database will call it from now on; on_removed() follows, in the end.
  virtual void on_observed() noexcept;
  // Database::observe() put another one, or nobody, in its place, or that Database ends: it is called no more but by
  // statements that run already, when they are over. May take a moment.
  virtual void on_removed() noexcept;
  // An after-commit hook of this transaction threw. The commit stands.
  virtual void on_hook_error(std::uint64_t transaction, const std::exception& error) noexcept;
};

}  // namespace tidelock::sql

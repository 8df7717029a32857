// One entry of the spy's log, kept until it is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/base/unit_of_work.h"
#include "tidelock/sql/spy/statement_text.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql::spy {

// P6Spy's categories, by its names:
//   error      a statement, commit, … that failed
//   warn       the spy itself: entries were lost; an after-commit hook threw
//   info       the begin of a transaction, and savepoints
//   batch      a bulk writer's rows
//   outage     a statement that is still running
//   statement, commit, rollback
// debug, resultset and result exist for configurations that name them: rows are counted, not copied.
enum class LogCategory : std::uint8_t {
  error,
  warn,
  info,
  debug,
  batch,
  statement,
  resultset,
  commit,
  rollback,
  result,
  outage,
};
inline constexpr std::size_t kCategories = 11;
std::string_view name(LogCategory category);
std::optional<LogCategory> find_category(std::string_view name);  // Without regard to case.
std::vector<std::string> category_names();

// Plain data. Secrets are masked already.
struct Record {
  LogCategory category = LogCategory::statement;
  base::WallTime time{};  // When it ended; of an outage, when it was looked at.
  std::chrono::microseconds elapsed{0};
  std::shared_ptr<const StatementText> statement;  // Empty text: commit, rollback.
  std::uint64_t connection = 0;                    // Unique in its database. 0: of the spy itself.
  std::uint64_t transaction = 0;                   // 0: none.
  std::vector<Value> values{};
  std::int64_t rows = 0;
  std::string error{};  // What went wrong; of a warning, what it says.
  base::UnitOfWork work{};
};

}  // namespace tidelock::sql::spy

// A real DuckDB database for one test, below the pool: sessions and statements as the room's core uses them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/backends/duckdb/driver.h"
#include "tidelock/sql/convert.h"

namespace tidelock::sql::duckdb::testing {

constexpr auto kNever = base::Deadline::never();

// Runs it; rows are dropped. Returns the rows changed.
template <typename... Args>
std::int64_t run(Session& session, std::string_view sql, const Args&... args) {
  const auto statement = session.prepare(sql, base::Deadline::never());
  statement->start(sql::bind(args...), kNever);
  while (statement->next()) {
  }
  const auto changes = statement->changes();
  statement->finish();
  return changes;
}

// The first column of the first row.
template <typename... Args>
Value one(Session& session, std::string_view sql, const Args&... args) {
  const auto statement = session.prepare(sql, base::Deadline::never());
  statement->start(sql::bind(args...), kNever);
  if (!statement->next()) return std::string("no row");
  return to_value(statement->value(0));
}

template <typename... Args>
std::int64_t number(Session& session, std::string_view sql, const Args&... args) {
  return std::get<std::int64_t>(one(session, sql, args...));
}

// The Error that it throws; a failure of the test when there is none.
template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no tidelock::Error was thrown";
  return Error(Code::internal, "nothing was thrown");
}

class DuckDbTest : public ::testing::Test {
 protected:
  Settings settings(std::string_view file = "test.duckdb") const {
    Settings settings;
    settings.path = (folder_ / file).string();
    return settings;
  }
  std::unique_ptr<DuckDriver> open(const Settings& settings) {
    return std::make_unique<DuckDriver>(runtime_, files_, settings);
  }
  // Of a database in a file that is made when first asked for.
  DuckDriver& driver() {
    if (driver_ == nullptr) driver_ = open(settings());
    return *driver_;
  }
  std::unique_ptr<Session> session() { return driver().open(kNever, {}); }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder folder_;
  std::unique_ptr<DuckDriver> driver_;
};

}  // namespace tidelock::sql::duckdb::testing

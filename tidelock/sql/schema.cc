#include "tidelock/sql/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/backoff.h"
#include "tidelock/sql/covered.h"
#include "tidelock/sql/transact.h"
#include "tidelock/sql/upsert.h"

namespace tidelock::sql {
namespace {

constexpr std::string_view kVersion = "select version from tidelock_schema where room = ?";

// Empty when there is no such table, or nothing in it for this room.
std::optional<std::int64_t> find_version(Database& database, const Schema& schema, base::Deadline deadline) {
  try {
    return database.connect(deadline).maybe<std::int64_t>(kVersion, schema.room);
  } catch (const Error& error) {
    if (error.code() == Code::statement_invalid) return std::nullopt;
    throw;
  }
}

// The steps that are left to do. `where`: for the message.
std::span<const std::string_view> steps_after(std::int64_t version, const Schema& schema, std::string_view where) {
  const auto known = static_cast<std::int64_t>(schema.steps.size());
  if (version > known) {
    throw Error(Code::newer_schema,
                fmt::format("the {} tables in {} are of version {}, and this program knows versions up to {}: use a "
                            "newer Tidelock",
                            schema.room, where, version, known));
  }
  return schema.steps.subspan(static_cast<std::size_t>(version));
}

void check_is_known(std::int64_t version, const Schema& schema, std::string_view where) {
  if (steps_after(version, schema, where).empty()) return;
  throw Error(Code::unsupported, fmt::format("the {} tables in {} are of version {}, and this program reads version "
                                             "{}: they are brought up to date when they are first written",
                                             schema.room, where, version, schema.steps.size()));
}

// Room for the name of a room: engines of servers want to know how long a key may become.
constexpr std::string_view kSchemaTable =
    "create table if not exists tidelock_schema (room varchar(64) primary key not null, version integer not null)";

void migrate_in(Transaction& tx, const Schema& schema, std::string_view where) {
  tx.execute(kSchemaTable);
  const auto version = tx.maybe<std::int64_t>(kVersion, schema.room);
  const auto steps = steps_after(version.value_or(0), schema, where);
  if (steps.empty()) return;
  for (const auto& step : steps) tx.script(step);
  if (version) {
    tx.execute("update tidelock_schema set version = ? where room = ?", schema.steps.size(), schema.room);
  } else {
    tx.execute("insert into tidelock_schema (room, version) values (?, ?)", schema.room, schema.steps.size());
  }
}

// Each statement is committed by itself, the version last: what was left half-done is done again from its beginning.
void migrate_stepwise(Connection& connection, const Schema& schema, std::string_view where) {
  make_covered(connection);
  connection.execute(kSchemaTable);
  const auto version = connection.maybe<std::int64_t>(kVersion, schema.room);
  for (const auto& step : steps_after(version.value_or(0), schema, where)) connection.script(step);
  const Upsert row{.table = "tidelock_schema", .columns = {"room", "version"}, .key = {"room"}, .update = {"version"}};
  connection.execute(upsert_statement(connection.dialect(), row), schema.room, schema.steps.size());
}

void make_tables(Database& database, const Schema& schema, base::Deadline deadline) {
  if (!database.dialect().transactional_ddl) {
    auto connection = database.connect(deadline);
    return migrate_stepwise(connection, schema, database.name());
  }
  const auto left = deadline.left(database.runtime().now());
  const TransactOptions options{
      .isolation = std::nullopt,
      .read_only = false,
      .timeout = deadline.is_never() ? kNoTimeout : std::max(left, base::Duration(std::chrono::milliseconds(1))),
      .retry = {.max_attempts = 10},
      .stop = {},
  };
  transact(database, options, [&](Transaction& tx) { migrate_in(tx, schema, database.name()); });
}

// Another process made the same tables meanwhile, or tidelock_schema for those of another room, and its commit came
// first: now they are there. Servers refuse the second table in different words; what was no such race fails again.
bool may_be_lost_race(const Error& error) {
  return error.code() == Code::constraint_violation || error.code() == Code::already_exists ||
         error.code() == Code::statement_invalid;
}

// Whoever loses one has lost it to a commit, of which there is one for each room: so many are enough for all of them.
constexpr int kTries = 10;
constexpr base::BackoffOptions kBetweenTries{.base = std::chrono::milliseconds(2),
                                             .cap = std::chrono::milliseconds(100)};

}  // namespace

void migrate(Transaction& transaction, const Schema& schema) {
  if (!transaction.dialect().transactional_ddl) {
    throw Error(Code::unsupported,
                fmt::format("{} ends a transaction when tables are made: make the {} tables before it begins",
                            transaction.dialect().engine, schema.room));
  }
  migrate_in(transaction, schema, "this database");
}

bool has_tables(Database& database, const Schema& schema, base::Deadline deadline) {
  const auto found = find_version(database, schema, deadline);
  if (found) check_is_known(*found, schema, database.name());
  return found.has_value();
}

void check_version(Executor& executor, const Schema& schema) {
  check_is_known(executor.maybe<std::int64_t>(kVersion, schema.room).value_or(0), schema, "this database");
}

void migrate(Database& database, const Schema& schema, base::Deadline deadline) {
  require_own_covered(database, deadline);
  const auto found = find_version(database, schema, deadline);
  if (found && steps_after(*found, schema, database.name()).empty()) return;

  auto& runtime = database.runtime();
  base::Backoff backoff(kBetweenTries);
  std::optional<Error> refused;
  for (int tries_left = kTries;; --tries_left) {
    if (deadline.passed(runtime.now())) {
      throw Error(Code::timeout, std::string("the deadline passed before the tables were made") +
                                     (refused ? std::string(": ") + refused->what() : std::string()));
    }
    try {
      make_tables(database, schema, deadline);
      break;
    } catch (const Error& error) {
      if (!may_be_lost_race(error) || tries_left == 1) throw;
      refused = error;
    }
    runtime.sleep_until(std::min(base::later(runtime.now(), backoff.next(runtime.random())), deadline.at()));
  }
  if (!database.dialect().transactional_ddl) require_own_covered(database, deadline);
}

Schema schema_for(const Dialect& dialect, std::string_view room, std::string_view what,
                  std::initializer_list<EngineSteps> engines) {
  std::vector<std::string_view> names;
  for (const auto& each : engines) {
    if (each.engine == dialect.engine) return {.room = room, .steps = each.steps};
    names.push_back(each.engine);
  }
  throw Error(Code::unsupported,
              fmt::format("{} cannot be kept in {}: use one of {}", what, dialect.engine, fmt::join(names, ", ")));
}

}  // namespace tidelock::sql

#include "tidelock/sql/schema.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>

#include "tidelock/sql/transact.h"

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

void migrate_in(Transaction& tx, const Schema& schema, std::string_view where) {
  tx.execute("create table if not exists tidelock_schema (room text primary key not null, version integer not null)");
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

}  // namespace

void migrate(Transaction& transaction, const Schema& schema) { migrate_in(transaction, schema, "this database"); }

void migrate(Database& database, const Schema& schema, base::Deadline deadline) {
  const auto found = find_version(database, schema, deadline);
  if (found && steps_after(*found, schema, database.name()).empty()) return;

  auto& runtime = database.runtime();
  if (deadline.passed(runtime.now())) throw Error(Code::timeout, "the deadline passed before the tables were made");
  const TransactOptions options{
      .isolation = std::nullopt,
      .read_only = false,
      .timeout = deadline.is_never() ? kNoTimeout : deadline.left(runtime.now()),
      .retry = {.max_attempts = 10},
      .stop = {},
  };
  transact(database, options, [&](Transaction& tx) { migrate_in(tx, schema, database.name()); });
}

}  // namespace tidelock::sql

// The tables that Tidelock keeps in a database: made and changed in numbered steps.
//
// The table tidelock_schema holds the version of each room's tables, so that a program never works on tables that it
// does not know.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "tidelock/sql/database.h"

namespace tidelock::sql {

// The tables of one room for one engine. Constant.
struct Schema {
  std::string_view room;  // "lock"
  // Step n, from 0, is a script that brings version n to version n + 1. A step that was released is never changed.
  // Where the engine commits at each such statement (Dialect::transactional_ddl), a step must do no harm when it runs
  // again.
  std::span<const std::string_view> steps;
};

// Brings the room's tables up to date; only reads when they are. In one transaction where the engine can. Safe when
// any number of processes do it at once, for this room and others. Errors: newer_schema when a newer Tidelock wrote the
// tables; those of transact().
void migrate(Database& database, const Schema& schema, base::Deadline deadline);
// The same inside a transaction that may write. Error: unsupported when there is something to do and the engine cannot
// do it in a transaction.
void migrate(Transaction& transaction, const Schema& schema);

// Whether the room's tables are there. Only reads. Errors: newer_schema; unsupported for tables of an older version,
// which migrate() brings up to date.
bool has_tables(Database& database, const Schema& schema, base::Deadline deadline);

// For tables that are there, by whoever uses them in a transaction: that they are those of this schema. Only reads.
// Errors: newer_schema; unsupported for tables of an older version.
void check_version(Executor& executor, const Schema& schema);

// The steps of one engine, by its name in Dialect::engine.
struct EngineSteps {
  std::string_view engine;
  std::span<const std::string_view> steps;
};
// The schema in the words of this dialect. Error: unsupported, with the engines that can hold it. `what` begins the
// text: "the state of jobs".
Schema schema_for(const Dialect& dialect, std::string_view room, std::string_view what,
                  std::initializer_list<EngineSteps> engines);

}  // namespace tidelock::sql

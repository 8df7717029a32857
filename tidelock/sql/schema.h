// The tables that Tidelock keeps in a database: made and changed in numbered steps.
//
// The table tidelock_schema holds the version of each room's tables, so that a program never works on tables that it
// does not know.
#pragma once

#include <span>
#include <string_view>

#include "tidelock/sql/database.h"

namespace tidelock::sql {

// The tables of one room for one dialect. Constant.
struct Schema {
  std::string_view room;  // "lock"
  // Step n, from 0, is a script that brings version n to version n + 1. A step that was released is never changed.
  std::span<const std::string_view> steps;
};

// Brings the room's tables up to date, in one transaction; only reads when they are. Safe when several processes do it
// at once. Errors: newer_schema when a newer Tidelock wrote the tables; those of transact().
void migrate(Database& database, const Schema& schema, base::Deadline deadline);
// The same inside a transaction that may write.
void migrate(Transaction& transaction, const Schema& schema);

}  // namespace tidelock::sql

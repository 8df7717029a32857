// The tables of this room in the state database. docs/schema.md describes the columns.
#pragma once

#include "tidelock/sql/database.h"

namespace tidelock::batch {

// Makes or migrates them. Errors: unsupported for an engine other than SQLite; newer_schema.
void prepare_state(sql::Database& state);

}  // namespace tidelock::batch

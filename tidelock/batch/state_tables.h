// The tables of this room in the state database, one file for each engine. docs/schema.md describes the columns.
#pragma once

#include "tidelock/sql/database.h"
#include "tidelock/sql/schema.h"

namespace tidelock::batch {

extern const sql::EngineSteps kSqliteStateTables;
extern const sql::EngineSteps kPostgresStateTables;
extern const sql::EngineSteps kMariadbStateTables;

// Makes or migrates them. Errors: unsupported for another engine; newer_schema.
void prepare_state(sql::Database& state);

}  // namespace tidelock::batch

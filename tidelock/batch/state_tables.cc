#include "tidelock/batch/state_tables.h"

namespace tidelock::batch {

void prepare_state(sql::Database& state) {
  const auto schema = sql::schema_for(state.dialect(), "batch", "the state of jobs",
                                      {kSqliteStateTables, kPostgresStateTables, kMariadbStateTables});
  sql::migrate(state, schema, base::Deadline::never());
}

}  // namespace tidelock::batch

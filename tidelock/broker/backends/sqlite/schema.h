// The tables of the broker. Documented in docs/schema.md.
#pragma once

#include "tidelock/sql/database.h"

namespace tidelock::broker::sqlite {

// Makes what is missing. Error: newer_schema when a later version of Tidelock wrote them.
void prepare_schema(sql::Database& database);

}  // namespace tidelock::broker::sqlite

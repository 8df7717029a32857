// Whether a piece of SQL reads a table.
#pragma once

#include <string_view>

#include "tidelock/sql/dialect.h"
#include "tidelock/sql/row_key.h"

namespace tidelock::sql {

// Whether a FROM or JOIN of a subquery names the table, without regard to case; a schema counts where both have one.
// What views and functions read it does not know. Pure. Error: statement_invalid for text that the Lexer refuses.
bool reads_table(std::string_view condition, const TableName& table, const Lexis& lexis);

}  // namespace tidelock::sql

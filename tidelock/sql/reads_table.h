// Whether a piece of SQL reads a table.
#pragma once

#include <string_view>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql {

// Whether a FROM or JOIN in it names the table: by the last part of its name, whatever its schema and case, and with or
// without quotes. `table` has none. What views and functions read it does not know. Pure. Error: statement_invalid for
// text that the Lexer refuses.
bool reads_table(std::string_view sql, std::string_view table, const Lexis& lexis);

}  // namespace tidelock::sql

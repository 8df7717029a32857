// Columns whose type has no kind of value here (list, struct, map, union, bit, …): a query gives them as the text that
// the engine casts them to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tidelock/sql/backends/duckdb/api.h"

namespace tidelock::sql::duckdb {

// The same query around which such columns are cast. `statement` is `sql` as it is prepared now. Empty when there is
// nothing to cast, or when it cannot be told how: of what is no SELECT, as INSERT … RETURNING, and of a query with
// parameters and two columns of one name. Throws nothing for what the engine says.
std::optional<std::string> with_casts_to_text(const Api& api, duckdb_prepared_statement statement,
                                              std::string_view sql);

}  // namespace tidelock::sql::duckdb

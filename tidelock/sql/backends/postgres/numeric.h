// PostgreSQL's binary form of numeric: groups of four decimal digits (src/backend/utils/adt/numeric.c, numeric_send).
#pragma once

#include <string>
#include <string_view>

namespace tidelock::sql::postgres {

// In plain notation; "NaN", "Infinity" and "-Infinity" as they are. Error: internal for what is no numeric.
void append_numeric_text(std::string& out, std::string_view binary);

// `text`: plain notation. Error: too_large for more digits than a numeric has.
void append_numeric_binary(std::string& out, std::string_view text);

}  // namespace tidelock::sql::postgres

// The text of a statement, laid out anew.
#pragma once

#include <string>
#include <string_view>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql::spy {

// Each run of line ends becomes a space, as P6Spy does it. For reading: a comment to the end of its line then hides the
// rest from an engine.
void append_one_line(std::string& out, std::string_view sql);

// Breaks before clauses and between the columns of a CREATE TABLE; strings and comments stay as they are.
std::string in_clauses(std::string_view sql, const Lexis& lexis);

// What statements that differ in values only have in common: literals and lists of them become `?`, blanks and comments
// a space.
std::string normalised(std::string_view sql, const Lexis& lexis);

}  // namespace tidelock::sql::spy

// Whether a condition (of a WHERE, of a MERGE) can tell rows apart.
#pragma once

#include <span>

#include "tidelock/sql/lexer.h"

namespace tidelock::sql {

// Whether a name stands in it where a column, or the table of a subquery, can stand. A condition without one is the
// same for all rows: values, the functions and casts of them, and the keywords among them (extract(year from now()))
// name nothing. What the names are it does not know, nor what the condition comes to. Pure.
bool names_something(std::span<const Token> condition, const Lexis& lexis);

}  // namespace tidelock::sql

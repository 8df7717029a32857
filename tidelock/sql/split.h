// Where the statements of a script end.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tidelock/sql/lexer.h"

namespace tidelock::sql {

// Whether a semicolon behind these tokens ends their statement. In the body of a trigger (Lexis::trigger_bodies) only
// the one behind its END does: no statement in there begins with END.
bool semicolon_ends(std::span<const Token> statement, const Lexis& lexis);

// Whether a statement of split_statements() is the beginning of a routine, trigger or event whose body goes on behind
// the semicolon: a block, IF, CASE or loop is not ended in it. Where the body ends is not known then. False where
// semicolon_ends() knows. Error: statement_invalid, as of the Lexer.
bool is_open_ended(std::string_view statement, const Lexis& lexis);

// The statements, without the semicolons and without empty ones; parts of the text. Error: statement_invalid, as of the
// Lexer.
std::vector<std::string_view> split_statements(std::string_view sql, const Lexis& lexis);

}  // namespace tidelock::sql

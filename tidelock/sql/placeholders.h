// `?` stands for a value in every engine; `??` is an operator that is one question mark (PostgreSQL's json). Neither
// means anything inside a string, a quoted identifier, a comment or a dollar quote.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql {

struct Placeholders {
  std::string sql;         // As the engine wants it.
  std::size_t count = 0;   // Of values.
  std::string first_word;  // In upper case: "SELECT". Empty when the text does not begin with a word.
};

// Whether a statement with this first word begins or ends a transaction or savepoint, which only begin() and the like
// may do: a Link must know of it.
bool controls_transactions(std::string_view first_word);

// Pure. Errors: statement_invalid for a string, quoted identifier, comment or dollar quote that does not end (with its
// position, in bytes from 1), for a numbered or named parameter such as ?1 or :a, for a NUL byte and for text that is
// not UTF-8.
Placeholders rewrite_placeholders(std::string_view sql, const Lexis& lexis);

}  // namespace tidelock::sql

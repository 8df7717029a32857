// Values as an engine's literals.
#pragma once

#include <cstddef>
#include <string>

#include "tidelock/sql/dialect.h"
#include "tidelock/sql/spy/date_pattern.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql::spy {

// How P6Spy's dialect keys want them; empty: as the engine writes them.
struct LiteralForms {
  const DatePattern* date = nullptr;
  const DatePattern* timestamp = nullptr;
  bool numeric_booleans = false;
};

// Appends what stands for `value` in a statement of this engine ("sqlite", "duckdb", "postgres", "mariadb"; another one
// gets standard SQL). Exact, except that a value with an empty form in the engine (NaN in SQLite) becomes NULL.
void append_literal(std::string& out, const Value& value, std::string_view engine, const Lexis& lexis,
                    const LiteralForms& forms = {});

}  // namespace tidelock::sql::spy

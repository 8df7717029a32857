// Values as parameters of a prepared statement.
//
// A parameter is bound in the type that the engine expects where the value has one of that type: a statement whose
// parameters come in other types is planned anew each time it runs, which costs three times as much as running it.
#pragma once

#include <duckdb.h>

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql::duckdb {

// What the engine expects of one parameter.
struct Parameter {
  duckdb_type type = DUCKDB_TYPE_INVALID;  // INVALID: anything, it depends on the value.
  unsigned width = 0;                      // Of a DECIMAL.
  unsigned scale = 0;
};

// Of all parameters of a statement, in order.
std::vector<Parameter> parameters_of(const Api& api, duckdb_prepared_statement statement);

// `index` counts from 1. The value is copied by the engine. Errors: invalid_argument for a date or timestamp that the
// engine cannot hold; too_large for a decimal of more than 38 digits and for text or blobs from 4 GiB on.
void bind_value(const Api& api, duckdb_prepared_statement statement, idx_t index, const Parameter& parameter,
                const ValueView& value);

// The checks of bind_value(), for values that reach the engine another way. `what` begins the message: "parameter 1".
void check_size(std::size_t size_bytes, const std::string& what);
[[noreturn]] void throw_too_many_digits(std::string_view text, const std::string& what);

[[noreturn]] void throw_not_storable(const ValueView& value, const std::string& what);

// Within the engine's range; the last value at either end of a number stands for infinity there.
bool is_storable(Date date);
bool is_storable(Timestamp timestamp);

}  // namespace tidelock::sql::duckdb

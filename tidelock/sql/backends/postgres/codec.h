// Values in PostgreSQL's binary and text forms, by the numbers of their types.
#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "tidelock/sql/value.h"

namespace tidelock::sql::postgres {

// Whether results of this type can be read in binary form.
bool has_binary_form(Oid type);

// What a column holds. `scratch` keeps what the view cannot borrow from `bytes`, for as long as the view is used.
// Dates and timestamps outside what a Date or Timestamp holds (infinity, years before 290308 BC) come as text.
ValueView decode_binary(Oid type, std::string_view bytes, std::string& scratch);
ValueView decode_text(Oid type, std::string_view text, std::string& scratch);

enum class Form { text, binary };

// Appends a value as the parameter of a statement that takes `type`, in the form that it says. Errors:
// invalid_argument for a day or moment that PostgreSQL does not have; statement_invalid for a blob where none goes.
Form append_parameter(std::string& out, const ValueView& value, Oid type);

// Whether rows for a column of this type can be written in binary form.
bool takes_binary_form(Oid type);
// Appends a value as a column of this type takes it, converting without loss where the kinds differ. `column` is for
// the error: statement_invalid when it does not fit; those of append_parameter().
void append_column(std::string& out, const ValueView& value, Oid type, std::string_view column);

// How many bytes the value holds where it may hold any number of them: of text, blob, json and decimal; else 0.
std::size_t bytes_of(const ValueView& value);

// The type to give a parameter with such a value when the server cannot tell it from the statement; 0: none.
Oid type_hint(const ValueView& value);

}  // namespace tidelock::sql::postgres

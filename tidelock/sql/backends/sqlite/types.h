// Which kind of value a column holds, by the type it was declared with.
//
// SQLite has five storage classes. Kinds beyond them are kept as integers (boolean) or text (decimal, date, time,
// timestamp, uuid, json), and come back as themselves by the declared type of their column. A value that does not fit
// its column's type comes back as what is stored. Columns of expressions have no declared type.
#pragma once

#include <string>
#include <string_view>

#include "tidelock/sql/value.h"

namespace tidelock::sql::sqlite {

// Kind::null for types that say nothing beyond the storage class.
Kind declared_kind(std::string_view type);

// DECIMAL_TEXT and JSON_TEXT instead of DECIMAL and JSON: a name with TEXT in it has text affinity, so that SQLite does
// not turn 1.50 into the number 1.5 (https://www.sqlite.org/datatype3.html, section 3.1).
std::string column_type(Kind kind);

}  // namespace tidelock::sql::sqlite

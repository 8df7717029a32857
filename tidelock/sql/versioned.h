// Optimistic locking: nobody waits, and a row is changed only if it is still the one that was read.
//
// The row says which one it is: by a counter, or by the moment of its last change. Of several who read the same version
// one changes the row, and the others get stale_version: read again, decide again. transact() does that by itself. In a
// transaction that sees rows as they were when it began (PostgreSQL from repeatable_read on, snapshot on MariaDB and
// DuckDB) the engine finds the other's change first: it is serialization_failure there, of the same disposition.
//
//   transact(*db, [&](Transaction& tx) {
//     auto row = …;  // "select stock, version from items where id = ?"
//     update_versioned(tx, "items", {{"id", id}}, row.version, {{"stock", row.stock - 1}});
//   });
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "tidelock/sql/convert.h"
#include "tidelock/sql/executor.h"

namespace tidelock::sql {

// A column by its name, and a value for it. Borrows both.
struct ColumnValue {
  template <typename T>
  ColumnValue(std::string_view column, const T& value) : column(column), value(to_view(value)) {}
  std::string_view column;
  ValueView value;
};
using ColumnValues = std::initializer_list<ColumnValue>;

// Sets the columns of the row with this key, and counts its version up by one, if the version is still `seen`. Returns
// the new version. The column is an integer. `table`: a name, or schema.name, quoted where a statement wants that.
// Errors: stale_version or serialization_failure when another won (see above), not_found when there is no such row (any
// more), invalid_argument for what is no name, and when the key is that of several rows: none is changed then, if this
// runs in a transaction that is rolled back.
std::int64_t update_versioned(Executor& on, std::string_view table, ColumnValues key, std::int64_t seen,
                              ColumnValues set, std::string_view version_column = "version");

// The same by the moment of the last change: the Runtime's wall clock, and later than `seen` also in a column that
// keeps less than microseconds, down to whole seconds. So of several changes within what it keeps, each is stamped one
// step later (of whole seconds: a second), ahead of the clock if need be. Who changes the row in another way must see
// to that himself. Returns the new moment; where the column keeps less of it, read it again for the next change.
Timestamp update_stamped(Executor& on, std::string_view table, ColumnValues key, Timestamp seen, ColumnValues set,
                         std::string_view moment_column = "changed_at");

}  // namespace tidelock::sql

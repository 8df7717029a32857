// Whether a transaction covers a table: what it wrote there is taken back with the rest of it. On MariaDB that depends
// on the table's storage engine; elsewhere every table is covered, and nothing is asked.
#pragma once

#include <optional>
#include <string_view>

#include "tidelock/base/time.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {

// Errors: unsupported, with the table and its engine; invalid_argument unless `table` is name or schema.name. A view
// passes, whatever it shows. Waits for a connection as Database::connect() does.
void require_covered(Database& database, std::string_view table, std::optional<base::Deadline> deadline = std::nullopt);
// The same of all tables of this database that Tidelock keeps: those that begin with tidelock_.
void require_own_covered(Database& database, base::Deadline deadline);
// The tables that this connection makes from here on are covered, unless they say otherwise. Behind a pooler that is
// the server's to choose: see afterwards.
void make_covered(Connection& connection);

}  // namespace tidelock::sql

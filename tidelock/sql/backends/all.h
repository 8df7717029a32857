// The engines that are compiled in, and opening a database by URL.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql {

struct Engine {
  std::string scheme;   // Of its URLs: "sqlite".
  std::string version;  // Of its library; empty when that is not available, or was named by the environment.
  bool available;       // Its library is here, as far as can be told without loading it.
  std::string note;     // Why it is not available, where it was found, what it is for.
};

// All that are compiled in, by scheme. Cheap: opens nothing, and loads a library only to find out whether there is one.
std::vector<Engine> engines();

// The engine that URLs of this scheme name, which may have several: "mysql" is "mariadb". Another word stays as it is.
std::string engine_of(std::string_view scheme);

// How the database of this URL will read SQL; opens nothing. Error: invalid_argument, as open().
Lexis lexis_of(const base::Url& url);

// Opens one connection, so that a wrong path or a damaged file is found here; deadline and `stop` as of
// Database::connect(). Borrows runtime and files.
// Errors: invalid_argument for an unknown scheme (lists the known ones) or parameter (names the nearest); not_found,
// permission_denied, read_only, read_only_server (DatabaseOptions::primary_only), not_a_database, corrupt,
// newer_schema, database_locked, unsupported, timeout, cancelled.
std::unique_ptr<Database> open(base::Runtime& runtime, base::Files& files, const base::Url& url,
                               const DatabaseOptions& options = {}, std::optional<base::Deadline> deadline = {},
                               const std::stop_token& stop = {});

// Throws the invalid_argument that open() would throw for the URL alone. Touches no file and no server.
void check_url(base::Runtime& runtime, base::Files& files, const base::Url& url, const DatabaseOptions& options = {});

}  // namespace tidelock::sql

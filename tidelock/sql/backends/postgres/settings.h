// What a URL says about a PostgreSQL server and how to talk to it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/secret.h"
#include "tidelock/base/time.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql::postgres {

struct Settings {
  std::vector<std::pair<std::string, std::string>> keywords;  // Of libpq, without the password.
  base::Secret password;
  std::string where;  // The URL without secrets, for messages.
  base::Duration connect_timeout{};
  base::Duration busy_timeout{};  // How long statements wait for locks.
  std::string database;           // Empty: as libpq says.
  bool read_only = false;
  bool must_exist = false;
};

// The same, for the database that every server has.
Settings for_maintenance(Settings settings);

// `params`: of `url`, with those of DatabaseOptions taken out. Error: invalid_argument.
Settings read_settings(const base::Url& url, base::UrlParams& params, const DatabaseOptions& options);

// As the setting lock_timeout of PostgreSQL says it: milliseconds, 0 for ever. No wait at all is the shortest there is.
std::string lock_timeout_text(base::Duration duration);

}  // namespace tidelock::sql::postgres

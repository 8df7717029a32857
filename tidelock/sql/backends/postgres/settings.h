// What a URL says about a PostgreSQL server and how to talk to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/resolver.h"
#include "tidelock/base/secret.h"
#include "tidelock/base/time.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql::postgres {

struct Host {
  std::string name;  // Or the folder of a socket.
  std::uint16_t port;
};

// What stands between here and the server.
enum class Pooler : std::uint8_t {
  detect,       // Nothing, or one that lends sessions for a transaction: the session that is opened tells.
  transaction,  // One that lends a session for a transaction.
  session,      // One that lends a session for as long as the connection stays.
};

struct Settings {
  Pooler pooler = Pooler::detect;
  std::vector<Host> hosts;  // To be tried in this order.
  bool by_socket = false;
  std::vector<std::pair<std::string, std::string>> keywords;  // Of libpq, without the password.
  base::Secret password;
  std::string where;  // The URL without secrets, for messages.
  base::Duration connect_timeout{};
  base::Duration busy_timeout{};  // How long statements wait for locks.
  std::string database;           // Empty: as libpq says.
  std::shared_ptr<base::Resolver> resolver;
  bool read_only = false;
  bool must_exist = false;

  // How a session is set up by statements, where it was not by its options when it began: behind a pooler.
  std::string set_up() const;
};

// The same, for the database that every server has.
Settings for_maintenance(Settings settings);

// `params`: of `url`, with those of DatabaseOptions taken out. Error: invalid_argument.
Settings read_settings(const base::Url& url, base::UrlParams& params, const DatabaseOptions& options);

// As the setting lock_timeout of PostgreSQL says it: milliseconds, 0 for ever. No wait at all is the shortest there is.
std::string lock_timeout_text(base::Duration duration);

}  // namespace tidelock::sql::postgres

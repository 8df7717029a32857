// What a mariadb: URL says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tidelock/base/resolver.h"
#include "tidelock/base/secret.h"
#include "tidelock/base/time.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql::mariadb {

enum class Tls : std::uint8_t {
  disable,  // Plain text.
  require,  // Encrypted, whoever the server is.
  verify,   // Encrypted, and the server's certificate is valid for the host's name.
};

// What stands between here and the server.
enum class Pooler : std::uint8_t {
  detect,       // Nothing, or one that lends sessions for a transaction: the session that is opened tells.
  transaction,  // One that lends a session for a transaction.
  session,      // One that lends a session for as long as the connection stays.
};

struct Settings {
  Pooler pooler = Pooler::detect;
  std::string host;
  std::uint16_t port = 3306;
  std::string socket;  // Instead of host and port; empty: by TCP.
  std::string user;
  base::Secret password;
  std::string database;  // Empty: none is chosen.
  Tls tls = Tls::disable;
  std::string tls_ca, tls_certificate, tls_key;  // Files; empty: none.
  base::Duration connect_timeout{};
  base::Duration commit_timeout{};  // How long the answer to a commit is waited for.
  base::Duration busy_timeout{};    // How long a statement waits for a lock.
  bool ansi = true;                 // SQL as in the other engines; see docs/engines/mariadb.md.
  std::shared_ptr<base::Resolver> resolver;
  bool read_only = false;
  bool must_exist = false;

  // "127.0.0.1:3306" or the path of the socket.
  std::string address() const;
};

// `params`: of `url`, with those of DatabaseOptions taken out. Error: invalid_argument.
Settings read_settings(const base::Url& url, base::UrlParams& params, const DatabaseOptions& options);

}  // namespace tidelock::sql::mariadb

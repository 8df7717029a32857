#include "tidelock/sql/backends/mariadb/settings.h"

#include <chrono>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql::mariadb {
namespace {

constexpr std::string_view kForm = "mariadb://user:password@host:3306/database";

// The database of "/shop".
std::string database_of(const std::string& path) {
  if (path.empty() || path == "/") return {};
  if (!path.starts_with('/') || path.find('/', 1) != path.npos) {
    throw Error(Code::invalid_argument, "a mariadb URL names one database after the host: " + std::string(kForm));
  }
  return path.substr(1);
}

}  // namespace

std::string Settings::address() const { return socket.empty() ? host + ":" + std::to_string(port) : socket; }

Settings read_settings(const base::Url& url, base::UrlParams& params, const DatabaseOptions& options) {
  using namespace std::chrono_literals;
  Settings settings;
  settings.socket = params.text("socket", "");
  const auto mode = params.choice("sslmode", "disable", {"disable", "require", "verify-full"});
  settings.tls = mode == "disable" ? Tls::disable : mode == "require" ? Tls::require : Tls::verify;
  settings.tls_ca = params.text("sslrootcert", "");
  settings.tls_certificate = params.text("sslcert", "");
  settings.tls_key = params.text("sslkey", "");
  settings.connect_timeout = params.duration("connect_timeout", 10s, 1ms, 24h);
  settings.commit_timeout = params.duration("commit_timeout", 60s, 1ms, 24h);
  settings.ansi = params.flag("ansi", true);
  const auto pooler = params.choice("pooler", "auto", {"auto", "transaction", "session"});
  settings.pooler = pooler == "auto" ? Pooler::detect : pooler == "transaction" ? Pooler::transaction : Pooler::session;
  params.finish();
  if (url.hosts.size() > 1 || (url.hosts.empty() && settings.socket.empty())) {
    throw Error(Code::invalid_argument, "a mariadb URL names one host: " + std::string(kForm));
  }
  if (!url.hosts.empty()) {
    settings.host = url.hosts.front().name;
    settings.port = url.hosts.front().port.value_or(3306);
  }
  if (url.user.empty()) {
    throw Error(Code::invalid_argument, "a mariadb URL names the user to log in as: " + std::string(kForm));
  }
  if (settings.tls == Tls::disable && !(settings.tls_ca + settings.tls_certificate + settings.tls_key).empty()) {
    throw Error(Code::invalid_argument,
                "sslrootcert, sslcert and sslkey say nothing without TLS: add sslmode=verify-full or sslmode=require");
  }
  settings.user = url.user;
  settings.password = url.password;
  settings.database = database_of(url.path);
  settings.busy_timeout = options.busy_timeout;
  settings.resolver = options.resolver;
  settings.read_only = options.read_only;
  settings.must_exist = options.must_exist;
  return settings;
}

}  // namespace tidelock::sql::mariadb

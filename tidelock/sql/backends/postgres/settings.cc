#include "tidelock/sql/backends/postgres/settings.h"

#include <algorithm>
#include <limits>

#include "tidelock/base/error.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::sql::postgres {

using namespace std::chrono_literals;

std::string lock_timeout_text(base::Duration duration) {
  if (duration == kNoTimeout) return "0";
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return std::to_string(std::clamp<std::int64_t>(ms, 1, std::numeric_limits<std::int32_t>::max()));
}

std::string Settings::set_up() const {
  std::string sql =
      "set timezone = 'UTC'; set datestyle = 'ISO'; set standard_conforming_strings = on";  // Poolers keep these.
  if (pooler != Pooler::session) return sql;
  sql +=
      "; set bytea_output = 'hex'; set extra_float_digits = 3; set lock_timeout = " + lock_timeout_text(busy_timeout);
  if (read_only) sql += "; set default_transaction_read_only = on";
  return sql;
}

Settings for_maintenance(Settings settings) {
  for (auto& [name, value] : settings.keywords) {
    if (name == "dbname") value = "postgres";
  }
  return settings;
}

Settings read_settings(const base::Url& url, base::UrlParams& params, const DatabaseOptions& options) {
  Settings settings;
  auto& keywords = settings.keywords;
  const auto socket = params.text("socket", "");
  if (url.hosts.empty() == socket.empty()) {
    throw Error(Code::invalid_argument,
                "a postgres URL names a host, as in postgres://user@host/database, or the folder of a socket, as in "
                "postgres:///database?socket=/run/postgresql");
  }
  settings.by_socket = !socket.empty();
  if (settings.by_socket) {
    settings.hosts.push_back({socket, static_cast<std::uint16_t>(params.integer("port", 5432, 1, 65535))});
  }
  for (const auto& host : url.hosts) settings.hosts.push_back({host.name, host.port.value_or(5432)});
  if (!url.user.empty()) keywords.emplace_back("user", url.user);
  const auto database = url.path.starts_with('/') ? url.path.substr(1) : url.path;
  if (!database.empty()) keywords.emplace_back("dbname", database);
  settings.database = database;
  settings.password = url.password;

  const auto sslmode =
      params.choice("sslmode", "prefer", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"});
  keywords.emplace_back("sslmode", sslmode);
  // Else libpq takes the encryption of Kerberos for TLS where it has a ticket, and looks at no certificate.
  if (sslmode == "require" || sslmode.starts_with("verify-")) keywords.emplace_back("gssencmode", "disable");
  for (const auto* const name : {"sslrootcert", "sslcert", "sslkey"}) {
    const auto value = params.text(name, "");
    if (!value.empty()) keywords.emplace_back(name, value);
  }
  keywords.emplace_back("application_name", params.text("application_name", "tidelock"));
  settings.connect_timeout = params.duration("connect_timeout", 10s, 1ms, 1h);
  const auto pooler = params.choice("pooler", "auto", {"auto", "transaction", "session"});
  settings.pooler = pooler == "auto" ? Pooler::detect : pooler == "transaction" ? Pooler::transaction : Pooler::session;
  params.finish();

  settings.busy_timeout = options.busy_timeout;
  settings.resolver = options.resolver;
  settings.read_only = options.read_only;
  settings.must_exist = options.must_exist || options.read_only;
  settings.where = url.to_string();
  std::string startup =
      "-c TimeZone=UTC -c DateStyle=ISO -c bytea_output=hex -c extra_float_digits=3 -c standard_conforming_strings=on "
      "-c "
      "lock_timeout=" +
      lock_timeout_text(options.busy_timeout);
  if (options.read_only) startup += " -c default_transaction_read_only=on";
  if (settings.pooler == Pooler::detect) keywords.emplace_back("options", startup);
  keywords.emplace_back("client_encoding", "UTF8");
  // Notices of a dead peer: a minute at most, also while data is on its way.
  keywords.emplace_back("keepalives_idle", "30");
  keywords.emplace_back("keepalives_interval", "10");
  keywords.emplace_back("keepalives_count", "3");
  keywords.emplace_back("tcp_user_timeout", "60000");
  return settings;
}

}  // namespace tidelock::sql::postgres

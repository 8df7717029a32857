#include "tidelock/sql/backends/all.h"

#include <unistd.h>

#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#if TIDELOCK_HAVE_SQLITE
#include "tidelock/sql/backends/sqlite/driver.h"
#include "tidelock/sql/backends/sqlite/session.h"
#endif
#if TIDELOCK_HAVE_DUCKDB
#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/driver.h"
#endif
#if TIDELOCK_HAVE_MARIADB
#include "tidelock/sql/backends/mariadb/driver.h"
#include "tidelock/sql/backends/mariadb/settings.h"
#endif
#if TIDELOCK_HAVE_POSTGRES
#include "tidelock/sql/backends/postgres/driver.h"
#include "tidelock/sql/backends/postgres/lex.h"
#include "tidelock/sql/backends/postgres/settings.h"
#endif

namespace tidelock::sql {
namespace {

#if TIDELOCK_HAVE_DUCKDB
std::unique_ptr<Driver> make_duckdb_driver(base::Runtime& runtime, base::Files& files, const base::Url& url,
                                           base::UrlParams& params, const DatabaseOptions& options) {
  auto settings = duckdb::read_settings(url, params, options.read_only);
  params.finish();
  if (options.must_exist && !settings.in_memory() && !files.info(settings.path)) {
    throw Error(Code::not_found, settings.path + " does not exist, and was not to be made");
  }
  return std::make_unique<duckdb::DuckDriver>(runtime, files, std::move(settings));
}

// Without loading its library, which takes longer than the whole of a short program, where its file can be seen.
Engine duckdb_engine() {
  for (const auto& path : duckdb::library_candidates()) {
    if (path.find('/') == path.npos) break;  // The dynamic linker would search for it.
    if (::access(path.c_str(), R_OK) != 0) continue;
    return {"duckdb", path == TIDELOCK_DUCKDB_LIBRARY ? TIDELOCK_DUCKDB_VERSION : "", true,
            path + ", loaded when it is first used"};
  }
  try {
    return {"duckdb", duckdb::api().version, true, ""};
  } catch (const Error& error) {
    return {"duckdb", "", false, error.message()};
  }
}
#endif

#if TIDELOCK_HAVE_MARIADB || TIDELOCK_HAVE_POSTGRES
constexpr std::string_view kPasswordFile = "password_file";
constexpr std::uint64_t kPasswordBytesMost = 64 * 1024;

// The URL with the password that stands in the file it names, if it names one.
base::Url with_password(base::Files& files, const base::Url& url, base::UrlParams& params) {
  const auto path = params.text(kPasswordFile, "");
  if (path.empty()) return url;
  if (!url.password.empty()) {
    throw Error(Code::invalid_argument, "a password and a password_file: one of them is enough");
  }
  auto line = files.read(path, kPasswordBytesMost);
  if (line.ends_with('\n')) line.pop_back();
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty() || line.find_first_of(std::string_view("\r\n\0", 3)) != line.npos) {
    throw Error(Code::invalid_argument, path + " is to hold a password: one line, and nothing else");
  }
  auto complete = url;
  complete.password = base::Secret(std::move(line));
  return complete;
}
#endif

[[noreturn]] void refuse_scheme(const base::Url& url) {
  std::vector<std::string> known;
  for (const auto& engine : engines()) known.push_back(engine.scheme + ":");
  const auto nearest = base::nearest_name(url.scheme + ":", known);
  throw Error(Code::invalid_argument, "no database engine " + base::quoted(url.scheme + ":") + " is compiled in" +
                                          (nearest ? "; did you mean " + *nearest : "") + "; there are " +
                                          base::listed(known));
}

std::unique_ptr<Driver> make_driver([[maybe_unused]] base::Runtime& runtime, [[maybe_unused]] base::Files& files,
                                    const base::Url& url, [[maybe_unused]] base::UrlParams& params,
                                    [[maybe_unused]] const DatabaseOptions& options,
                                    [[maybe_unused]] base::Deadline deadline,
                                    [[maybe_unused]] const std::stop_token& stop) {
#if TIDELOCK_HAVE_SQLITE
  if (url.scheme == "sqlite") return sqlite::make_driver(runtime, files, url, params, options);
#endif
#if TIDELOCK_HAVE_DUCKDB
  if (url.scheme == "duckdb") return make_duckdb_driver(runtime, files, url, params, options);
#endif
#if TIDELOCK_HAVE_MARIADB
  if (engine_of(url.scheme) == "mariadb") {
    return mariadb::make_driver(runtime, with_password(files, url, params), params, options, deadline, stop);
  }
#endif
#if TIDELOCK_HAVE_POSTGRES
  if (engine_of(url.scheme) == "postgres") {
    return postgres::make_driver(runtime, with_password(files, url, params), params, options);
  }
#endif
  refuse_scheme(url);
}

}  // namespace

std::vector<Engine> engines() {
  std::vector<Engine> all;
#if TIDELOCK_HAVE_DUCKDB
  all.push_back(duckdb_engine());
#endif
#if TIDELOCK_HAVE_MARIADB
  all.push_back({"mariadb", mariadb::client_version(), true, "also by the name mysql:"});
#endif
#if TIDELOCK_HAVE_POSTGRES
  all.push_back({"postgres", postgres::version(), true, "also by the name postgresql:"});
#endif
#if TIDELOCK_HAVE_SQLITE
  all.push_back({"sqlite", sqlite::version(), true, ""});
#endif
  return all;
}

std::string engine_of(std::string_view scheme) {
  if (scheme == "mysql") return "mariadb";
  if (scheme == "postgresql") return "postgres";
  return std::string(scheme);
}

Lexis lexis_of(const base::Url& url) {
#if TIDELOCK_HAVE_SQLITE
  if (url.scheme == "sqlite") return sqlite::kLexis;
#endif
#if TIDELOCK_HAVE_DUCKDB
  if (url.scheme == "duckdb") return duckdb::make_dialect("").lexis;
#endif
#if TIDELOCK_HAVE_MARIADB
  if (engine_of(url.scheme) == "mariadb") {
    auto without = url;  // Its driver knows no password_file.
    without.params.erase(std::string(kPasswordFile));
    return mariadb::lexis_of(without);
  }
#endif
#if TIDELOCK_HAVE_POSTGRES
  if (engine_of(url.scheme) == "postgres") return postgres::kLexis;
#endif
  refuse_scheme(url);
}

std::unique_ptr<Database> open(base::Runtime& runtime, base::Files& files, const base::Url& url,
                               const DatabaseOptions& options, std::optional<base::Deadline> deadline,
                               const std::stop_token& stop) {
  base::UrlParams params(url);
  auto merged = options;
  merged.read(params);
  auto driver = make_driver(runtime, files, url, params, merged, deadline.value_or(base::Deadline::never()), stop);
  auto database = std::make_unique<Database>(runtime, std::move(driver), merged, url.to_string());
  database->connect(deadline, stop);
  return database;
}

void check_url(base::Runtime& runtime, base::Files& files, const base::Url& url, const DatabaseOptions& options) {
  base::UrlParams params(url);
  auto merged = options;
  merged.read(params);
#if TIDELOCK_HAVE_MARIADB
  if (engine_of(url.scheme) == "mariadb") {
    params.text(kPasswordFile, "");
    mariadb::read_settings(url, params, merged);
    return;
  }
#endif
#if TIDELOCK_HAVE_POSTGRES
  if (engine_of(url.scheme) == "postgres") {
    params.text(kPasswordFile, "");
    postgres::read_settings(url, params, merged);
    return;
  }
#endif
  make_driver(runtime, files, url, params, merged, base::Deadline::never(), {});
}

}  // namespace tidelock::sql

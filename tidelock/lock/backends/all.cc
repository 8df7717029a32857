#include "tidelock/lock/backends/all.h"

#include <fmt/format.h>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/lock/backends/memory/memory_backend.h"
#include "tidelock/lock/backends/sql/sql_backend.h"

namespace tidelock::lock {
namespace {

std::unique_ptr<Backend> open_memory(base::Runtime& runtime, const base::Url& url) {
  base::UrlParams(url).finish();
  if (!url.path.empty() || !url.hosts.empty()) {
    throw Error(Code::invalid_argument, fmt::format("{}: memory: has nothing behind it", url.to_string()));
  }
  return std::make_unique<MemoryBackend>(runtime);
}

bool is_kept_in_tables([[maybe_unused]] std::string_view scheme) {
#if TIDELOCK_HAVE_SQLITE
  if (scheme == "sqlite") return true;
#endif
#if TIDELOCK_HAVE_POSTGRES
  if (scheme == "postgres" || scheme == "postgresql") return true;
#endif
#if TIDELOCK_HAVE_MARIADB
  if (scheme == "mariadb" || scheme == "mysql") return true;
#endif
  return false;
}

}  // namespace

std::vector<std::string> backend_schemes() {
  return {
    "memory",
#if TIDELOCK_HAVE_SQLITE
        "sqlite",
#endif
#if TIDELOCK_HAVE_POSTGRES
        "postgres",
#endif
#if TIDELOCK_HAVE_MARIADB
        "mariadb",
#endif
  };
}

std::unique_ptr<Backend> open_backend(base::Runtime& runtime, base::Files& files, const base::Url& url,
                                      [[maybe_unused]] const OpenOptions& options) {
  if (url.scheme == "memory") return open_memory(runtime, url);
  if (is_kept_in_tables(url.scheme)) return std::make_unique<SqlBackend>(runtime, files, url, options);
  const auto known = backend_schemes();
  const auto nearest = base::nearest_name(url.scheme, known);
  throw Error(Code::invalid_argument,
              fmt::format("no locks are kept in {}:{}; there are {}", url.scheme,
                          nearest ? fmt::format(" (did you mean {}:?)", *nearest) : "", base::listed(known)));
}

}  // namespace tidelock::lock

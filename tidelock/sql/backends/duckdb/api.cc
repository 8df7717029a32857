#include "tidelock/sql/backends/duckdb/api.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql::duckdb {
namespace {

constexpr const char* kEnvironment = "TIDELOCK_DUCKDB_LIBRARY";

[[noreturn]] void throw_unusable(const std::string& what) {
  throw Error(Code::unsupported, what +
                                     ": install libduckdb.so of DuckDB 1.5 (scripts/setup puts it where it is found), "
                                     "or set " +
                                     std::string(kEnvironment) + " to its path");
}

template <typename Function>
void find(void* library, const char* name, Function& function, const std::string& path) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) throw_unusable(path + " is not the DuckDB library that is needed: it has no " + name);
}

}  // namespace

std::vector<std::string> library_candidates() {
  const char* environment = std::getenv(kEnvironment);
  if (environment != nullptr && *environment != '\0') return {environment};
  std::vector<std::string> candidates;
#ifdef TIDELOCK_DUCKDB_LIBRARY
  candidates.emplace_back(TIDELOCK_DUCKDB_LIBRARY);
#endif
  candidates.emplace_back("libduckdb.so");
  return candidates;
}

bool is_supported_version(const std::string& version) {
  int major = 0;
  int minor = 0;
  const char* end = version.data() + version.size();
  const auto [point, error] = std::from_chars(version.data(), end, major);
  if (error != std::errc() || point == end || *point != '.') return false;
  if (std::from_chars(point + 1, end, minor).ec != std::errc()) return false;
  return major == 1 && minor >= 5;
}

Api load_library(const std::vector<std::string>& candidates) {
  void* library = nullptr;
  std::string path;
  std::string tried;
  for (const auto& candidate : candidates) {
    library = ::dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) {
      path = candidate;
      break;
    }
    const char* reason = ::dlerror();
    tried += (tried.empty() ? "" : "; ") + std::string(reason != nullptr ? reason : candidate);
  }
  if (library == nullptr) throw_unusable("the DuckDB library cannot be loaded (" + tried + ")");

  Api api;
#define TIDELOCK_DUCKDB_FIND(name) find(library, "duckdb_" #name, api.name, path);
  TIDELOCK_DUCKDB_FUNCTIONS(TIDELOCK_DUCKDB_FIND)
#undef TIDELOCK_DUCKDB_FIND
  api.version = api.library_version();
  if (api.version.starts_with('v')) api.version.erase(0, 1);
  if (!is_supported_version(api.version))
    throw_unusable(path + " is DuckDB " + base::quoted(api.version) + ", not 1.5");
  return api;
}

// One library a process, as the dynamic linker has it too.
const Api& api() {
  static const Api loaded = load_library(library_candidates());
  return loaded;
}

}  // namespace tidelock::sql::duckdb

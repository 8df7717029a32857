// What a duckdb: URL says.
//
//   duckdb:shop.duckdb?threads=2&memory_limit=1GB      duckdb::memory:
#pragma once

#include <map>
#include <string>

#include "tidelock/base/url.h"

namespace tidelock::sql::duckdb {

// Plain data. Two databases of one file in one process need equal ones.
struct Settings {
  std::string path;                            // Empty: in memory.
  bool read_only = false;                      //
  std::map<std::string, std::string> options;  // The engine's settings that were given, by its names.

  bool in_memory() const { return path.empty(); }
  // "mode=rw threads=2", for messages.
  std::string to_string() const;

  friend bool operator==(const Settings&, const Settings&) = default;
};

// Takes the engine's own parameters out of `params`, which reads `url`; docs/engines/duckdb.md lists them.
// Errors: invalid_argument for a URL without a path or with hosts, a value out of range, and read-only in memory.
Settings read_settings(const base::Url& url, base::UrlParams& params, bool read_only);

}  // namespace tidelock::sql::duckdb

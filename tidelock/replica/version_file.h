// One version of a replica, open for reading.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/folder.h"
#include "tidelock/replica/manifest.h"
#include "tidelock/sql/database.h"

namespace tidelock::replica {

// Thread-safe; constant. The file stays readable while this or a connection to it lives, also after it was removed; of
// SQLite by the connections that were open then.
class VersionFile {
 public:
  // Looks at names and sizes, then lets the engine open it: this process may have the file open as a database, whose
  // lock would be gone if the file was opened and closed otherwise. Errors: not_found, corrupt (not as long as its
  // manifest says; something beside it that would be taken for its log), unavailable (replaced meanwhile); those of
  // sql::open().
  static std::shared_ptr<const VersionFile> open(base::Runtime& runtime, const Folder& folder, Manifest manifest,
                                                 const std::map<std::string, std::string>& parameters,
                                                 const sql::DatabaseOptions& options);

  VersionFile(base::Files& files, base::Path path, base::FileInfo::Id file, Manifest manifest,
              std::unique_ptr<sql::Database> database);

  const Manifest& manifest() const { return manifest_; }
  sql::Database& database() const { return *database_; }
  // False when its name leads nowhere or elsewhere now, as when the folder was made anew, or when it was cut.
  bool is_still_there() const;

 private:
  base::Files& files_;
  const base::Path path_;
  const base::FileInfo::Id file_;
  const Manifest manifest_;
  const std::unique_ptr<sql::Database> database_;
};

}  // namespace tidelock::replica

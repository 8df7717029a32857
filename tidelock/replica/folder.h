// The folder of a replica: what lies where, and what is Tidelock's in it.
//
//   current.db                      symlink to versions/<n>.db, relative; the only commit point
//   versions/<n>.db, <n>.json       a version and its manifest; n has ten digits; files are 0444
//   versions/<n>.<token>.part       a version in the making
//   publisher.json, publisher.lock  who publishes, the last sequence that was given out
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/lock/lease.h"
#include "tidelock/replica/manifest.h"

namespace tidelock::replica {

// Thread-safe; keeps nothing. Borrows the files. Errors of all calls: those of Files.
class Folder {
 public:
  Folder(base::Files& files, base::Path path) : files_(files), path_(std::move(path)) {}

  base::Files& files() const { return files_; }
  const base::Path& path() const { return path_; }
  base::Path current() const { return path_ / "current.db"; }
  base::Path new_link() const { return path_ / "current.db.tmp"; }  // Becomes current.db.
  base::Path versions() const { return path_ / "versions"; }
  base::Path file(std::uint64_t sequence) const;
  base::Path manifest(std::uint64_t sequence) const;
  base::Path part(std::uint64_t sequence, lock::FencingToken token) const;
  base::Path state() const { return path_ / "publisher.json"; }
  base::Path lock() const { return path_ / "publisher.lock"; }

  // What current.db names; empty when it is missing. Error: already_exists when it is no link that Tidelock made.
  std::optional<std::uint64_t> current_sequence() const;
  // Errors: not_found, corrupt, newer_schema; all name the file.
  Manifest read_manifest(std::uint64_t sequence) const;

  // A name in versions/ that Tidelock gives; anything else is somebody else's.
  struct Entry {
    enum class Kind { file, manifest, part, temporary } kind;
    std::uint64_t sequence;
    std::string name;
  };
  std::vector<Entry> entries() const;  // Sorted by name; empty when there is no such folder.

  // What would be taken for a part of this database when it is opened: logs and journals left beside it.
  static std::vector<base::Path> sidecars(const base::Path& file);

 private:
  base::Files& files_;
  base::Path path_;
};

}  // namespace tidelock::replica

// What is known about one version of a replica. It lies beside the version's file, and was there first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/time.h"
#include "tidelock/base/uuid.h"
#include "tidelock/lock/lease.h"
#include "tidelock/replica/block_hash.h"

namespace tidelock::replica {

// Which state of the master a reader sees; orders states of one epoch. Plain data: send it along with what was read.
struct Version {
  base::Uuid epoch;  // Sequences of two epochs say nothing about each other: the master was put back or replaced.
  std::uint64_t sequence = 0;  // From 1, never given twice in an epoch.

  std::string to_string() const;  // "<epoch>/<sequence>"
  friend bool operator==(const Version&, const Version&) = default;
};

struct Manifest {
  Version version;
  std::string engine;            // "duckdb" or "sqlite": the scheme of a URL that opens the file.
  std::uint64_t size_bytes = 0;  // Of the file.
  // What was hashed: the first `header_bytes` (block 0, unless there are none), then pieces of `block_bytes`.
  std::uint32_t header_bytes = 0;
  std::uint32_t block_bytes = 0;
  std::vector<BlockHash> blocks;

  base::Path master;                 // From the root.
  std::uint64_t master_inode = 0;    // Which file that was.
  std::string position;              // Of the master's file, in the engine's own numbers; see docs/replicas.md.
  base::WallTime data_time;          // All that was committed before is in this version, except for:
  std::uint64_t left_out_bytes = 0;  // Commits in the master's log, which only the process that owns it can add.
  base::WallTime publish_time;       //

  lock::FencingToken token;  // Of the lease under which it was published.
  std::string owner;         // Who did.
  std::string host;
  std::int64_t pid = 0;

  // One JSON object with a line end; docs/replicas.md describes the fields.
  std::string to_json() const;
  // Errors: corrupt for text that is no manifest (says what is wrong), newer_schema for one of a newer Tidelock.
  static Manifest parse(std::string_view text);

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

}  // namespace tidelock::replica

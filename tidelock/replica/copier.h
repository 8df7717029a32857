// Copying a master's file while it lives, and checking a copy. Behind an interface, because the bytes of a database are
// touched by a process of its own (helper_process.h), which a World does not have.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/time.h"
#include "tidelock/replica/block_hash.h"

namespace tidelock::replica {

struct CopyRequest {
  base::Path master;
  base::Path copy;            // Must not exist.
  bool owned = false;         // The caller keeps the master's owner from writing checkpoints meanwhile.
  base::Duration patience{};  // For a master that changes under the copier's hands.
};

// What a copy is; the fields are those of Manifest.
struct Copied {
  std::string engine;
  std::uint64_t size_bytes = 0;
  std::uint32_t header_bytes = 0;
  std::uint32_t block_bytes = 0;
  std::vector<BlockHash> blocks;
  std::string position;
  std::uint64_t left_out_bytes = 0;
  // Blocks whose own checksum was wrong however often they were read: garbage, if the database does not use them. The
  // check reads every table then.
  std::uint64_t doubtful_blocks = 0;
};

struct CheckRequest {
  base::Path copy;
  std::string engine;
  bool read_everything = false;
};

// Thread-safe.
class Copier {
 public:
  virtual ~Copier() = default;
  // Leaves a complete and synced copy, or throws; then a part of it may be left. Errors: as Publisher::publish().
  virtual Copied copy(const CopyRequest& request, const std::stop_token& stop) = 0;
  // Opens the copy to read only, as a reader will. Errors: not_a_database, corrupt, newer_schema, and what the engine
  // says.
  virtual void check(const CheckRequest& request, const std::stop_token& stop) = 0;
};

}  // namespace tidelock::replica

// Making a copy of a master's file while it lives, and checking it. Behind an interface, because the bytes of a
// database are touched by a process of its own (helper_process.h), which a World does not have.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/time.h"
#include "tidelock/replica/block_hash.h"

namespace tidelock::replica {

// Makes a master stand still while its file is copied. Used by one task at a time.
class Hold {
 public:
  virtual ~Hold() = default;
  // Errors: timeout, cancelled, and what the holder says.
  virtual void take(const std::stop_token& stop) = 0;
  // Does nothing when it is not taken.
  virtual void release() noexcept = 0;
};

// While it lives and is not ended, the master stands still; at once, when there is nobody to hold it.
class Standstill {
 public:
  Standstill(Hold* hold, const std::stop_token& stop) : hold_(hold) {
    if (hold_ != nullptr) hold_->take(stop);
  }
  ~Standstill() { end(); }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

  void end() noexcept {
    if (hold_ != nullptr) hold_->release();
  }

 private:
  Hold* hold_;
};

struct CopyRequest {
  base::Path master;
  base::Path copy;            // Must not exist.
  Hold* hold = nullptr;       // Of the process that owns the master; without it the file is as its owner left it.
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

// Thread-safe.
class Copier {
 public:
  virtual ~Copier() = default;
  // Leaves a complete and synced copy that was opened to read, as a reader will open it; or throws, and then a part of
  // it may be left. The hold is taken before the first byte is read, and released as soon as the last one was, however
  // that ends. Errors: as Publisher::publish().
  virtual Copied make(const CopyRequest& request, const std::stop_token& stop) = 0;
};

}  // namespace tidelock::replica

// The bytes of a file from its begin to its end, decompressed when it is compressed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tidelock/base/files.h"

namespace tidelock::batch {

// Used by one task.
class Bytes {
 public:
  virtual ~Bytes() = default;
  // Fills `out` from its front; returns the count, 0 at the end only. Errors: those of File; corrupt for compressed
  // data that is damaged or ends in the middle; unavailable when the file was changed or replaced while it was read.
  virtual std::size_t read(std::span<std::byte> out) = 0;
};

// What compresses the file is seen by its first bytes: gzip, zstd, or nothing. Errors: those of Files::open().
std::unique_ptr<Bytes> open_bytes(base::Files& files, const base::Path& path);

}  // namespace tidelock::batch

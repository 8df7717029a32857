// The hash of one block of a file: XXH3 with 128 bits over the block's number, as 8 bytes little endian, and its bytes.
// So a block that lies in another's place is found too. Not for secrets: it finds accidents, not forgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tidelock::replica {

// Stands in manifests: how it is made never changes.
struct BlockHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  static BlockHash of(std::uint64_t block, std::span<const std::byte> bytes);
  std::string to_string() const;  // 32 hexadecimal digits.
  static std::optional<BlockHash> parse(std::string_view text);

  friend bool operator==(const BlockHash&, const BlockHash&) = default;
};

}  // namespace tidelock::replica

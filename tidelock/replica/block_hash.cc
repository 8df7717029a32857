#include "tidelock/replica/block_hash.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <charconv>

namespace tidelock::replica {

BlockHash BlockHash::of(std::uint64_t block, std::span<const std::byte> bytes) {
  std::array<std::uint8_t, 8> number{};
  for (auto& byte : number) {
    byte = static_cast<std::uint8_t>(block);
    block >>= 8;
  }
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, number.data(), number.size());
  XXH3_128bits_update(&state, bytes.data(), bytes.size());
  const auto hash = XXH3_128bits_digest(&state);
  return {hash.high64, hash.low64};
}

std::string BlockHash::to_string() const { return fmt::format("{:016x}{:016x}", high, low); }

std::optional<BlockHash> BlockHash::parse(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  BlockHash hash;
  const auto read = [&](std::string_view half, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(half.data(), half.data() + half.size(), number, 16);
    return error == std::errc() && end == half.data() + half.size();
  };
  if (!read(text.substr(0, 16), hash.high) || !read(text.substr(16), hash.low)) return std::nullopt;
  return hash;
}

}  // namespace tidelock::replica

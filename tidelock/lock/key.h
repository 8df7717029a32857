// The names of locks and of fenced resources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidelock::lock {

inline constexpr std::size_t kKeyBytesMax = 255;
inline constexpr std::size_t kOwnerBytesMax = 1024;  // One pid after the other, of programs within each other.

// 1 to 255 bytes of UTF-8 without NUL, compared byte by byte; an owner may be longer. `what` names it in the message:
// "lock key". Error: invalid_argument.
void check_key(std::string_view what, std::string_view key, std::size_t bytes_max = kKeyBytesMax);

// FNV-1a (Fowler, Noll, Vo). Part of claim ids, which travel between processes: never change it.
std::uint32_t hash_key(std::string_view key);

}  // namespace tidelock::lock

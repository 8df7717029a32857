// Numbers in network byte order, as PostgreSQL sends them.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace tidelock::sql::postgres {

template <std::integral T>
T to_network(T value) {
  if constexpr (std::endian::native == std::endian::big || sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else {
    static_assert(sizeof(T) == 8);
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  }
}

// `bytes`: at least sizeof(T) of them.
template <std::integral T>
T read_network(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return to_network(value);  // Its own inverse.
}

template <std::integral T>
void append_network(std::string& out, T value) {
  const T swapped = to_network(value);
  out.append(reinterpret_cast<const char*>(&swapped), sizeof swapped);
}

}  // namespace tidelock::sql::postgres

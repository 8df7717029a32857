// Numbers in network byte order, as PostgreSQL sends them.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

namespace tidelock::sql::postgres {

template <std::integral T>
T to_network(T value) {
  using Unsigned = std::make_unsigned_t<T>;
  auto bits = static_cast<Unsigned>(value);
  if constexpr (std::endian::native == std::endian::little && sizeof(T) > 1) {
    Unsigned swapped = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      swapped = static_cast<Unsigned>(swapped << 8 | (bits & 0xff));
      bits = static_cast<Unsigned>(bits >> 8);
    }
    bits = swapped;
  }
  return static_cast<T>(bits);
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

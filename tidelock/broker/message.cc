#include "tidelock/broker/message.h"

namespace tidelock::broker {

std::uint32_t partition_of(std::string_view key, std::uint32_t partitions) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : key) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  return static_cast<std::uint32_t>(hash % partitions);
}

}  // namespace tidelock::broker

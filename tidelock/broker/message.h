// What goes through a broker.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/time.h"

namespace tidelock::broker {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Message {
  std::string key;      // UTF-8. Messages of one key stay in order. Empty: no key, any partition.
  std::string payload;  // Bytes.
  Headers headers;      // UTF-8.
};

// Where a message stands: offsets grow by one within a partition, from 0.
struct Place {
  std::string topic;
  std::uint32_t partition = 0;
  std::int64_t offset = 0;
};

struct Delivery {
  Place place;
  Message message;
  base::WallTime published_at;
};

// The partition of a key: FNV-1a (64 bits, Fowler, Noll and Vo) modulo the count. Never change: it is persisted in the
// order of messages.
std::uint32_t partition_of(std::string_view key, std::uint32_t partitions);

}  // namespace tidelock::broker

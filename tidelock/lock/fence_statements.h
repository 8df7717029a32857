// What fence() says to each engine.
#pragma once

#include <cstdint>
#include <string_view>

#include "tidelock/sql/schema.h"

namespace tidelock::lock {

struct FenceStatements {
  sql::Schema schema;
  std::string_view find_table;     // () → a row when it is there
  std::string_view find_token;     // (resource) → token
  std::string_view insert_token;   // (resource, token)
  std::string_view advance_token;  // (token, resource)
  // (resource, slot): makes a transaction with the last token conflict with one that advances it at the same time.
  // Empty where writers wait for each other.
  std::string_view hold_token;
};

// Rows a resource has where transactions with one token must write a row each. Never change it: they are made with the
// resource.
inline constexpr std::uint64_t kFenceSlots = 16;

extern const FenceStatements kSqliteFence;
extern const FenceStatements kDuckdbFence;

}  // namespace tidelock::lock

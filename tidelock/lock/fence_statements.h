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

// Of servers, where transactions lock rows: those of one holder share the lock, and a newer token waits for them. The
// table is made by prepare_fence(): a transaction would end, or keep all others waiting.
struct ServerFenceStatements {
  sql::Schema schema;
  std::string_view find_table;  // () → a row when it is there
  std::string_view last_token;  // (resource) → token, as it was last committed
  // (resource, token) → a row when this is the last token, which then stays the last one to the end of the transaction.
  std::string_view share_token;
  // (resource) → token, of the newest commit, also where the transaction reads a snapshot; never opens that snapshot.
  std::string_view find_token;
  // (resource, token): waits for all who share an older one, then sets it; never lowers it.
  std::string_view advance_token;
};

// Rows a resource has where transactions with one token must write a row each. Never change it: they are made with the
// resource.
inline constexpr std::uint64_t kFenceSlots = 16;

extern const FenceStatements kSqliteFence;
extern const FenceStatements kDuckdbFence;
extern const ServerFenceStatements kPostgresFence;
extern const ServerFenceStatements kMariadbFence;

}  // namespace tidelock::lock

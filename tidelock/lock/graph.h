// Who waits for whom, across all keys of an arbiter: finds deadlocks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tidelock/base/uuid.h"
#include "tidelock/lock/backend.h"

namespace tidelock::lock {

struct Deadlock {
  base::Uuid victim;                // The claim of the youngest waiter in the cycle: it should give up.
  std::vector<std::string> owners;  // The cycle; its last owner waits for its first.
  // "A holds x, waits for y since 12:00:03; B holds y, waits for x since 12:00:05". Times of day are UTC.
  std::string text;
};

// Pure: a picture of one moment; everybody who looks at the same picture finds the same deadlock.
//
// Found by reduction (Holt: Some Deadlock Properties of Computer Systems, 1972): owners who can go on are taken away
// with what they hold, until nobody else can; who remains is deadlocked. A waiter can go on when the remaining holders
// and the remaining earlier waiters leave it a permit, so any holder of a semaphore may free it. An owner can go on
// when all its waits can be served and all owners below it can go on. Expired claims count for nothing.
class Graph {
 public:
  explicit Graph(std::vector<KeyState> keys);
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // One cycle of owners of whom none can ever go on; empty when there is none.
  std::optional<Deadlock> find_deadlock() const;

 private:
  struct Owner {
    std::string_view name;
    std::vector<const ClaimState*> waits;
    std::vector<std::size_t> above;  // Owners that wait for its end.
  };
  class Reduction;
  // Why an owner cannot go on.
  struct Link {
    std::size_t from = 0;
    std::size_t to = 0;
    const ClaimState* wait = nullptr;  // Null: `to` is below `from`.
    bool behind = false;               // `to` only waits for the same key, earlier.
  };

  std::size_t owner_of(const ClaimState& claim) const { return owner_numbers_.at(claim.owner); }
  const KeyState& key_of(const ClaimState& claim) const { return keys_[key_numbers_.at(claim.key)]; }
  Link find_link(std::size_t from, const std::vector<bool>& stuck) const;
  std::string describe(const std::vector<Link>& cycle) const;

  std::vector<KeyState> keys_;  // Without expired claims.
  std::vector<Owner> owners_;   // Sorted by name.
  std::unordered_map<std::string_view, std::size_t> key_numbers_;
  std::unordered_map<std::string_view, std::size_t> owner_numbers_;
};

}  // namespace tidelock::lock

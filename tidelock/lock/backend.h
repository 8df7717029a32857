// What an arbiter of locks must provide. Users see Mutex and Semaphore.
//
// An implementation does one request a call and keeps no policy: waiting loops, margins, renewals and deadlock checks
// are done once, above. All calls are thread-safe. Errors of all calls: unavailable (not applied), unknown_outcome (may
// have been applied; each call here is idempotent for one claim, so the same call may be repeated), and those named
// below.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/lock/lease.h"

namespace tidelock::lock {

// One acquisition of one key by one owner, from its first request to its release. Repeating a request with the same id
// finds what the first one did. Borrowed for the call.
struct Claim {
  std::string_view key;
  base::Uuid id;
  std::string_view owner;     // Who asks: takes the key or a place in the queue; acts for the owner of what it renews.
  std::uint32_t permits = 1;  // How many claims may hold the key at once; all holders must agree.
  base::Duration ttl{};
  std::optional<FencingToken> token;  // Of the lease to renew or release; empty: whichever the claim has.

  // How long a place in the queue is kept without another request: one that was left behind by a waiter that could not
  // say so holds up the others no longer.
  base::Duration place_ttl() const { return std::min<base::Duration>(ttl, kPlaceTtlMost); }
  static constexpr base::Duration kPlaceTtlMost = std::chrono::seconds(30);
};

// What a backend guarantees. Constant.
struct Guarantees {
  bool fencing_tokens = false;
  bool fifo = false;             // Waiters are served in their order, newcomers do not barge.
  bool waiters_visible = false;  // snapshot() lists waiters: deadlocks are found.
  std::string whose_clock;       // Expires leases: "this process", "this machine's boot clock", …
  std::string note;              // What a user must know, in a sentence.
};

struct Attempt {
  bool granted = false;
  std::optional<FencingToken> token;  // When granted and the backend has tokens.
  // When not granted: the moment the key may come free without anybody's notice (the earliest expiry).
  base::Instant retry_at = base::Instant::max();
};

// For people and for the deadlock graph.
struct ClaimState {
  std::string key;
  base::Uuid id;
  std::string owner;
  std::string host;
  std::int64_t pid = 0;
  std::optional<FencingToken> token;  // Of a holder.
  base::WallTime since;
  base::Duration expires_in{};  // Not positive: expired, not yet swept.
  std::uint32_t permits = 1;
};
struct KeyState {
  std::string key;
  std::vector<ClaimState> holders;
  std::vector<ClaimState> waiters;  // In their order.
};

// How the way to an arbiter is opened.
struct OpenOptions {
  base::Duration patience = std::chrono::seconds(5);  // With somebody who has the state locked.
  bool make_folder = false;                           // Of a file: made with its parents when it is missing.
  // Only snapshot() will be called: nothing is made or changed, also where there is no state yet, which has no locks.
  bool read_only = false;
};

class Backend {
 public:
  enum class Queue { no, yes };

  virtual ~Backend() = default;
  virtual const Guarantees& guarantees() const = 0;

  // One attempt; never waits for a holder. A claim that holds the key already keeps its token and holds it for another
  // ttl. With Queue::yes a refused claim takes a place in the queue, or keeps the one it has; its place expires after
  // place_ttl() unless it tries again. A claim is refused while an earlier one waits for what is free. Errors:
  // permits_differ, with both numbers.
  virtual Attempt try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) = 0;

  // Returns when a try_acquire of this queued claim may succeed, at the deadline, or when `stop` is requested. May
  // return early; the caller tries again.
  virtual void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) = 0;

  // The claim holds the key for another ttl, and never for less than before. Errors: lease_lost, not_holder (the owner
  // does not act for the holder).
  virtual void renew(const Claim& claim, base::Deadline deadline) = 0;

  // Frees the key or gives up the place in the queue, whichever the claim has; does nothing when it has neither. So it
  // also undoes an acquisition of unknown outcome. Error: not_holder, as for renew().
  virtual void release(const Claim& claim, base::Deadline deadline) = 0;

  // Every key that has a holder or a waiter, or only `key`. Sorted by key.
  virtual std::vector<KeyState> snapshot(std::optional<std::string_view> key, base::Deadline deadline) = 0;

  // For an operator: takes the key from those of these claims that hold it, who find out at their next renewal, and
  // their places from those that wait, who come last when they ask again. Nobody else loses anything. Returns how many
  // had one or the other.
  virtual std::size_t break_claims(std::string_view key, std::span<const base::Uuid> claims,
                                   base::Deadline deadline) = 0;

  // Takes the key from whoever is seen to hold it now. False when nobody did.
  bool break_key(std::string_view key, base::Deadline deadline);
};

}  // namespace tidelock::lock

// Locks shared by tasks, processes and machines, held under a lease that expires.
//
// A lease can lapse while its holder is paused or cut off, so holding one proves nothing to the guarded resource. Send
// the token with each write (see fence.h); the resource must refuse any token lower than the highest it has seen.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/lease.h"

namespace tidelock::lock {

// At most `permits` holders at a time. Thread-safe: many tasks may acquire through one Semaphore, each gets a lease of
// its own. Borrows backend and runtime, which must outlive it; reads no other time source. Ownership is by the lease,
// never by thread: any task of the owner's processes may renew or release.
class Semaphore {
 public:
  // key: 1 to 255 bytes of UTF-8 without NUL, compared byte by byte. permits: at least 1, the same in every process.
  // Error: invalid_argument.
  Semaphore(Backend& backend, base::Runtime& runtime, std::string key, std::uint32_t permits,
            LeaseOptions options = {});
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // One attempt; never waits for a holder. Empty when no permit is free, or others wait for one. The lease counts from
  // before the request was sent: a slow reply shortens it and never lengthens it, and one that comes after the lease
  // would have expired gives none. Errors: unavailable (not applied: retry_call), unknown_outcome (may be applied:
  // calling again here finds it), permits_differ.
  std::optional<Lease> try_acquire(base::Deadline deadline);

  // Waits its turn, first come first served where the backend is fair. Empty at the deadline or when `stop` is
  // requested; then it has left the line, or where the arbiter could not be told, its place expires within the ttl, 30
  // s at most. While the arbiter cannot be reached, or once in line its disk is full or it is no primary, it tries
  // again, and settles an unknown outcome by repeating the claim; what is still so at the deadline is thrown. Errors:
  // as try_acquire(); deadlock (rerun_unit: release all, then begin again) with the cycle.
  std::optional<Lease> acquire(base::Deadline deadline, const std::stop_token& stop = {});

  // The same lease with a later expiry and the same token; on an error the old one still stands.
  // Errors: lease_lost (permanent: stop, another holder may be running), not_holder, unavailable, unknown_outcome
  // (idempotent: repeat).
  Lease renew(const Lease& lease, base::Deadline deadline);

  // Frees the permit now; does nothing once the lease has lapsed. Errors: not_holder (a lease of another key or another
  // owner), unavailable, unknown_outcome (idempotent: repeat).
  void release(const Lease& lease, base::Deadline deadline);

  const std::string& key() const;
  std::uint32_t permits() const;
  const LeaseOptions& options() const;
  base::Runtime& runtime() const;

 private:
  struct State;
  class Acquisition;
  std::unique_ptr<State> state_;
};

// One holder at a time.
class Mutex : public Semaphore {
 public:
  Mutex(Backend& backend, base::Runtime& runtime, std::string key, LeaseOptions options = {});
};

}  // namespace tidelock::lock

// A lease that is released at the end of a scope.
#pragma once

#include <optional>
#include <stop_token>

#include "tidelock/lock/lease.h"
#include "tidelock/lock/mutex.h"

namespace tidelock::lock {

// Does not renew: for work that is shorter than the ttl (a Keeper renews). Used by one task at a time. Borrows the
// semaphore, which must outlive it.
class [[nodiscard]] Guard {
 public:
  Guard(Semaphore& semaphore, Lease lease) : semaphore_(&semaphore), lease_(lease) {}
  Guard(Guard&& other) noexcept;
  Guard& operator=(Guard&&) = delete;
  ~Guard();  // Releases; when that fails, the lease expires by itself.

  const Lease& lease() const { return lease_; }
  FencingToken token() const;  // Error: unsupported when the backend has none.
  bool still_held() const;     // By the holder's clock.

  void renew(base::Deadline deadline);    // Errors: as Semaphore::renew().
  void release(base::Deadline deadline);  // Now. Errors: as Semaphore::release(); the destructor then tries again.

 private:
  Semaphore* semaphore_;  // Null once released.
  Lease lease_;
};

//   if (auto guard = lock::hold(mutex, runtime.in(5s))) { … }
// Semaphore::acquire() with a Guard.
std::optional<Guard> hold(Semaphore& semaphore, base::Deadline deadline, const std::stop_token& stop = {});

// The token of a lease, for guards that need one. Error: unsupported when its backend has none.
FencingToken token_of(const Lease& lease);

}  // namespace tidelock::lock

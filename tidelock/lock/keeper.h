// Keeps a lease alive while work goes on, and stops the work the moment the lease can no longer be proven.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "tidelock/base/error.h"
#include "tidelock/lock/lease.h"
#include "tidelock/lock/mutex.h"

namespace tidelock::lock {

// Renews at a third of the time that a lease is of use, tries again until it expires on the holder's clock, and then
// requests stop, also while a renewal hangs. A lease that was lost once stays lost: the work must be begun again under
// a new one. Thread-safe. Borrows the semaphore, which must outlive it. Must not be destroyed in a callback of its own
// stop token.
//
//   lock::Keeper keeper(mutex, *lease);
//   while (more && !keeper.stop_token().stop_requested()) work(keeper.lease().token);
//   if (const auto why = keeper.lost()) throw *why;
class Keeper {
 public:
  enum class AtEnd { release, leave };  // Leave: to its expiry, or to somebody who was handed the lease.
  // Told each renewed lease, by a task of the Keeper, before the next renewal: brief, and throws nothing.
  using Renewed = std::function<void(const Lease&)>;

  // `lead`: somebody acts so long before the lease expires, unless he is told of a renewal: it is renewed that much
  // earlier. Below ttl - margin.
  Keeper(Semaphore& semaphore, const Lease& lease, AtEnd at_end = AtEnd::release, Renewed renewed = {},
         base::Duration lead = {});
  // Stops renewing; then releases, when asked to. A renewal under way is waited for: until the lease's expiry at most.
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  std::stop_token stop_token() const;  // Requested when the lease is lost.
  std::optional<Error> lost() const;   // Code::lease_lost and why; empty while it is held, and after a release.
  // Lost by its end alone: until then nobody had said that another may hold the key.
  bool lost_by_expiry() const;
  bool still_held() const;  // Looks at the clock: true is true now, even when the tasks were paused.
  Lease lease() const;      // As last renewed.

  // Stops renewing, then frees the key. Errors: as Semaphore::release(); the destructor then tries again.
  void release(base::Deadline deadline);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidelock::lock

#include "tidelock/lock/guard.h"

#include <chrono>
#include <utility>

#include "tidelock/base/error.h"

namespace tidelock::lock {

using namespace std::chrono_literals;

Guard::Guard(Guard&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)), lease_(other.lease_) {}

Guard::~Guard() {
  if (semaphore_ == nullptr) return;
  try {
    semaphore_->release(lease_, semaphore_->runtime().in(1s));
  } catch (...) {  // The lease expires by itself.
  }
}

FencingToken Guard::token() const { return token_of(lease_); }

bool Guard::still_held() const { return semaphore_ != nullptr && lease_.valid(semaphore_->runtime().now()); }

void Guard::renew(base::Deadline deadline) {
  if (semaphore_ == nullptr) throw Error(Code::misuse, "a lease is renewed after its release");
  lease_ = semaphore_->renew(lease_, deadline);
}

void Guard::release(base::Deadline deadline) {
  if (semaphore_ == nullptr) return;
  semaphore_->release(lease_, deadline);
  semaphore_ = nullptr;
}

std::optional<Guard> hold(Semaphore& semaphore, base::Deadline deadline, const std::stop_token& stop) {
  const auto lease = semaphore.acquire(deadline, stop);
  if (!lease) return std::nullopt;
  return std::optional<Guard>(std::in_place, semaphore, *lease);
}

FencingToken token_of(const Lease& lease) {
  if (!lease.token) throw Error(Code::unsupported, "this lock backend gives no fencing tokens: use one that does");
  return *lease.token;
}

}  // namespace tidelock::lock

#include "tidelock/lock/testing/faulty_backend.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>

#include "tidelock/base/error.h"

namespace tidelock::lock::testing {

using namespace std::chrono_literals;

FaultyBackend::~FaultyBackend() = default;

template <typename Call>
auto FaultyBackend::send(base::Deadline deadline, Call call) {
  runtime_.yield();
  const auto met = next_fault();
  const auto fault = [&](Fault one) { return met && met->fault == one; };
  if (fault(Fault::refuse)) throw Error(met->refusal, "the arbiter does nothing: " + std::string(name(met->refusal)));
  if (fault(Fault::drop_request)) give_up(deadline);
  if (fault(Fault::apply_late)) {
    late_.push_back(runtime_.spawn("late request", [this, call, delay = met->delay](auto) {
      runtime_.sleep_for(delay);
      try {
        call(base::Deadline::never());  // The arbiter knows nothing of the sender's patience.
      } catch (const Error&) {          // Nobody listens any more.
      }
    }));
    give_up(deadline);
  }
  if (fault(Fault::delay_request)) runtime_.sleep_for(met->delay);
  const auto after = [&] {
    if (fault(Fault::drop_reply)) give_up(deadline);
    if (fault(Fault::delay_reply)) runtime_.sleep_for(met->delay);
    runtime_.yield();
  };
  if constexpr (std::is_void_v<decltype(call(deadline))>) {
    call(deadline);
    after();
  } else {
    auto result = call(deadline);
    after();
    return result;
  }
}

// Owns what the claim borrows: the call may be made when the caller is gone.
template <typename Call>
auto FaultyBackend::send(const Claim& claim, base::Deadline deadline, Call call) {
  const auto texts = std::make_shared<const std::pair<std::string, std::string>>(claim.key, claim.owner);
  auto owned = claim;
  owned.key = texts->first;
  owned.owner = texts->second;
  return send(deadline, [texts, owned, call](base::Deadline until) { return call(owned, until); });
}

std::optional<FaultyBackend::Meeting> FaultyBackend::next_fault() {
  if (!faults_.empty()) {
    const auto met = faults_.front();
    faults_.pop_front();
    return met;
  }
  if (random_ == nullptr || !random_->chance(plan_.probability)) return std::nullopt;
  return Meeting{static_cast<Fault>(random_->below(6)), random_->between({base::Duration::zero(), plan_.delay_max})};
}

void FaultyBackend::give_up(base::Deadline deadline) {
  runtime_.sleep_until(std::min(deadline.at(), runtime_.now() + 1h));
  throw Error(Code::unknown_outcome, "no reply came");
}

Attempt FaultyBackend::try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) {
  ++attempts_;
  return send(claim, deadline,
              [=, this](const Claim& owned, base::Deadline until) { return inner_.try_acquire(owned, queue, until); });
}

void FaultyBackend::wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) {
  inner_.wait(claim, deadline, stop);
}

void FaultyBackend::renew(const Claim& claim, base::Deadline deadline) {
  ++renewals_;
  send(claim, deadline, [=, this](const Claim& owned, base::Deadline until) { inner_.renew(owned, until); });
}

void FaultyBackend::release(const Claim& claim, base::Deadline deadline) {
  send(claim, deadline, [=, this](const Claim& owned, base::Deadline until) { inner_.release(owned, until); });
}

std::vector<KeyState> FaultyBackend::snapshot(std::optional<std::string_view> key, base::Deadline deadline) {
  const auto name = key ? std::optional<std::string>(*key) : std::nullopt;
  return send(deadline, [=, this](base::Deadline until) { return inner_.snapshot(name, until); });
}

std::size_t FaultyBackend::break_claims(std::string_view key, std::span<const base::Uuid> claims,
                                        base::Deadline deadline) {
  return send(deadline, [this, name = std::string(key), broken = std::vector(claims.begin(), claims.end())](
                            base::Deadline until) { return inner_.break_claims(name, broken, until); });
}

}  // namespace tidelock::lock::testing

// A bad line to an arbiter: requests and replies come late or not at all.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/lock/backend.h"
#include "tidelock/world/random.h"

namespace tidelock::lock::testing {

enum class Fault {
  delay_request,  // It reaches the arbiter late.
  delay_reply,    // It is done at once and answered late, also later than the deadline.
  drop_request,   // It never arrives; the caller gives up at its deadline without knowing.
  drop_reply,     // It is done; the caller gives up at its deadline without knowing.
  refuse,         // unavailable: not applied.
  apply_late,     // The caller gives up at its deadline without knowing; the request arrives when the delay is over.
};

// Faults at random: each call meets one with the given probability.
struct FaultPlan {
  double probability = 0;
  base::Duration delay_max{};
};

// Stands between a Semaphore of one process and its backend, in a World. Each call is a chance for other tasks to run
// and for a killed process to find out. Faults that were asked for meet the next calls, except wait(), in their order.
class FaultyBackend final : public Backend {
 public:
  FaultyBackend(Backend& inner, base::Runtime& runtime) : inner_(inner), runtime_(runtime) {}
  ~FaultyBackend() override;

  void next(Fault fault, base::Duration delay = {}) { faults_.push_back({fault, delay}); }
  void refuse_next(Code code) { faults_.push_back({Fault::refuse, {}, code}); }  // For another reason.
  void at_random(FaultPlan plan, world::Random& random) {
    plan_ = plan;
    random_ = &random;
  }
  std::uint64_t renewals() const { return renewals_; }  // Calls of renew().
  std::uint64_t attempts() const { return attempts_; }  // Calls of try_acquire().

  const Guarantees& guarantees() const override { return inner_.guarantees(); }
  Attempt try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) override;
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) override;
  void renew(const Claim& claim, base::Deadline deadline) override;
  void release(const Claim& claim, base::Deadline deadline) override;
  std::vector<KeyState> snapshot(std::optional<std::string_view> key, base::Deadline deadline) override;
  std::size_t break_claims(std::string_view key, std::span<const base::Uuid> claims, base::Deadline deadline) override;

 private:
  struct Meeting {
    Fault fault;
    base::Duration delay;
    Code refusal = Code::unavailable;
  };

  template <typename Call>
  auto send(base::Deadline deadline, Call call);
  template <typename Call>
  auto send(const Claim& claim, base::Deadline deadline, Call call);
  std::optional<Meeting> next_fault();
  [[noreturn]] void give_up(base::Deadline deadline);

  Backend& inner_;
  base::Runtime& runtime_;
  std::deque<Meeting> faults_;
  FaultPlan plan_;
  world::Random* random_ = nullptr;
  std::vector<base::Task> late_;
  std::uint64_t renewals_ = 0;
  std::uint64_t attempts_ = 0;
};

}  // namespace tidelock::lock::testing

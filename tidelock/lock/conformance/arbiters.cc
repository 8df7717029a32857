#include "tidelock/lock/conformance/arbiters.h"

#include <utility>

#include "tidelock/lock/backends/memory/memory_backend.h"

namespace tidelock::lock::conformance {
namespace {

// Hands every call on, to whatever the arbiter is at the moment.
class MemoryLine final : public Backend {
 public:
  explicit MemoryLine(std::shared_ptr<std::shared_ptr<MemoryBackend>> arbiter) : arbiter_(std::move(arbiter)) {}

  const Guarantees& guarantees() const override { return (*arbiter_)->guarantees(); }
  Attempt try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) override {
    return now()->try_acquire(claim, queue, deadline);
  }
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) override {
    now()->wait(claim, deadline, stop);
  }
  void renew(const Claim& claim, base::Deadline deadline) override { now()->renew(claim, deadline); }
  void release(const Claim& claim, base::Deadline deadline) override { now()->release(claim, deadline); }
  std::vector<KeyState> snapshot(std::optional<std::string_view> key, base::Deadline deadline) override {
    return now()->snapshot(key, deadline);
  }
  bool break_key(std::string_view key, base::Deadline deadline) override { return now()->break_key(key, deadline); }

 private:
  std::shared_ptr<MemoryBackend> now() const { return *arbiter_; }
  std::shared_ptr<std::shared_ptr<MemoryBackend>> arbiter_;
};

class MemoryArbiter final : public Arbiter {
 public:
  explicit MemoryArbiter(world::World& world) : process_(world.process("arbiter")) { lose_state(); }
  std::unique_ptr<Backend> connect(world::Process&) override { return std::make_unique<MemoryLine>(arbiter_); }
  void lose_state() override { *arbiter_ = std::make_shared<MemoryBackend>(process_); }

 private:
  world::Process& process_;
  std::shared_ptr<std::shared_ptr<MemoryBackend>> arbiter_ = std::make_shared<std::shared_ptr<MemoryBackend>>();
};

}  // namespace

std::vector<ArbiterCase> arbiters() {
  return {
      {"memory", [](world::World& world) { return std::make_unique<MemoryArbiter>(world); }},
  };
}

}  // namespace tidelock::lock::conformance

#include "tidelock/lock/conformance/arbiters.h"

#include <utility>

#include "tidelock/lock/backends/memory/memory_backend.h"
#if TIDELOCK_HAVE_SQLITE
#include "tidelock/lock/backends/sql/sql_backend.h"
#endif

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
  std::size_t break_claims(std::string_view key, std::span<const base::Uuid> claims, base::Deadline deadline) override {
    return now()->break_claims(key, claims, deadline);
  }

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

#if TIDELOCK_HAVE_SQLITE
// The shipped SQLite, on the model disk of the machine.
class SqliteArbiter final : public Arbiter {
 public:
  explicit SqliteArbiter(world::World& world) : files_(world.process("operator").files()) {}
  std::unique_ptr<Backend> connect(world::Process& process) override {
    return std::make_unique<SqlBackend>(process, process.files(), base::Url::parse("sqlite:/locks.db"));
  }
  void lose_state() override { files_.remove("/locks.db"); }

 private:
  base::Files& files_;
};
#endif

}  // namespace

std::vector<ArbiterCase> arbiters() {
  return {
#if TIDELOCK_HAVE_SQLITE
    {"sqlite", [](world::World& world) { return std::make_unique<SqliteArbiter>(world); }},
#endif
        {"memory", [](world::World& world) { return std::make_unique<MemoryArbiter>(world); }},
  };
}

}  // namespace tidelock::lock::conformance

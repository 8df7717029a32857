// The arbiter of one process: for tasks of one program, and for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"

namespace tidelock::lock {

// First come, first served; a release wakes whose turn it is, nobody else, without polling. Thread-safe. Does no I/O,
// never fails, and ignores the deadlines of requests.
class MemoryBackend final : public Backend {
 public:
  explicit MemoryBackend(base::Runtime& runtime);

  const Guarantees& guarantees() const override { return guarantees_; }
  Attempt try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) override;
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) override;
  void renew(const Claim& claim, base::Deadline deadline) override;
  void release(const Claim& claim, base::Deadline deadline) override;
  std::vector<KeyState> snapshot(std::optional<std::string_view> key, base::Deadline deadline) override;
  std::size_t break_claims(std::string_view key, std::span<const base::Uuid> claims, base::Deadline deadline) override;

 private:
  struct Holder {
    base::Uuid id;
    std::string owner;
    FencingToken token;
    base::Instant since;
    base::Instant expires;
  };
  struct Waiter {
    base::Uuid id;
    std::string owner;
    base::Instant since;
    base::Instant expires;  // Of its place.
    std::shared_ptr<base::Signal> turn;
  };
  // A key. One that nobody holds or waits for is kept for a while: its memory serves the next holder.
  struct Entry {
    std::uint32_t permits = 0;
    std::size_t held = 0;
    std::vector<Holder> holders;  // The first `held` hold; the rest keep their strings' memory.
    std::vector<Waiter> waiters;  // In their order.

    bool idle() const { return held == 0 && waiters.empty(); }
    Holder* find_holder(const base::Uuid& id);
    std::size_t find_waiter(const base::Uuid& id) const;  // waiters.size() when it is none.
    // Whether the waiter with this number, or a newcomer behind all, may have one of the free permits.
    bool is_turn_of(std::size_t place) const { return held + place < permits; }
    void drop_holder(std::size_t index);
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  Attempt grant(Entry& entry, const Claim& claim, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  void enqueue(Entry& entry, const Claim& claim, std::size_t place, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  Entry* find(std::string_view key) TIDELOCK_REQUIRES(mutex_);
  void sweep(Entry& entry, base::Instant now) TIDELOCK_REQUIRES(mutex_);
  void wake_next(Entry& entry) TIDELOCK_REQUIRES(mutex_);
  void note_idle() TIDELOCK_REQUIRES(mutex_);
  void sweep_all(base::Instant now) TIDELOCK_REQUIRES(mutex_);
  base::WallTime wall_time(base::Instant moment) const;

  base::Runtime& runtime_;
  const Guarantees guarantees_;
  const base::Duration wall_offset_;  // From boot clock to wall clock, as it was at the beginning: never stepped.

  base::LocalMutex mutex_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_ TIDELOCK_GUARDED_BY(mutex_);
  std::size_t idle_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::size_t sweep_at_ TIDELOCK_GUARDED_BY(mutex_);         // So many entries: then the lapsed ones are looked for.
  std::int64_t last_token_ TIDELOCK_GUARDED_BY(mutex_) = 0;  // Of any key.
};

}  // namespace tidelock::lock

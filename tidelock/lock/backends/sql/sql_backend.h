// Locks in the tables of a database: between all processes that reach it. In a file that needs no server.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/key_rows.h"
#include "tidelock/lock/backends/sql/state.h"
#include "tidelock/lock/backends/sql/turn_watcher.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::lock {

// Each request is one short write transaction, run again when it lost against another. First come, first served; a
// waiter is woken by the commit that frees its lock. Tokens grow over all keys that were forgotten, and by the wall
// clock when the state was lost. Borrows runtime and files. Thread-safe.
//
// In a file (state_file.h) leases expire by the boot clock of the machine and end with its boot. Whoever deletes the
// file frees all locks at once: the next request of each process notices and makes it anew, a holder finds out at its
// next renewal, and what it writes meanwhile is refused by fence(). On a server (state_server.h) they expire by the
// server's clock, and survive its restart.
class SqlBackend final : public Backend {
 public:
  // Opens the database. Errors: those of StateSource::get(); invalid_argument for a URL that cannot be used.
  SqlBackend(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options = {});
  SqlBackend(base::Runtime& runtime, std::unique_ptr<StateSource> source, const OpenOptions& options = {});

  const Guarantees& guarantees() const override { return guarantees_; }
  Attempt try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) override;
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) override;
  void renew(const Claim& claim, base::Deadline deadline) override;
  void release(const Claim& claim, base::Deadline deadline) override;
  std::vector<KeyState> snapshot(std::optional<std::string_view> key, base::Deadline deadline) override;
  std::size_t break_claims(std::string_view key, std::span<const base::Uuid> claims, base::Deadline deadline) override;

 private:
  // One request about one key: a write transaction, and the time once it is the only one.
  struct Request {
    sql::Transaction& tx;
    const Tables& tables;
    Moment now;
    Presence* presence;  // Null: nobody is known to be gone.
  };

  std::shared_ptr<const State> state_to_write(base::Deadline deadline);
  base::Duration time_left(base::Deadline deadline);
  template <typename Unit>
  auto write(const State& state, std::string_view key, base::Deadline deadline, Unit&& unit);
  template <typename Call>
  auto quick(const State& state, base::Deadline deadline, Call&& call);
  std::optional<Attempt> refusal(const State& state, const Claim& claim, base::Deadline deadline);
  Attempt attempt(Request& request, const Claim& claim, Queue queue);
  static void end(Request& request, std::string_view key, bool dropped);
  void drop_gone(Request& request, std::string_view key, KeyRows& rows);
  std::vector<base::Uuid> find_turns(std::string_view key, base::Deadline deadline, const std::stop_token& stop);
  void tidy_up(std::string_view near) TIDELOCK_EXCLUDES(mutex_);

  base::Runtime& runtime_;
  const bool read_only_;
  const std::unique_ptr<StateSource> source_;
  const Guarantees guarantees_;
  std::atomic<std::uint32_t> grants_ = 0;
  base::LocalMutex mutex_;
  std::optional<std::string> tidied_to_ TIDELOCK_GUARDED_BY(mutex_);  // The last key that was looked at; "": all were.
  TurnWatcher watcher_;                                               // Last: its task uses the rest.
};

}  // namespace tidelock::lock

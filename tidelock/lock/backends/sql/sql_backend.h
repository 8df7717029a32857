// Locks in the tables of a database: between all processes that reach it, without a server.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/key_rows.h"
#include "tidelock/lock/backends/sql/state_file.h"
#include "tidelock/lock/backends/sql/turn_watcher.h"
#include "tidelock/sql/transaction.h"

namespace tidelock::lock {

// Each request is one short write transaction. First come, first served; a waiter is woken by the commit that frees its
// lock. Leases expire by the boot clock of the machine and end with its boot. Tokens grow over all keys that were
// forgotten, and by the wall clock when the state was lost. Borrows runtime and files. Thread-safe.
//
// Whoever deletes the state file frees all locks at once: the next request of each process notices and makes the file
// anew, a holder finds out at its next renewal, and what it writes meanwhile is refused by fence().
class SqlBackend final : public Backend {
 public:
  // Opens the database. Errors: those of StateFile::get().
  SqlBackend(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options = {});

  const Guarantees& guarantees() const override { return guarantees_; }
  Attempt try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) override;
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) override;
  void renew(const Claim& claim, base::Deadline deadline) override;
  void release(const Claim& claim, base::Deadline deadline) override;
  std::vector<KeyState> snapshot(std::optional<std::string_view> key, base::Deadline deadline) override;
  std::size_t break_claims(std::string_view key, std::span<const base::Uuid> claims, base::Deadline deadline) override;

 private:
  // One request: a write transaction, and the time once it is the only one.
  struct Request {
    sql::Transaction& tx;
    const Statements& statements;
    BootTime time;
    Presence* presence;  // Null: nobody is known to be gone.
  };

  sql::Transaction begin(sql::Connection& connection, bool read_only, base::Deadline deadline);
  template <typename Unit>
  auto write(base::Deadline deadline, Unit&& unit);
  FencingToken next_token(Request& request, std::string_view key);
  Attempt grant(Request& request, const Claim& claim);
  void enqueue(Request& request, const Claim& claim, bool has_place);
  void drop_gone(Request& request, std::string_view key, KeyRows& rows);
  std::vector<base::Uuid> find_turns(std::string_view key);
  void tidy_up(base::Deadline deadline);
  BootTime boot_time() { return {runtime_.identity().boot_id, runtime_.now()}; }

  base::Runtime& runtime_;
  const Guarantees guarantees_;
  const bool read_only_;
  StateFile state_file_;
  std::atomic<std::uint32_t> grants_ = 0;
  TurnWatcher watcher_;  // Last: its task uses the rest.
};

}  // namespace tidelock::lock

// What the callers of units of work were told, to be compared with what the database has: a unit inserts its own number
// into the table t (id bigint not null), while somebody breaks the connection or the server.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/database.h"

namespace tidelock::sql::testing {

enum class Told { applied, not_applied, unknown };
std::ostream& operator<<(std::ostream& out, Told told);

// Thread-safe.
class Ledger {
 public:
  // Runs `unit` and notes what it says by its error. Fails the test for one that is no loss.
  Told note(std::int64_t id, const std::function<void()>& unit);

  // An insert and its commit, by hand; `before_insert` and `before_commit` are called between the steps.
  Told unit(
      Database& db, std::int64_t id, const std::function<void()>& before_commit = [] {},
      const std::function<void()>& before_insert = [] {});

  // Many tasks run units by transact() for as long as `fire` goes on.
  struct Fire {
    std::function<void()> strike;                      // Called again and again, with a small pause after each,
    int strikes = 60;                                  // so often: a slow machine gets through as well.
    std::function<void()> over = [] {};                // After the last.
    std::function<bool()> out = [] { return false; };  // It has had enough.
  };
  void run_under_fire(base::Runtime& runtime, Database& db, int tasks, const Fire& fire);

  // Nothing was applied twice; what was applied is there, and what was not is not.
  void expect_kept(Database& db) const;

  int count(Told told) const;

 private:
  mutable base::LocalMutex mutex_;
  std::map<std::int64_t, Told> told_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::sql::testing

// A database that holds the state of locks, as it is opened, looked after and watched.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/presence.h"
#include "tidelock/lock/backends/sql/tables.h"
#include "tidelock/sql/database.h"

namespace tidelock::lock {

// Hears that something was committed. Used by one task.
class Changes {
 public:
  virtual ~Changes() = default;
  // Returns at the deadline, when `stop` is requested, and when there was a change since the last call: then the key
  // that it is about, where that is known. Error: any that says that nothing will be heard any more.
  virtual std::optional<std::string> wait(base::Deadline deadline, const std::stop_token& stop) = 0;
};

// One opening of the state. Thread-safe.
class State {
 public:
  virtual ~State() = default;
  virtual sql::Database& database() const = 0;
  virtual const Tables& tables() const = 0;
  virtual Presence* presence() const { return nullptr; }  // Null: nobody is known to be gone.
  // Null: nothing can be heard here, only looked at. Errors: any; timeout, cancelled.
  virtual std::unique_ptr<Changes> watch(base::Deadline deadline, const std::stop_token& stop) const = 0;
  // False: it is read without a lock, and somebody wrote since it was opened. What was read may be half of this and
  // half of that.
  virtual bool still_holds() const { return true; }
};

// Where the state is. Thread-safe.
class StateSource {
 public:
  virtual ~StateSource() = default;
  virtual Guarantees guarantees() const = 0;
  // The state as it is now: opened, made or migrated where needed. Null when it may only be read and there is none.
  // Errors: those of opening a database; newer_schema; not_a_database for tables that are not ours.
  virtual std::shared_ptr<const State> get(base::Deadline deadline) = 0;
};

// What read() returns or throws, once holds() says that nobody wrote meanwhile.
template <typename Read, typename Holds>
auto read_undisturbed(Read&& read, Holds&& holds) {
  for (;;) {
    std::optional<decltype(read())> result;
    std::exception_ptr failure;  // Looking waits, which a handler must not do in a World.
    try {
      result = read();
    } catch (const Error&) {
      failure = std::current_exception();
    }
    if (!holds()) continue;
    if (failure) std::rethrow_exception(failure);
    return *std::move(result);
  }
}

// Makes the tables or brings them up to date, and looks at every column. Errors: as above.
void make_tables(sql::Database& database, const Tables& tables, base::Deadline deadline);
// The same without writing. False when there are none.
bool find_tables(sql::Database& database, const Tables& tables, base::Deadline deadline);

}  // namespace tidelock::lock

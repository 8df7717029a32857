// The tables of locks in one kind of database: what is read from them, and what is written.
//
// SqlBackend decides; an implementation knows the columns, the clock that judges them, and how writers of one key keep
// apart. All calls but the quick ones belong to the transaction of one request, after its enter(). Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/key_rows.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/schema.h"

namespace tidelock::lock {

// One moment on the clock that expires the leases, and on that of this process.
struct Moment {
  std::int64_t tables;          // As the tables count it.
  base::Instant here;           // Not before it.
  std::int64_t last_token = 0;  // Of the key, where entering tells.
};

// A lease as its renewal finds it.
struct HeldLease {
  std::string owner;
  std::int64_t token;
  bool over;
};

class Tables {
 public:
  virtual ~Tables() = default;

  virtual const sql::Schema& schema() const = 0;
  // Asks for every column once. Error: statement_invalid where tables only have our names.
  virtual void check(sql::Connection& connection) const = 0;
  // Of the transactions that use what follows; empty: the engine's own.
  virtual std::optional<sql::Isolation> isolation() const = 0;

  // From here to its end the transaction is the only one that writes rows of this key, and sees all that was written.
  virtual Moment enter(sql::Transaction& tx, std::string_view key) const = 0;
  virtual KeyRows read(sql::Transaction& tx, std::string_view key, Moment now) const = 0;
  virtual std::optional<HeldLease> find_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim,
                                              Moment now) const = 0;
  virtual std::optional<std::string> find_waiter(sql::Transaction& tx, std::string_view key,
                                                 const base::Uuid& claim) const = 0;  // Its owner.

  // `alone`: nobody else holds the key or waits for it.
  virtual FencingToken grant(sql::Transaction& tx, const Claim& claim, Moment now, bool alone) const = 0;
  // False when there is no such lease any more.
  virtual bool extend(sql::Transaction& tx, const Claim& claim, std::string_view owner, Moment now) const = 0;
  virtual bool drop_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const = 0;

  // Takes a place in the queue, or keeps the one that it has.
  virtual void enqueue(sql::Transaction& tx, const Claim& claim, std::int64_t presence, bool has_place,
                       Moment now) const = 0;
  virtual bool drop_waiter(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const = 0;

  // Of this key, what is over.
  virtual void sweep(sql::Transaction& tx, std::string_view key, const KeyRows& rows, Moment now) const = 0;
  // The last call of a request that took something away: others may be waiting for it.
  virtual void leave(sql::Transaction& tx, std::string_view key) const = 0;

  // The same three in one request each, where the key has no other holder and no waiter. False, or empty: that is not
  // so, or cannot be told; nothing was changed.
  virtual std::optional<FencingToken> quick_grant(sql::Connection&, const Claim&) const { return std::nullopt; }
  virtual bool quick_extend(sql::Connection&, const Claim&) const { return false; }
  virtual bool quick_drop(sql::Connection&, const Claim&) const { return false; }
  virtual bool has_quick() const { return false; }

  // One look, outside of a transaction.
  virtual KeyRows look(sql::Connection& connection, std::string_view key) const = 0;
  // Every key that has a holder or a waiter, or this one if it has; without the waiters whose presence is `gone`.
  using Gone = std::function<bool(std::int64_t presence)>;
  virtual std::vector<KeyState> states(sql::Connection& connection, std::optional<std::string_view> key,
                                       base::Deadline deadline, const Gone& gone) const = 0;

  // What the dead left behind goes away. `timeout`: of each statement or transaction, as of the next call.
  virtual void sweep_all(sql::Database& database, base::Duration timeout) const = 0;
  // Of some keys behind `after`, in their order, those that nobody asked for lately are forgotten. Returns the last key
  // that it looked at; empty: there are no more.
  virtual std::string forget_some(sql::Database& database, const std::string& after, base::Duration timeout) const = 0;

 protected:
  // Makes the list that states() returns, from claims that come in any order of their keys.
  class Collector {
   public:
    void add(ClaimState claim, std::vector<ClaimState> KeyState::*list);
    std::vector<KeyState> sorted() &&;

   private:
    std::map<std::string, KeyState, std::less<>> keys_;
  };
};

}  // namespace tidelock::lock

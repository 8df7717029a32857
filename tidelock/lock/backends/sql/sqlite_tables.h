// The tables of locks in an SQLite file.
#pragma once

#include "tidelock/base/runtime.h"
#include "tidelock/lock/backends/sql/tables.h"

namespace tidelock::lock {

// Times are of this machine's boot clock: an expiry of another boot is over. Writers of all keys exclude each other, so
// that entering is done by the transaction itself. Borrows the Runtime.
class SqliteTables final : public Tables {
 public:
  explicit SqliteTables(base::Runtime& runtime) : runtime_(runtime) {}

  const sql::Schema& schema() const override;
  void check(sql::Connection& connection) const override;
  std::optional<sql::Isolation> isolation() const override { return std::nullopt; }

  Moment enter(sql::Transaction& tx, std::string_view key) const override;
  KeyRows read(sql::Transaction& tx, std::string_view key, Moment now) const override;
  std::optional<HeldLease> find_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim,
                                      Moment now) const override;
  std::optional<std::string> find_waiter(sql::Transaction& tx, std::string_view key,
                                         const base::Uuid& claim) const override;
  FencingToken grant(sql::Transaction& tx, const Claim& claim, Moment now, bool alone) const override;
  bool extend(sql::Transaction& tx, const Claim& claim, std::string_view owner, Moment now) const override;
  bool drop_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const override;
  void enqueue(sql::Transaction& tx, const Claim& claim, std::int64_t presence, bool has_place,
               Moment now) const override;
  bool drop_waiter(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const override;
  void sweep(sql::Transaction& tx, std::string_view key, const KeyRows& rows, Moment now) const override;
  void leave(sql::Transaction&, std::string_view) const override {}  // Who waits watches the file.
  KeyRows look(sql::Connection& connection, std::string_view key) const override;
  std::vector<KeyState> states(sql::Connection& connection, std::optional<std::string_view> key,
                               base::Deadline deadline, const Gone& gone) const override;
  void sweep_all(sql::Database& database, base::Duration timeout) const override;
  std::string forget_some(sql::Database& database, const std::string& after, base::Duration timeout) const override;

 private:
  Moment now() const;

  base::Runtime& runtime_;
};

}  // namespace tidelock::lock

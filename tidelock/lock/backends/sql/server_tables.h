// The tables of locks on a server.
#pragma once

#include <string>
#include <string_view>

#include "tidelock/base/runtime.h"
#include "tidelock/lock/backends/sql/tables.h"

namespace tidelock::lock {

struct ServerStatements;

// Times are of the server's clock. Writers of one key exclude each other by its row, those of different keys do not
// meet. Borrows the Runtime.
class ServerTables final : public Tables {
 public:
  // `now`: the clock, as an expression for microseconds since 1970; empty: the server's own.
  ServerTables(base::Runtime& runtime, const ServerStatements& statements, std::string now = {});
  ~ServerTables() override;

  const sql::Schema& schema() const override;
  void check(sql::Connection& connection) const override;
  // What a statement waited for it must see, and nothing else is to be locked.
  std::optional<sql::Isolation> isolation() const override { return sql::Isolation::read_committed; }

  // Error: also read_only_server, of a server that lets its user write nevertheless.
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
  void leave(sql::Transaction& tx, std::string_view key) const override;

  std::optional<FencingToken> quick_grant(sql::Connection& connection, const Claim& claim) const override;
  bool quick_extend(sql::Connection& connection, const Claim& claim) const override;
  bool quick_drop(sql::Connection& connection, const Claim& claim) const override;
  bool has_quick() const override { return true; }

  KeyRows look(sql::Connection& connection, std::string_view key) const override;
  std::vector<KeyState> states(sql::Connection& connection, std::optional<std::string_view> key,
                               base::Deadline deadline, const Gone& gone) const override;
  void sweep_all(sql::Database& database, base::Duration timeout) const override;
  std::string forget_some(sql::Database& database, const std::string& after, base::Duration timeout) const override;

 private:
  struct Texts;  // The statements, with what stands for something filled in.

  std::optional<Moment> lock_key(sql::Transaction& tx, std::string_view key, bool& crowded) const;
  KeyRows look_at_key(sql::Executor& executor, std::string_view key, const Moment* now) const;

  base::Runtime& runtime_;
  const ServerStatements& say_;
  const std::unique_ptr<const Texts> texts_;
};

}  // namespace tidelock::lock

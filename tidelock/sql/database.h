// A database: one engine, one place, a pool of connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/metrics.h"
#include "tidelock/base/resolver.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/time.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/connection.h"
#include "tidelock/sql/driver.h"
#include "tidelock/sql/observer.h"

namespace tidelock::sql {

// A URL's parameters of the same names win; read_only and must_exist are `mode` there: rwc (the default), rw (must
// exist), ro. A value out of its range is refused when the database is opened (invalid_argument).
struct DatabaseOptions {
  std::size_t max_connections = 8;                             // 1 to 10 000.
  base::Duration checkout_timeout = std::chrono::seconds(30);  // Waiting for one of them.
  base::Duration statement_timeout = kNoTimeout;               // Of every statement; see Connection for one connection.
  base::Duration busy_timeout = std::chrono::seconds(5);       // Waiting for what another transaction has locked.
  std::size_t statement_cache = 64;                            // Prepared statements kept per connection; 1 to 100 000.
  bool read_only = false;                                      // Nothing may be written, and the database must exist.
  bool must_exist = false;                                     // Refuse a missing database instead of making it.
  bool guarded = false;                                        // Refuse DROP, TRUNCATE and their like; see guard.h.
  // Of connections to a server, which are closed when they are older, or were idle for longer, and not in use.
  base::Duration max_lifetime = std::chrono::minutes(30);  // 1 s at least.
  base::Duration max_idle = std::chrono::minutes(10);
  std::shared_ptr<base::Resolver> resolver{};  // Of the names of hosts; null: the system's.
  // Each connection to a server is asked, before anybody has it, whether it is to the primary. Else read_only_server:
  // some servers let a user with all rights write on a replica.
  bool primary_only = false;

  // Takes the parameters above out of a URL; the engine reads its own from the same `params` and calls finish().
  // Error: invalid_argument, for what no parameter replaces too.
  void read(base::UrlParams& params);
};

// Thread-safe. Borrows the Runtime. Connections keep what they need alive, so that a Database may go first.
class Database {
 public:
  // Made by sql::open (backends/all.h) or Toolkit::database().
  Database(base::Runtime& runtime, std::unique_ptr<Driver> driver, DatabaseOptions options, std::string name);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // A connection of the pool, first come, first served; but a task that gives one back and comes straight back for
  // another goes on for a turn of 2 ms before the first in line has it (docs/decisions/pool-in-turn.md). Errors:
  // timeout when all are taken until the deadline (names the size of the pool and who has held one longest); those of
  // opening the database; cancelled when `stop` is requested meanwhile. Without a deadline it waits for the
  // checkout_timeout, and a new connection to a server has the time that its URL gives it.
  Connection connect(std::optional<base::Deadline> deadline = {}, const std::stop_token& stop = {});

  // As on a Connection, committed by itself.
  template <typename... Args>
  std::int64_t execute(std::string_view sql, const Args&... args) {
    return connect().execute(sql, args...);
  }
  template <typename T, typename... Args>
  T one(std::string_view sql, const Args&... args) {
    return connect().template one<T>(sql, args...);
  }
  template <typename T, typename... Args>
  std::optional<T> maybe(std::string_view sql, const Args&... args) {
    return connect().template maybe<T>(sql, args...);
  }
  void script(std::string_view sql) { connect().script(sql); }

  // The second phase of a commit in two, for what Transaction::prepare_commit() left. commit_prepared() says where the
  // commit stands, as Transaction::commit() does. Errors: unsupported (Dialect::two_phase); not_found when there is
  // none by that name (any more: it may have been ended before); unknown_outcome, after which it may be called again.
  Position commit_prepared(std::string_view xid);
  void rollback_prepared(std::string_view xid);
  // All of this database that nobody has ended yet, the oldest first where the engine tells.
  std::vector<PreparedTransaction> prepared_transactions();

  // From the next statement on; null: nobody. The old one may be called until its statements are over, and is kept for
  // as long as this Database lives. See Observer::on_removed().
  void observe(std::shared_ptr<Observer> observer);

  // Keeps the pool's metrics there from now on: tidelock_sql_pool_connections{state}, _wait_seconds, _timeouts_total,
  // _opened_total, _retired_total{reason}, labelled with name(). Borrows it.
  void measure(base::Metrics& metrics);

  const Dialect& dialect() const;
  const DatabaseOptions& options() const;
  base::Runtime& runtime() const;
  const std::string& name() const;  // Its URL, without secrets.

  struct PoolState {
    std::size_t open;      // Connections to the engine.
    std::size_t in_use;    //
    std::size_t waiting;   // Tasks in connect().
    std::uint64_t waited;  // Calls of connect() that had to wait, ever.
  };
  PoolState pool_state() const;

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace tidelock::sql

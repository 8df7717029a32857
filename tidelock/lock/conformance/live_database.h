// A database of its own on a live server, for tests of locks; and what tests do to such a server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/own_database.h"

namespace tidelock::lock::conformance {

// One kind of server, as its statements differ.
struct ServerKind {
  std::string name;      // "postgres"
  const char* variable;  // In the environment: its URL. Not set: no such server here.
  const char* standby;   // The same of one that follows it.
  // A clock that tests move: its microseconds since 1970, as an expression, and what makes it.
  std::string clock;
  std::string make_clock;
  std::string listening_task;   // Of a backend, which hears what the server tells; empty: nothing is told.
  base::Duration settle;        // What the server tells has arrived after this time; see LiveClock.
  base::Duration wakes_within;  // A waiter that is served is on its way after this time.
  std::string sessions;         // () → ids of the sessions on this database, but this one
  std::string kill;             // {} is such an id.

  std::string why_missing() const;  // Empty: it is there.
  friend std::ostream& operator<<(std::ostream& out, const ServerKind& kind) { return out << kind.name; }
};

// Those that are compiled in.
std::vector<ServerKind> server_kinds();

// Made and dropped with this object. Thread-safe.
class LiveDatabase {
 public:
  LiveDatabase(base::Runtime& runtime, base::Files& files, const ServerKind& kind);

  const base::Url& url() const { return own_.url(); }
  sql::Database& database() { return *database_; }

  // Locks that expire by a clock of this database, which begins with the server's time and stands until move_clock().
  std::unique_ptr<SqlBackend> locks_on_own_clock(base::Runtime& runtime);
  base::WallTime clock();
  void move_clock(base::Duration by);
  void lose_locks();  // As somebody does who empties the tables.

  // Ends all other sessions of this database, as a server does that goes down. Returns how many.
  std::size_t kill_sessions();

 private:
  base::Files& files_;
  const ServerKind kind_;
  sql::testing::OwnDatabase own_;
  std::unique_ptr<sql::Database> database_;
};

}  // namespace tidelock::lock::conformance

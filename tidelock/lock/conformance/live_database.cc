#include "tidelock/lock/conformance/live_database.h"

#include <fmt/format.h>

#include <chrono>

#include "tidelock/base/error.h"
#include "tidelock/lock/backends/sql/state_server.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::lock::conformance {

using namespace std::chrono_literals;

std::string ServerKind::why_missing() const { return sql::testing::why_no_server(variable); }

std::vector<ServerKind> server_kinds() {
  return {
#if TIDELOCK_HAVE_POSTGRES
    {.name = "postgres",
     .variable = "TIDELOCK_TEST_POSTGRES",
     .standby = "TIDELOCK_TEST_POSTGRES_STANDBY",
     .clock = "test_clock()",
     .make_clock =
         "create table test_time as select (extract(epoch from clock_timestamp()) * 1000000)::bigint as us;"
         "create function test_clock() returns bigint volatile language sql as "
         "$$ select us from test_time $$",
     .listening_task = "watch of locks",
     .settle = 20ms,
     .wakes_within = 20ms,
     .sessions =
         "select pid::bigint from pg_stat_activity where datname = current_database() "
         "and pid <> pg_backend_pid()",
     .kill = "select pg_terminate_backend({})"},
#endif
#if TIDELOCK_HAVE_MARIADB
        {.name = "mariadb",
         .variable = "TIDELOCK_TEST_MARIADB",
         .standby = "TIDELOCK_TEST_MARIADB_REPLICA",
         .clock = "test_clock()",
         .make_clock =
             "create table test_time as select timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', "
             "utc_timestamp(6)) as us; "
             "create function test_clock() returns bigint not deterministic reads sql data "
             "return (select us from test_time)",
         .listening_task = "",
         .settle = 0ms,
         .wakes_within = 450ms,  // It polls.
         .sessions = "select id from information_schema.processlist where db = database() and id <> connection_id()",
         .kill = "kill {}"},
#endif
  };
}

LiveDatabase::LiveDatabase(base::Runtime& runtime, base::Files& files, const ServerKind& kind)
    : files_(files), kind_(kind), own_(runtime, files, kind.variable) {
  sql::testing::once_there(runtime, [&] {
    database_ = sql::open(runtime, files, url(), {.max_connections = 4});
    database_->script(kind_.make_clock);
  });
}

std::unique_ptr<SqlBackend> LiveDatabase::locks_on_own_clock(base::Runtime& runtime) {
  return std::make_unique<SqlBackend>(
      runtime, std::make_unique<StateServer>(runtime, files_, url(), OpenOptions{}, kind_.clock));
}

base::WallTime LiveDatabase::clock() {
  return base::WallTime(std::chrono::microseconds(database_->one<std::int64_t>("select us from test_time")));
}

void LiveDatabase::move_clock(base::Duration by) {
  database_->execute("update test_time set us = us + ?",
                     std::chrono::duration_cast<std::chrono::microseconds>(by).count());
}

void LiveDatabase::lose_locks() {
  for (const auto* table : {"tidelock_waiter", "tidelock_lease", "tidelock_lock"}) {
    database_->execute(fmt::format("delete from {} where 0 = 0", table));
  }
}

std::size_t LiveDatabase::kill_sessions() {
  std::vector<std::int64_t> ids;
  auto connection = database_->connect();
  for (const auto row : connection.query(kind_.sessions)) ids.push_back(row.get<std::int64_t>(0));
  for (const auto id : ids) {
    try {
      connection.script(fmt::format(fmt::runtime(kind_.kill), id));
    } catch (const Error&) {  // It went by itself.
    }
  }
  return ids.size();
}

}  // namespace tidelock::lock::conformance

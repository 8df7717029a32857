#include "tidelock/sql/conformance/engines.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/sql/text_form.h"
#include "tidelock/world/world.h"

namespace tidelock::sql::conformance {
namespace {

using Body = std::function<void(const Place&)>;

Date date(std::string_view text) { return parse_date(text).value(); }
Timestamp timestamp(std::string_view text) { return parse_timestamp(text).value(); }

void run_on_file(const std::string& scheme, const Body& body) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const base::testing::TempFolder folder;
  body(Place(runtime, files, base::Url::parse(scheme + ":" + (folder / "test.db").string())));
}

void run_in_memory(const std::string& scheme, const Body& body) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  body(Place(runtime, files, base::Url::parse(scheme + "::memory:")));
}

void run_in_worlds(const std::string& scheme, const Body& body) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    world::World world(seed);
    world.run([&](base::Runtime& runtime) {
      world.files().create_folders("/data");
      body(Place(runtime, world.files(), base::Url::parse(scheme + ":/data/test.db")));
    });
  }
}

std::string from_environment(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? "" : text;
}

void run_on_server(const char* variable, const Body& body) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const testing::OwnDatabase own(runtime, files, variable);
  body(Place(runtime, files, own.url()));
}

std::string why_unavailable(const std::string& scheme) {
  for (const auto& engine : engines()) {
    if (engine.scheme == scheme) return engine.available ? "" : engine.note;
  }
  return "no engine " + scheme + " is compiled in";
}

Declared sqlite() {
  return {
      .nan = false,
      .numbers =
          [](std::int64_t count) {
            return "with recursive r(n) as (select 1 union all select n + 1 from r where n < " + std::to_string(count) +
                   ") select n from r";
          },
      .decimals = {"0", "1.50", "-0.000000000000000001", "12345678901234567890123456789012345678",
                   "-99999999999999999999.999999999999999999", "1234567890123456789012345678901234567890.5"},
      .dates = {date("0000-01-01"), date("9999-12-31")},
      .timestamps = {timestamp("0000-01-01 00:00:00"), timestamp("9999-12-31 23:59:59.999999")},
      .isolation = {.reference = "https://www.sqlite.org/isolation.html",
                    .levels = {{.level = Isolation::serializable,
                                .dirty_read = Outcome::not_seen,
                                .non_repeatable_read = Outcome::not_seen,
                                .phantom = Outcome::not_seen,
                                .lost_update = Outcome::second_waits,
                                .write_skew = Outcome::second_waits,
                                .predicate_write = Outcome::second_waits,
                                .stale_write = Outcome::second_waits}}},
      .deleting = Deleting{.numbered = "create table t (id integer primary key autoincrement, x integer)",
                           .numbered_again = "create table t (id integer primary key autoincrement, x integer)",
                           .has_truncate = false,
                           .delete_beside_writer = Code::database_locked,
                           .drop_beside_writer = Code::database_locked},
  };
}

Declared duckdb() {
  return {
      .nan = true,
      .numbers = [](std::int64_t count) { return "select n from range(1, " + std::to_string(count + 1) + ") as r(n)"; },
      .keywords = "select distinct keyword_name from duckdb_keywords() order by 1",
      .decimals = {"0", "1.50", "-0.000000000000000001", "99999999999999999999.999999999999999999",
                   "-99999999999999999999.999999999999999999"},
      .dates = {date("-5877641-06-25"), date("5881580-07-10")},
      .timestamps = {timestamp("-290307-12-22 00:00:00"), timestamp("294247-01-10 04:00:54.775806")},
      .isolation = {.reference = "https://duckdb.org/docs/stable/sql/statements/transactions",
                    .levels = {{.level = Isolation::snapshot,
                                .dirty_read = Outcome::not_seen,
                                .non_repeatable_read = Outcome::not_seen,
                                .phantom = Outcome::not_seen,
                                .lost_update = Outcome::second_fails,
                                .write_skew = Outcome::happens,
                                .predicate_write = Outcome::not_seen,
                                .stale_write = Outcome::happens}}},
      .deleting = Deleting{.numbered = "create sequence s; create table t (id bigint default nextval('s'), x integer)",
                           .numbered_again = "create table t (id bigint default nextval('s'), x integer)",
                           .next_after_drop = 3,  // The sequence is a thing of its own.
                           .writer_beside_drop = Code::serialization_failure},
  };
}

Declared mariadb() {
  return {
      .nan = false,
      .infinities = false,
      .numbers = [](std::int64_t count) { return "select seq + 0 as n from seq_1_to_" + std::to_string(count); },
      .schema = "select database()",
      .waiting =
          "select count(*) from information_schema.innodb_trx as t join information_schema.processlist as p "
          "on p.id = t.trx_mysql_thread_id where t.trx_state = 'LOCK WAIT' and p.db = database()",
      .keywords = "select distinct word from information_schema.keywords order by 1",
      .insert_unless_there = "insert ignore into t values (1)",
      .update_from = false,
      .decimals = {"0", "1.50", "-0.000000000000000000000000000001",
                   "99999999999999999999999999999999999.999999999999999999999999999999",
                   "-99999999999999999999999999999999999.999999999999999999999999999999"},
      .dates = {date("0000-01-01"), date("9999-12-31")},
      .timestamps = {timestamp("0000-01-01 00:00:00"), timestamp("9999-12-31 23:59:59.999999")},
      .isolation = {.reference = "https://mariadb.com/kb/en/set-transaction/",
                    .levels = {{.level = Isolation::repeatable_read,
                                .dirty_read = Outcome::not_seen,
                                .non_repeatable_read = Outcome::not_seen,
                                .phantom = Outcome::not_seen,
                                .lost_update = Outcome::happens,
                                .write_skew = Outcome::happens,
                                .predicate_write = Outcome::happens,
                                .stale_write = Outcome::happens},
                               {.level = Isolation::read_committed,
                                .dirty_read = Outcome::not_seen,
                                .non_repeatable_read = Outcome::happens,
                                .phantom = Outcome::happens,
                                .lost_update = Outcome::happens,
                                .write_skew = Outcome::happens,
                                .predicate_write = Outcome::not_seen,
                                .stale_write = Outcome::happens},
                               {.level = Isolation::read_uncommitted,
                                .dirty_read = Outcome::happens,
                                .non_repeatable_read = Outcome::happens,
                                .phantom = Outcome::happens,
                                .lost_update = Outcome::happens,
                                .write_skew = Outcome::happens,
                                .predicate_write = Outcome::not_seen,
                                .stale_write = Outcome::happens},
                               {.level = Isolation::serializable,
                                .dirty_read = Outcome::second_waits,
                                .non_repeatable_read = Outcome::second_waits,
                                .phantom = Outcome::second_waits,
                                .lost_update = Outcome::second_waits,
                                .write_skew = Outcome::second_waits,
                                .predicate_write = Outcome::second_waits,
                                .stale_write = Outcome::second_waits},
                               {.level = Isolation::snapshot,
                                .dirty_read = Outcome::not_seen,
                                .non_repeatable_read = Outcome::not_seen,
                                .phantom = Outcome::not_seen,
                                .lost_update = Outcome::second_fails,
                                .write_skew = Outcome::happens,
                                .predicate_write = Outcome::second_fails,
                                .stale_write = Outcome::second_fails}}},
      .deleting =
          Deleting{.numbered = "create table t (id integer primary key auto_increment, x integer)",
                   .numbered_again = "create table t (id integer primary key auto_increment, x integer)",
                   .truncate_counts = false,
                   .next_after_truncate = 1,
                   .delete_beside_writer = Code::database_locked,  // It waits for the row that is new.
                   .truncate_beside_writer = Code::database_locked,
                   .drop_beside_writer = Code::database_locked,
                   .drop_waits_for_readers = true,
                   .truncate_waits_for_readers = true,
                   .truncated_fails_a_snapshot = Code::serialization_failure,
                   .privileges = Privileges{.make = "create user {}@'127.0.0.1'; grant select on t to {}@'127.0.0.1'",
                                            .unmake = "drop user {}@'127.0.0.1'",
                                            .grant = "grant {what} on t to {}@'127.0.0.1'",
                                            .truncate = "drop",
                                            .drop = "drop"}},
      .faults = Faults{.end_a_session =
                           [](Database& by, std::uint64_t random) {
                             const std::string others =
                                 " from information_schema.processlist where db = database() and id <> connection_id()";
                             auto connection = by.connect();
                             const auto count = connection.one<std::uint64_t>("select count(*)" + others);
                             if (count == 0) return;
                             const auto id = connection.maybe<std::int64_t>(
                                 "select id" + others + " order by id limit " + std::to_string(random % count) + ", 1");
                             if (!id) return;
                             try {
                               connection.script("kill connection " + std::to_string(*id));
                             } catch (const Error& error) {  // It has ended by itself.
                               if (!error.native() || error.native()->code != 1094) throw;
                             }
                           },
                       .others = "select count(*) from information_schema.processlist where db = database() and "
                                 "id <> connection_id()",
                       .by_proxy = "sslmode=disable&commit_timeout=2s",
                       .certificate = from_environment("TIDELOCK_TEST_MARIADB_CERTIFICATE")},
  };
}

Declared postgres() {
  constexpr auto kNotSeen = Outcome::not_seen;
  constexpr auto kHappens = Outcome::happens;
  constexpr auto kFails = Outcome::second_fails;
  return {
      .nan = true,
      .numbers =
          [](std::int64_t count) { return "select generate_series(1::bigint, " + std::to_string(count) + ") as n"; },
      .schema = "select current_schema()",
      .waiting =
          "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      .keywords = "select word from pg_get_keywords() order by 1",
      .decimals = {"0", "1.50", "-0.000000000000000001", "12345678901234567890123456789012345678",
                   "-99999999999999999999.999999999999999999", "1234567890123456789012345678901234567890.5"},
      .dates = {date("-4713-11-24"), date("5874897-12-31")},
      .timestamps = {timestamp("-4713-11-24 00:00:00"), timestamp("294247-01-10 04:00:54.775807")},
      .isolation =
          {.reference = "https://www.postgresql.org/docs/15/transaction-iso.html",
           .levels = {{Isolation::read_committed, kNotSeen, kHappens, kHappens, kHappens, kHappens, kHappens, kHappens},
                      {Isolation::read_uncommitted, kNotSeen, kHappens, kHappens, kHappens, kHappens, kHappens,
                       kHappens},
                      {Isolation::repeatable_read, kNotSeen, kNotSeen, kNotSeen, kFails, kHappens, kFails, kFails},
                      {Isolation::snapshot, kNotSeen, kNotSeen, kNotSeen, kFails, kHappens, kFails, kFails},
                      {Isolation::serializable, kNotSeen, kNotSeen, kNotSeen, kFails, kFails, kFails, kFails}}},
      .deleting = Deleting{.numbered = "create table t (id integer generated always as identity, x integer)",
                           .numbered_again = "create table t (id integer generated always as identity, x integer)",
                           .truncate_counts = false,
                           .truncate_anew = "truncate table t restart identity",
                           .truncate_beside_writer = Code::database_locked,
                           .drop_beside_writer = Code::database_locked,
                           .drop_waits_for_readers = true,
                           .truncate_waits_for_readers = true,
                           .truncated_for_a_snapshot = 0,
                           .privileges = Privileges{.make = "create role {} login; grant select on t to {}",
                                                    .unmake = "drop owned by {}; drop role {}",
                                                    .grant = "grant {what} on t to {}",
                                                    .truncate = "truncate",
                                                    .drop = ""}},
      .faults =
          Faults{
              .end_a_session =
                  [](Database& by, std::uint64_t random) {
                    by.one<std::int64_t>(
                        "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where "
                        "datname = current_database() and pid <> pg_backend_pid() order by hashint8(pid::bigint + ?) "
                        "limit 1) as one",
                        static_cast<std::int64_t>(random >> 2));
                  },
              .others = "select count(*) from pg_stat_activity where datname = current_database() and "
                        "pid <> pg_backend_pid() and backend_type = 'client backend'",
              .by_proxy = "sslmode=disable",
              .certificate = from_environment("TIDELOCK_TEST_POSTGRES_CERTIFICATE"),
              .stop = 2},
  };
}

Engine engine(std::string name, Declared declared, void (*run)(const std::string&, const Body&), std::string scheme) {
  auto reason = why_unavailable(scheme);
  return {.name = std::move(name),
          .declared = std::move(declared),
          .run = [run, scheme](const Body& body) { run(scheme, body); },
          .unavailable = std::move(reason)};
}

Engine server(std::string name, Declared declared, const std::string& scheme, const char* variable) {
  auto reason = why_unavailable(scheme);
  if (reason.empty()) reason = testing::why_no_server(variable);
  return {.name = std::move(name),
          .declared = std::move(declared),
          .run = [variable](const Body& body) { run_on_server(variable, body); },
          .unavailable = std::move(reason)};
}

Declared in_memory(Declared declared) {
  declared.in_memory = true;
  return declared;
}

Declared in_world(Declared declared) {
  declared.time_passes = false;
  return declared;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Outcome outcome) {
  switch (outcome) {
    case Outcome::not_seen:
      return out << "not seen";
    case Outcome::second_waits:
      return out << "the second waits";
    case Outcome::second_fails:
      return out << "the second fails";
    case Outcome::happens:
      return out << "it happens";
  }
  return out;
}

namespace {

base::Url with(base::Url url, const std::string& parameters) {
  for (auto& [name, value] : base::Url::parse("memory:" + (parameters.empty() ? "" : "?" + parameters)).params) {
    url.params[name] = value;
  }
  return url;
}

}  // namespace

std::unique_ptr<Database> Place::open(const std::string& parameters) const {
  return sql::open(runtime, files, with(url_, parameters));
}

std::unique_ptr<Database> Place::open_at(std::uint16_t port, const std::string& parameters,
                                         const std::stop_token& stop) const {
  auto url = with(url_, parameters);
  url.hosts.front().port = port;
  return sql::open(runtime, files, url, {}, std::nullopt, stop);
}

std::unique_ptr<Database> Place::open_by(const std::string& host, std::shared_ptr<base::Resolver> resolver,
                                         const std::string& parameters) const {
  auto url = with(url_, parameters);
  url.hosts.front().name = host;
  return sql::open(runtime, files, url, {.resolver = std::move(resolver)});
}

std::unique_ptr<Database> Place::open_as(const std::string& user) const {
  auto url = with(url_, "mode=rw");
  url.user = user;
  url.password = {};
  return sql::open(runtime, files, url);
}

// One line an engine: a new one is added here.
std::vector<Engine> engines_to_test() {
  return {
      engine("SqliteFile", sqlite(), run_on_file, "sqlite"),
      engine("SqliteMemory", in_memory(sqlite()), run_in_memory, "sqlite"),
      engine("SqliteInWorld", in_world(sqlite()), run_in_worlds, "sqlite"),
      engine("DuckdbFile", duckdb(), run_on_file, "duckdb"),
      engine("DuckdbMemory", in_memory(duckdb()), run_in_memory, "duckdb"),
      server("Postgres", postgres(), "postgres", "TIDELOCK_TEST_POSTGRES"),
      server("Mariadb", mariadb(), "mariadb", "TIDELOCK_TEST_MARIADB"),
  };
}

std::vector<Engine> servers_to_break() {
  auto engines = engines_to_test();
  std::erase_if(engines, [](const Engine& engine) { return !engine.declared.faults; });
  return engines;
}

std::vector<Crashing> servers_to_crash() {
  return {
      {server("Postgres", postgres(), "postgres", "TIDELOCK_TEST_POSTGRES_PLAIN"),
       from_environment("TIDELOCK_TEST_POSTGRES_PLAIN_PID")},
      {server("Mariadb", mariadb(), "mariadb", "TIDELOCK_TEST_MARIADB_PLAIN"),
       from_environment("TIDELOCK_TEST_MARIADB_PLAIN_PID")},
  };
}

}  // namespace tidelock::sql::conformance

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

using enum Anomaly;

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

// Pages in the log that a transaction wrote. What is deleted is overwritten: Debian's SQLite does so by itself.
std::int64_t sqlite_work(const Place&, Connection& on, const std::string& statement) {
  EXPECT_EQ(on.one<int>("pragma secure_delete = on"), 1);
  const auto pages_in_log = [&](const std::string& mode) {
    auto rows = on.query("pragma wal_checkpoint(" + mode + ")");
    EXPECT_TRUE(rows.next());
    return rows.row().get<std::int64_t>("log");
  };
  EXPECT_EQ(pages_in_log("truncate"), 0);
  on.execute(statement);
  return pages_in_log("passive");
}

// Bytes of its log, which begins anew at each checkpoint.
std::int64_t duckdb_work(const Place& place, Connection& on, const std::string& statement) {
  on.script("set checkpoint_threshold = '1TB'; checkpoint");
  EXPECT_EQ(place.size_bytes(".wal"), 0);
  on.execute(statement);
  return place.size_bytes(".wal");
}

// Rows that were deleted one by one.
std::int64_t mariadb_work(const Place&, Connection& on, const std::string& statement) {
  const auto rows = [&] {
    return on.one<std::int64_t>(
        "select cast(variable_value as signed) from information_schema.session_status "
        "where variable_name = 'HANDLER_DELETE'");
  };
  const auto before = rows();
  on.execute(statement);
  return rows() - before;
}

// Records of its log that are the transaction's.
std::int64_t postgres_work(const Place&, Connection& on, const std::string& statement) {
  on.script("create extension if not exists pg_walinspect");
  const auto begin = on.one<std::string>("select pg_current_wal_insert_lsn()::text");
  auto transaction = on.begin();
  transaction.execute(statement);
  const auto number = transaction.one<std::string>("select pg_current_xact_id()::xid::text");
  transaction.commit();
  return on.one<std::int64_t>("select count(*) from pg_get_wal_records_info_till_end_of_wal('" + begin +
                              "') where xid = '" + number + "'");
}

Declared sqlite() {
  return {
      .nan = false,
      .numbers =
          [](std::int64_t count) {
            return "with recursive r(n) as (select 1 union all select n + 1 from r where n < " + std::to_string(count) +
                   ") select n from r";
          },
      .lift_read_only = {"pragma query_only = off"},
      .decimals = {"0", "1.50", "-0.000000000000000001", "12345678901234567890123456789012345678",
                   "-99999999999999999999.999999999999999999", "1234567890123456789012345678901234567890.5"},
      .dates = {date("0000-01-01"), date("9999-12-31")},
      .timestamps = {timestamp("0000-01-01 00:00:00"), timestamp("9999-12-31 23:59:59.999999")},
      .isolation = {.reference = "https://www.sqlite.org/isolation.html",
                    .levels = {{.level = Isolation::serializable,
                                .wait = {dirty_write, circular_flow, vanished_transaction, predicate_write, lost_update,
                                         stale_write, dependent_write, write_skew, predicate_write_skew,
                                         read_only_anomaly}}}},
      .deleting = Deleting{.numbered = "create table t (id integer primary key autoincrement, x integer)",
                           .numbered_again = "create table t (id integer primary key autoincrement, x integer)",
                           .has_truncate = false,
                           .delete_beside_writer = Code::database_locked,
                           .drop_beside_writer = Code::database_locked,
                           .work = Work{.of = sqlite_work, .drop_grows = true}},
  };
}

Declared duckdb() {
  return {
      .nan = true,
      .numbers = [](std::int64_t count) { return "select n from range(1, " + std::to_string(count + 1) + ") as r(n)"; },
      .keywords = "select distinct keyword_name from duckdb_keywords() order by 1",
      .keys = {{"enum('z', 'b', 'a')", {"'a'", "'z'", "'b'"}},
               {"ubigint", {"18446744073709551615", "0"}},
               {"hugeint", {"-17014118346046923173168730371588410572", "7"}},
               {"decimal(38, 2)", {"-1.5", "10", "9"}},
               {"timestamptz", {"'2020-01-01 00:00:00+02'", "'2020-01-01 00:00:00+01'"}}},
      .decimals = {"0", "1.50", "-0.000000000000000001", "99999999999999999999.999999999999999999",
                   "-99999999999999999999.999999999999999999"},
      .dates = {date("-5877641-06-25"), date("5881580-07-10")},
      .timestamps = {timestamp("-290307-12-22 00:00:00"), timestamp("294247-01-10 04:00:54.775806")},
      .whole_seconds = "timestamp_s",
      .isolation = {.reference = "https://duckdb.org/docs/stable/sql/statements/transactions",
                    .levels = {{.level = Isolation::snapshot,
                                .happen = {stale_write, write_skew, predicate_write_skew, read_only_anomaly},
                                .fail = {dirty_write, vanished_transaction, lost_update, dependent_write}}}},
      .deleting = Deleting{.numbered = "create sequence s; create table t (id bigint default nextval('s'), x integer)",
                           .numbered_again = "create table t (id bigint default nextval('s'), x integer)",
                           .next_after_drop = 3,  // The sequence is a thing of its own.
                           .writer_beside_drop = Code::serialization_failure,
                           .work = Work{.of = duckdb_work, .truncate_grows = true}},
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
      .lift_read_only = {"set session transaction read write", "set transaction read write", "set tx_read_only = 0",
                         "set @@session.tx_read_only = off", "set session `tx_read_only` = default",
                         "start transaction read write", "begin not atomic set session transaction read write; end",
                         "execute immediate 'set tx_read_only = 0'", "execute immediate 'commit'",
                         "/*!50000 set transaction */ read write"},
      .update_from = false,
      .keys = {{"enum('z', 'b', 'a')", {"'a'", "'z'", "'b'"}},
               {"set('z', 'b', 'a')", {"'z,b'", "'a'", "'b'", "''"}},
               {"year", {"1999", "2024"}},
               {"bit(10)", {"b'1000000001'", "b'1'"}},
               {"time(1)", {"'23:00:00'", "'09:00:00'", "'10:00:00.5'"}},
               {"bigint unsigned", {"18446744073709551615", "0"}},
               {"decimal(38, 2)", {"-1.5", "10", "9"}},
               {"char(4) collate utf8mb4_german2_ci", {"'ä'", "'af'", "'B'", "'a'"}},
               {"inet6", {"'::2'", "'fe80::1'"}},
               {"timestamp(6)", {"'2020-01-01 00:00:00.000001'", "'2020-01-01'"}}},
      .names_have_case = true,
      .decimals = {"0", "1.50", "-0.000000000000000000000000000001",
                   "99999999999999999999999999999999999.999999999999999999999999999999",
                   "-99999999999999999999999999999999999.999999999999999999999999999999"},
      .dates = {date("0000-01-01"), date("9999-12-31")},
      .timestamps = {timestamp("0000-01-01 00:00:00"), timestamp("9999-12-31 23:59:59.999999")},
      .whole_seconds = "datetime",
      .isolation =
          {.reference = "https://mariadb.com/kb/en/set-transaction/",
           .levels = {{.level = Isolation::repeatable_read,
                       .happen = {predicate_write, lost_update, stale_write, dependent_write, write_skew,
                                  predicate_write_skew, read_only_anomaly},
                       .wait = {dirty_write}},
                      {.level = Isolation::read_committed,
                       .happen = {non_repeatable_read, phantom, lost_update, read_skew, predicate_read_skew,
                                  stale_write, dependent_write, write_skew, predicate_write_skew, read_only_anomaly},
                       .wait = {dirty_write}},
                      {.level = Isolation::read_uncommitted,
                       .happen = {aborted_read, intermediate_read, circular_flow, vanished_transaction,
                                  non_repeatable_read, phantom, lost_update, read_skew, predicate_read_skew,
                                  stale_write, dependent_write, write_skew, predicate_write_skew, read_only_anomaly},
                       .wait = {dirty_write}},
                      {.level = Isolation::serializable,
                       .wait = {dirty_write, aborted_read, intermediate_read, circular_flow, vanished_transaction,
                                non_repeatable_read, phantom, predicate_write, lost_update, read_skew,
                                predicate_read_skew, stale_write, dependent_write, write_skew, predicate_write_skew,
                                read_only_anomaly}},
                      {.level = Isolation::snapshot,
                       .happen = {write_skew, predicate_write_skew, read_only_anomaly},
                       .wait = {dirty_write},
                       .fail = {predicate_write, lost_update, stale_write, dependent_write}}}},
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
                                            .drop = "drop"},
                   .work = Work{.of = mariadb_work}},
      .faults =
          Faults{.end_a_session =
                     [](Database& by, std::uint64_t random) {
                       const std::string others =
                           " from information_schema.processlist where db = database() and id <> connection_id()";
                       auto connection = by.connect();
                       const auto count = connection.one<std::uint64_t>("select count(*)" + others);
                       if (count == 0) return;
                       const auto id = connection.maybe<std::int64_t>("select id" + others + " order by id limit " +
                                                                      std::to_string(random % count) + ", 1");
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
  const auto committed = [](Isolation level) {
    return Level{.level = level,
                 .happen = {non_repeatable_read, phantom, predicate_write, lost_update, read_skew, predicate_read_skew,
                            stale_write, dependent_write, write_skew, predicate_write_skew, read_only_anomaly},
                 .wait = {dirty_write}};
  };
  const auto snapshot = [](Isolation level) {
    return Level{.level = level,
                 .happen = {write_skew, predicate_write_skew, read_only_anomaly},
                 .wait = {dirty_write},
                 .fail = {vanished_transaction, predicate_write, lost_update, stale_write, dependent_write}};
  };
  return {
      .nan = true,
      .numbers =
          [](std::int64_t count) { return "select generate_series(1::bigint, " + std::to_string(count) + ") as n"; },
      .schema = "select current_schema()",
      .waiting =
          "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      .keywords = "select word from pg_get_keywords() order by 1",
      .lift_read_only = {"set default_transaction_read_only = off", "set transaction read write",
                         "set session characteristics as transaction read write", "set transaction_read_only = off",
                         "reset default_transaction_read_only"},
      .before_keys = "create type letter as enum ('z', 'b', 'a')",
      .keys = {{"letter", {"'a'", "'z'", "'b'"}},
               {"interval", {"'1 month'", "'40 days'", "'29 days'", "'-3 hours'"}},
               {"numeric", {"-1.5", "10", "9"}},
               {"char(4)", {"'a'", "'B'", "'ab'"}},
               {"text collate \"C\"", {"'a'", "'B'", "'ab'"}},
               {"name", {"'a'", "'B'", "'ab'"}},
               {"inet", {"'10.0.0.1/8'", "'9.0.0.1'", "'::1'"}},
               {"oid", {"4294967295", "1"}},
               {"int4range", {"'[1,9)'", "'[1,10)'", "'empty'"}},
               {"timestamptz", {"'2020-01-01 00:00:00+02'", "'2020-01-01 00:00:00+01'"}}},
      .names_have_case = true,
      .decimals = {"0", "1.50", "-0.000000000000000001", "12345678901234567890123456789012345678",
                   "-99999999999999999999.999999999999999999", "1234567890123456789012345678901234567890.5"},
      .dates = {date("-4713-11-24"), date("5874897-12-31")},
      .timestamps = {timestamp("-4713-11-24 00:00:00"), timestamp("294247-01-10 04:00:54.775807")},
      .whole_seconds = "timestamp(0)",
      .isolation = {.reference = "https://www.postgresql.org/docs/15/transaction-iso.html",
                    .levels = {committed(Isolation::read_committed),
                               committed(Isolation::read_uncommitted),
                               snapshot(Isolation::repeatable_read),
                               snapshot(Isolation::snapshot),
                               {.level = Isolation::serializable,
                                .wait = {dirty_write},
                                .fail = {circular_flow, vanished_transaction, predicate_write, lost_update, stale_write,
                                         dependent_write, write_skew, predicate_write_skew, read_only_anomaly}}}},
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
                                                    .drop = ""},
                           .work = Work{.of = postgres_work}},
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
  declared.deleting.work = {};
  return declared;
}

Declared in_world(Declared declared) {
  declared.time_passes = false;
  return declared;
}

}  // namespace

Outcome Level::of(Anomaly anomaly) const {
  const auto holds = [&](const std::vector<Anomaly>& anomalies) {
    return std::ranges::find(anomalies, anomaly) != anomalies.end();
  };
  if (holds(happen)) return Outcome::happens;
  if (holds(wait)) return Outcome::second_waits;
  return holds(fail) ? Outcome::second_fails : Outcome::not_seen;
}

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

std::int64_t Place::size_bytes(const std::string& suffix) const {
  const auto info = files.info(url_.path + suffix);
  return info ? static_cast<std::int64_t>(info->size_bytes) : 0;
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

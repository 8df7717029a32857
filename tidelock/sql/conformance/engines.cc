#include "tidelock/sql/conformance/engines.h"

#include <algorithm>
#include <cstdlib>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
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

// On a database of its own, which the first who opens it makes.
void run_on_mariadb(const std::string&, const Body& body) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto server = base::Url::parse(std::getenv("TIDELOCK_TEST_MARIADB"));
  auto own = server;
  own.path = "/tidelock_" + std::to_string(runtime.random());
  const std::string database = "`" + own.path.substr(1) + "`";
  const auto admin = open(runtime, files, server);
  struct Drop {
    Database& admin;
    const std::string& database;
    ~Drop() { admin.execute("drop database if exists " + database); }
  } const drop{*admin, database};
  body(Place(runtime, files, own));
}

// On a database of its own, which the first who opens it makes.
void run_on_postgres(const std::string&, const Body& body) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto server = base::Url::parse(std::getenv("TIDELOCK_TEST_POSTGRES"));
  auto own = server;
  own.path = "/tidelock_" + std::to_string(runtime.random());
  const auto admin = open(runtime, files, server);
  struct Drop {
    Database& admin;
    std::string database;
    ~Drop() { admin.execute("drop database if exists " + database + " with (force)"); }
  } const drop{*admin, own.path.substr(1)};
  body(Place(runtime, files, own));
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
                                .write_skew = Outcome::second_waits}}},
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
                                .write_skew = Outcome::happens}}},
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
                                .write_skew = Outcome::happens},
                               {.level = Isolation::read_committed,
                                .dirty_read = Outcome::not_seen,
                                .non_repeatable_read = Outcome::happens,
                                .phantom = Outcome::happens,
                                .lost_update = Outcome::happens,
                                .write_skew = Outcome::happens},
                               {.level = Isolation::read_uncommitted,
                                .dirty_read = Outcome::happens,
                                .non_repeatable_read = Outcome::happens,
                                .phantom = Outcome::happens,
                                .lost_update = Outcome::happens,
                                .write_skew = Outcome::happens},
                               {.level = Isolation::serializable,
                                .dirty_read = Outcome::second_waits,
                                .non_repeatable_read = Outcome::second_waits,
                                .phantom = Outcome::second_waits,
                                .lost_update = Outcome::second_waits,
                                .write_skew = Outcome::second_waits},
                               {.level = Isolation::snapshot,
                                .dirty_read = Outcome::not_seen,
                                .non_repeatable_read = Outcome::not_seen,
                                .phantom = Outcome::not_seen,
                                .lost_update = Outcome::second_fails,
                                .write_skew = Outcome::happens}}},
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
      .decimals = {"0", "1.50", "-0.000000000000000001", "12345678901234567890123456789012345678",
                   "-99999999999999999999.999999999999999999", "1234567890123456789012345678901234567890.5"},
      .dates = {date("-4713-11-24"), date("5874897-12-31")},
      .timestamps = {timestamp("-4713-11-24 00:00:00"), timestamp("294247-01-10 04:00:54.775807")},
      .isolation = {.reference = "https://www.postgresql.org/docs/15/transaction-iso.html",
                    .levels = {{Isolation::read_committed, kNotSeen, kHappens, kHappens, kHappens, kHappens},
                               {Isolation::read_uncommitted, kNotSeen, kHappens, kHappens, kHappens, kHappens},
                               {Isolation::repeatable_read, kNotSeen, kNotSeen, kNotSeen, kFails, kHappens},
                               {Isolation::snapshot, kNotSeen, kNotSeen, kNotSeen, kFails, kHappens},
                               {Isolation::serializable, kNotSeen, kNotSeen, kNotSeen, kFails, kFails}}},
  };
}

Engine engine(std::string name, Declared declared, void (*run)(const std::string&, const Body&), std::string scheme) {
  auto reason = why_unavailable(scheme);
  return {.name = std::move(name),
          .declared = std::move(declared),
          .run = [run, scheme](const Body& body) { run(scheme, body); },
          .unavailable = std::move(reason)};
}

Engine server(std::string name, Declared declared, void (*run)(const std::string&, const Body&), std::string scheme,
              const char* variable) {
  auto made = engine(std::move(name), std::move(declared), run, std::move(scheme));
  if (made.unavailable.empty() && std::getenv(variable) == nullptr) {
    made.unavailable = std::string(variable) + " names no server: scripts/services up starts one";
  }
  return made;
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

std::unique_ptr<Database> Place::open(const std::string& parameters) const {
  auto url = url_;
  for (auto& [name, value] : base::Url::parse("memory:" + (parameters.empty() ? "" : "?" + parameters)).params) {
    url.params[name] = value;
  }
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
      server("Postgres", postgres(), run_on_postgres, "postgres", "TIDELOCK_TEST_POSTGRES"),
      server("Mariadb", mariadb(), run_on_mariadb, "mariadb", "TIDELOCK_TEST_MARIADB"),
  };
}

}  // namespace tidelock::sql::conformance

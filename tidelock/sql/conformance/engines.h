// The engines that the conformance suite runs on, and what each of them declares. A test asks for a declaration, never
// for the name of an engine.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/resolver.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::conformance {

// A type of a column, and literals of its values in any order.
struct Column {
  std::string type;
  std::vector<std::string> literals;
};

// What becomes of an anomaly.
enum class Outcome {
  not_seen,      // Each reads its own snapshot; both go on.
  second_waits,  // The second writer cannot begin before the first has ended: database_locked.
  second_fails,  // The second is told to run its unit again: serialization_failure.
  happens,       //
};
std::ostream& operator<<(std::ostream& out, Outcome outcome);

// Each is a test of isolation_conformance.cc. Behind it: its name in Adya's and Hermitage's notation.
enum class Anomaly {
  dirty_write,           // G0
  aborted_read,          // G1a
  intermediate_read,     // G1b
  circular_flow,         // G1c
  vanished_transaction,  // OTV
  non_repeatable_read,   // P2
  phantom,               // PMP
  predicate_write,       // PMP of a write: it meets other rows than a read by the same condition
  lost_update,           // P4
  read_skew,             // G-single
  predicate_read_skew,   // G-single by two conditions
  stale_write,           // G-single of a write: it does not fit what the transaction has read, nor fails
  dependent_write,       // The same of a write that counts on from a row which was not read
  write_skew,            // G2-item
  predicate_write_skew,  // G2
  read_only_anomaly,     // G2 of two edges: the third, which only reads, sees no order
};

// What one level does about them.
struct Level {
  Isolation level;
  std::vector<Anomaly> happen{};
  std::vector<Anomaly> wait{};        // Outcome::second_waits
  std::vector<Anomaly> fail{};        // Outcome::second_fails
  Outcome of(Anomaly anomaly) const;  // not_seen for the others.
};

// Who may do what, where the server has users. In scripts `{}` stands for the user's name.
struct Privileges {
  std::string make;      // Makes a user who may read the table t.
  std::string unmake;    //
  std::string grant;     // Gives that user the privilege `{what}` on t.
  std::string truncate;  // The privilege that TRUNCATE wants.
  std::string drop;      // The privilege that DROP TABLE wants; empty: only the owner may.
};

class Place;

// How much an engine does to make all rows of a table go away.
struct Work {
  // Runs the statement and counts, for this transaction alone: rows, or what is written to the engine's log.
  std::function<std::int64_t(const Place& place, Connection& on, const std::string& statement)> of;
  bool delete_grows = true;  // With the rows.
  bool truncate_grows = false;
  bool drop_grows = false;
};

// DROP, TRUNCATE and DELETE of all rows, as docs/deleting.md tells them apart.
struct Deleting {
  // A script that makes t (id, x), whose id the engine counts, and what undoes all of it but the rows.
  std::string numbered;
  std::string numbered_again;  // The same table once more, after DROP TABLE t.
  bool has_truncate = true;
  bool truncate_counts = true;           // It tells how many rows there were.
  std::int64_t next_after_truncate = 3;  // The number that the row behind 1 and 2 gets.
  std::string truncate_anew{};           // A TRUNCATE that lets the numbers begin anew, where it is another one.
  std::int64_t next_after_drop = 1;
  // Of each while another transaction has written a row of the table: database_locked, or empty: it goes on. Where it
  // goes on: what commit() of that transaction fails with, or empty: it commits.
  std::optional<Code> delete_beside_writer{};
  std::optional<Code> truncate_beside_writer{};
  std::optional<Code> drop_beside_writer{};
  std::optional<Code> writer_beside_drop{};
  bool drop_waits_for_readers = false;      // Readers in a transaction, that is; else they go on seeing the rows.
  bool truncate_waits_for_readers = false;  //
  // What a transaction that began before a TRUNCATE, and had not looked at the table, finds in it.
  std::int64_t truncated_for_a_snapshot = 3;
  std::optional<Code> truncated_fails_a_snapshot{};
  std::optional<Privileges> privileges{};  // Empty: whoever may write the file may do all of it.
  std::optional<Work> work{};              // Empty: nothing counts it, as where there is no log.
};

// At each level that the engine has, its default one first, as its documentation says.
struct Isolations {
  std::string reference;
  std::vector<Level> levels;
};

// How a server is broken, where the engine is one.
struct Faults {
  // Ends a session of the connected database, not the one that asks; which, says `random`. Does nothing without one.
  std::function<void(Database& by, std::uint64_t random)> end_a_session;
  std::string others;         // A query of how many sessions the database has beside the one that asks.
  std::string by_proxy{};     // Parameters of a URL that goes through a proxy: no encryption, short limits.
  std::string certificate{};  // The file of its certificate, for localhost and 127.0.0.1.
  int crash = 9;              // Signals that end the server: at once,
  int stop = 15;              // and when it is ready to.
};

struct Declared {
  bool nan = false;        // A column of doubles keeps NaN.
  bool infinities = true;  // And the infinities.
  bool in_memory = false;  // Its data is gone with it; there is no file to open twice or read-only.
  // A query of the numbers n from 1 to count, a row each, which the engine makes as they are asked for.
  std::function<std::string(std::int64_t count)> numbers;
  std::string schema = "select 'main'";  // A query of the schema that tables are made in, and found without its name.
  // A query of how many statements wait for a lock of another transaction; empty: none ever waits while it runs.
  std::string waiting{};
  std::string keywords{};  // A query of all its keywords; empty: it does not tell.
  // Statements that engines write differently. A row that is there already is left as it is:
  std::string insert_unless_there = "insert into t values (1) on conflict do nothing";
  // Statements that say, or might, that what only reads may write from there on.
  std::vector<std::string> lift_read_only{};
  bool update_from = true;       // update t set … from (…) as x where …
  bool time_passes = true;       // While a statement computes. Not in a World.
  std::string before_keys{};     // A script that makes what the types of `keys` need.
  std::vector<Column> keys{};    // What the rows of a table may be ordered by, beside the types of every engine.
  bool names_have_case = false;  // "T" is another table than "t".
  std::vector<std::string> decimals;
  std::pair<Date, Date> dates;                 // The first and the last.
  std::pair<Timestamp, Timestamp> timestamps;  //
  std::optional<std::string> whole_seconds{};  // The type of a column that keeps no more of a timestamp.
  Isolations isolation;
  Deleting deleting;
  std::optional<Faults> faults{};  // Empty: there is no server.
};

// Where a test is run: opens databases of one engine.
class Place {
 public:
  Place(base::Runtime& runtime, base::Files& files, base::Url url)
      : runtime(runtime), files(files), url_(std::move(url)) {}

  // `parameters`: "mode=ro&busy_timeout=1s".
  std::unique_ptr<Database> open(const std::string& parameters = {}) const;
  // As another user of the server, who needs no password. The database must exist.
  std::unique_ptr<Database> open_as(const std::string& user) const;
  // The same database through another port of this machine.
  std::unique_ptr<Database> open_at(std::uint16_t port, const std::string& parameters,
                                    const std::stop_token& stop = {}) const;
  // The same database at a host of this name, as the resolver knows it.
  std::unique_ptr<Database> open_by(const std::string& host, std::shared_ptr<base::Resolver> resolver,
                                    const std::string& parameters = {}) const;
  // Of the file of the database, or of one beside it whose name goes on so; 0 when there is none.
  std::int64_t size_bytes(const std::string& suffix) const;
  std::uint16_t port() const { return url_.hosts.front().port.value(); }

  base::Runtime& runtime;
  base::Files& files;

 private:
  base::Url url_;
};

struct Engine {
  std::string name;
  Declared declared;
  std::function<void(const std::function<void(const Place&)>&)> run;
  std::string unavailable;  // Why it cannot run here; empty: it can.
};

inline void PrintTo(const Engine& engine, std::ostream* out) { *out << engine.name; }

std::vector<Engine> engines_to_test();
// Those with Faults.
std::vector<Engine> servers_to_break();
// Servers that may be ended by a signal, and are started again by who started them. `process_file` says which process.
struct Crashing {
  Engine engine;
  std::string process_file;
};
inline void PrintTo(const Crashing& crashing, std::ostream* out) { *out << crashing.engine.name; }
std::vector<Crashing> servers_to_crash();

class SqlConformance : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override { TIDELOCK_NEEDS(GetParam().unavailable); }
  const Declared& declared() const { return GetParam().declared; }
  void run(const std::function<void(const Place&)>& body) const { GetParam().run(body); }
};

#define TIDELOCK_SQL_CONFORMANCE(suite)                                            \
  class suite : public SqlConformance {};                                          \
  INSTANTIATE_TEST_SUITE_P(Engines, suite, ::testing::ValuesIn(engines_to_test()), \
                           [](const auto& info) { return info.param.name; })

}  // namespace tidelock::sql::conformance

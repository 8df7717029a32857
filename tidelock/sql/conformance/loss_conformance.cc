// What becomes of a unit of work on a server when its connection is lost: at every byte of its commit, of a statement
// and of a write by itself, at random under load, and while the server is ended and started again. Nothing is applied
// twice, and what the caller was told is so.
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX

#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/testing/ledger.h"
#include "tidelock/sql/testing/proxy.h"
#include "tidelock/sql/testing/turn.h"

namespace tidelock::sql::conformance {
namespace {

using namespace std::chrono_literals;
using testing::Ledger;
using testing::Proxy;
using testing::Told;

constexpr const char* kLedgerTable = "create table t (id bigint not null)";
// No run of bytes here is longer.
constexpr std::int64_t kBytesMost = 3000;

template <typename Ready>
void wait_until(base::Runtime& runtime, Ready&& ready) {
  const auto deadline = runtime.in(60s);
  while (!ready()) {
    ASSERT_FALSE(deadline.passed(runtime.now())) << "it did not happen";
    runtime.sleep_for(1ms);
  }
}

// Until every session but that of `db` has ended, so that what it did is decided.
void wait_for_the_others(base::Runtime& runtime, Database& db, const Faults& faults) {
  wait_until(runtime, [&] { return db.one<int>(faults.others) == 0; });
}

class SqlLosses : public SqlConformance {
 protected:
  const Faults& faults() const { return *declared().faults; }

  // `unit` with a proxy that will cut after so many more bytes once `cut` is called, for every number of bytes in both
  // directions until all of them pass; each on a new connection that has done the same before. Returns how often each
  // was told.
  using Unit = std::function<Told(Ledger&, Database&, std::int64_t id, const std::function<void()>& cut)>;
  std::map<Told, int> cut_at_every_byte(const Unit& unit) const {
    std::map<Told, int> seen;
    run([&](const Place& place) {
      const auto direct = place.open("max_connections=1");
      direct->script(kLedgerTable);
      Ledger ledger;
      std::int64_t id = 0;
      for (const bool to_server : {true, false}) {
        for (std::int64_t bytes = 0;; ++bytes) {
          Proxy proxy(place.runtime, "127.0.0.1", place.port());
          const auto db = place.open_at(proxy.port(), "max_connections=1&" + faults().by_proxy);
          ASSERT_EQ(unit(ledger, *db, ++id, [] {}), Told::applied);
          const auto told = unit(ledger, *db, ++id, [&] {
            to_server ? proxy.cut_after_to_server(bytes) : proxy.cut_after_to_client(bytes);
          });
          ++seen[told];
          if (told == Told::applied) break;
          ASSERT_LT(bytes, kBytesMost) << "it was never through";
        }
      }
      wait_for_the_others(place.runtime, *direct, faults());
      ledger.expect_kept(*direct);
    });
    EXPECT_EQ(seen[Told::applied], 2);
    return seen;
  }

  // Asks a server that fell silent: once until a deadline, and once until a request to stop, which comes when the
  // question is under way. It is heard again after half a minute, so that who waits for more fails and does not hang.
  using Question = std::function<void(Connection&, base::Deadline, const std::stop_token&)>;
  void ask_a_silent_server(
      const Question& question, const std::function<bool(const Dialect&)>& knows = [](auto&) { return true; }) const {
    run([&](const Place& place) {
      if (!knows(place.open()->dialect())) return;
      for (const bool stopped : {false, true}) {
        SCOPED_TRACE(stopped ? "stopped" : "until a deadline");
        auto& runtime = place.runtime;
        std::stop_source stop = stopped ? std::stop_source() : std::stop_source(std::nostopstate);
        Proxy proxy(runtime, "127.0.0.1", place.port());
        proxy.on_held([&] { stop.request_stop(); });
        const auto db = place.open_at(proxy.port(), faults().by_proxy);
        auto connection = db->connect();
        EXPECT_TRUE(connection.is_alive(runtime.in(60s)));
        proxy.freeze(true);
        auto thaw = runtime.spawn("thaw", [&](const std::stop_token& over) {
          if (runtime.sleep_for(30s, over)) proxy.freeze(false);
        });
        const auto begin = runtime.now();
        question(connection, stopped ? base::Deadline::never() : base::Deadline(runtime.in(50ms)), stop.get_token());
        EXPECT_LT(runtime.now() - begin, 20s);
        thaw = {};
        proxy.freeze(false);
        EXPECT_FALSE(connection.is_alive(runtime.in(60s))) << "its answer may still come";
      }
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, SqlLosses, ::testing::ValuesIn(servers_to_break()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SqlLosses, ACommitThatIsCutAtAnyByteIsUnknown) {
  auto seen = cut_at_every_byte(
      [](Ledger& ledger, Database& db, std::int64_t id, const auto& cut) { return ledger.unit(db, id, cut); });
  EXPECT_GT(seen[Told::unknown], 10);
  EXPECT_EQ(seen[Told::not_applied], 0);  // It was sent.
}

TEST_P(SqlLosses, AStatementThatIsCutAtAnyByteInATransactionIsRunAgain) {
  auto seen = cut_at_every_byte([](Ledger& ledger, Database& db, std::int64_t id, const auto& cut) {
    std::optional<Error> met;
    const auto told = ledger.note(id, [&] {
      auto connection = db.connect();
      auto tx = connection.begin();
      tx.execute("select count(*) from t");
      cut();
      try {
        tx.execute("insert into t values (?)", id);
      } catch (const Error& error) {
        met = error;
        throw;
      }
      tx.commit();
    });
    EXPECT_TRUE(!met || met->disposition() == Disposition::rerun_unit) << met->what();
    return met ? told : Told::applied;  // Without an error the statement was through, whatever became of the commit.
  });
  EXPECT_GT(seen[Told::not_applied], 10);
  EXPECT_EQ(seen[Told::unknown], 0);
}

TEST_P(SqlLosses, AWriteByItselfThatIsCutAtAnyByteIsUnknown) {
  auto seen = cut_at_every_byte([](Ledger& ledger, Database& db, std::int64_t id, const auto& cut) {
    return ledger.note(id, [&] {
      auto connection = db.connect();
      connection.execute("insert into t values (?)", -id);
      connection.execute("delete from t where id = ?", -id);
      cut();
      connection.execute("insert into t values (?)", id);
    });
  });
  EXPECT_GT(seen[Told::unknown], 10);
}

TEST_P(SqlLosses, ADelayIsNoLoss) {
  run([&](const Place& place) {
    place.open()->script(kLedgerTable);
    Proxy proxy(place.runtime, "127.0.0.1", place.port());
    const auto db = place.open_at(proxy.port(), faults().by_proxy);
    proxy.delay(3ms);
    Ledger ledger;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ledger.unit(*db, i), Told::applied);
    ledger.expect_kept(*place.open());
  });
}

TEST_P(SqlLosses, ASilentServerIsGivenUpAtTheDeadline) {
  run([&](const Place& place) {
    place.open()->script(kLedgerTable);
    Proxy proxy(place.runtime, "127.0.0.1", place.port());
    const auto db = place.open_at(proxy.port(), faults().by_proxy);
    auto connection = db->connect();
    {
      auto first = connection.begin();
      first.execute("insert into t values (0)");
      first.commit();
    }
    auto tx = connection.begin({.timeout = 300ms});
    tx.execute("insert into t values (1)");
    proxy.freeze(true);
    EXPECT_THROW_CODE(tx.commit(), Code::unknown_outcome);
    EXPECT_FALSE(connection.is_alive(base::Deadline::never())) << "it was given up";
    proxy.freeze(false);
  });
}

// After each piece of what the server says until a session is ready it says no more.
TEST_P(SqlLosses, ARequestToStopEndsAFirstConnectionAtEachOfItsSteps) {
  run([&](const Place& place) {
    bool opened = false;
    for (int step = 0; !opened; ++step) {
      Proxy proxy(place.runtime, "127.0.0.1", place.port());
      std::stop_source stop;
      int pieces = 0;
      const auto goes_silent = [&] {
        proxy.freeze(true);
        stop.request_stop();
      };
      proxy.edit([&](std::span<char>) {
        if (++pieces == step) goes_silent();
      });
      if (step == 0) goes_silent();
      const auto begin = place.runtime.now();
      try {
        place.open_at(proxy.port(), "connect_timeout=60s&" + faults().by_proxy, stop.get_token());
        opened = true;
        EXPECT_GT(step, 2);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::cancelled) << "step " << step << ": " << error.what();
      }
      ASSERT_LT(place.runtime.now() - begin, 30s) << "step " << step;
      ASSERT_LT(step, 100);
    }
  });
}

TEST_P(SqlLosses, ASilentServerIsNotWaitedForLongerThanAskedForASignOfLife) {
  ask_a_silent_server([](Connection& connection, base::Deadline deadline, const std::stop_token& stop) {
    EXPECT_FALSE(connection.is_alive(deadline, stop));
  });
}

TEST_P(SqlLosses, ASilentServerIsNotWaitedForLongerThanAskedToListen) {
  ask_a_silent_server(
      [](Connection& connection, base::Deadline deadline, const std::stop_token& stop) {
        const auto how = stop.stop_possible() ? Code::cancelled : Code::timeout;
        EXPECT_THROW_CODE(connection.listen("c", deadline, stop), how);
      },
      [](const Dialect& dialect) { return static_cast<bool>(dialect.notifications); });
}

// Many tasks on few connections: sessions are ended, connections are cut, delayed and frozen, as the seed says.
TEST_P(SqlLosses, UnderLoadAndRandomFailuresNoUnitIsLostAndNoneAppliedTwice) {
  run([&](const Place& place) {
    place.open()->script(kLedgerTable);
    world::for_seeds(1, [&](std::uint64_t seed) {
      Ledger ledger;
      {
        Proxy proxy(place.runtime, "127.0.0.1", place.port());
        const auto db = place.open_at(proxy.port(), "max_connections=6&" + faults().by_proxy);
        const auto by = place.open("max_connections=1");
        std::mt19937_64 random(seed);
        int strikes = 0;
        const auto strike = [&] {  // For a moment each: most units shall get through.
          switch (random() % 8) {
            case 0:
              proxy.cut_after_to_server(static_cast<std::int64_t>(random() % 400));
              break;
            case 1:
              proxy.cut_after_to_client(static_cast<std::int64_t>(random() % 400));
              break;
            case 2:
              proxy.delay(std::chrono::microseconds(random() % 2000));
              break;
            case 3:
              proxy.freeze(true);
              break;
            default:
              faults().end_a_session(*by, random());
          }
          place.runtime.sleep_for(5ms);
          proxy.heal();
        };
        ledger.run_under_fire(place.runtime, *db, 200,
                              {.strike = strike,
                               .strikes = 3000,
                               .over = [&] { proxy.heal(); },
                               .out = [&] { return ++strikes > 100 && ledger.count(Told::applied) > 100; }});
        EXPECT_GT(ledger.count(Told::applied), 100);
        EXPECT_EQ(db->pool_state().in_use, 0U);
        EXPECT_EQ(db->pool_state().waiting, 0U);
      }
      const auto direct = place.open("max_connections=1");
      wait_for_the_others(place.runtime, *direct, faults());
      ledger.expect_kept(*direct);
      direct->execute("delete from t");
      std::cout << ledger.count(Told::applied) << " applied, " << ledger.count(Told::not_applied) << " not applied, "
                << ledger.count(Told::unknown) << " unknown\n";
    });
  });
}

class SqlRestarts : public ::testing::TestWithParam<Crashing> {};

INSTANTIATE_TEST_SUITE_P(Servers, SqlRestarts, ::testing::ValuesIn(servers_to_crash()),
                         [](const auto& info) { return info.param.engine.name; });

// The process of the server as its file says; empty while it is not there.
std::optional<pid_t> process_of(const std::string& file) {
  std::ifstream in(file);
  pid_t process = 0;
  return in >> process && process > 1 ? std::optional(process) : std::nullopt;
}

TEST_P(SqlRestarts, AcrossThemNoUnitIsLostAndNoneAppliedTwice) {
  const auto& [engine, process_file] = GetParam();
  TIDELOCK_NEEDS(engine.unavailable);
  const testing::Turn turn(std::filesystem::path(process_file).parent_path());
  const auto& faults = *engine.declared.faults;
  engine.run([&](const Place& place) {
    place.open()->script(kLedgerTable);
    Ledger ledger;
    int restarts = 0;
    {
      const auto db = place.open("max_connections=4&mode=rw");
      std::optional<pid_t> last;
      const auto goes_on = [&] { return ledger.count(Told::applied) > 20 * (restarts + 1); };
      const auto restart = [&] {  // Stopped, then crashed, then stopped; each when the work goes on again.
        const auto process = process_of(process_file);
        if (restarts == 3 || !goes_on() || !process || process == last) return;
        if (::kill(*process, restarts == 1 ? faults.crash : faults.stop) != 0) return;
        last = process;
        ++restarts;
        wait_until(place.runtime, [&] {
          bool opened = false;
          try {
            const auto back = place.open("max_connections=1&mode=rw");
            opened = true;
            return process_of(process_file) != last && back->one<int>("select 1") == 1;
          } catch (const Error& error) {
            EXPECT_NE(error.disposition(), Disposition::permanent) << error.what();
            EXPECT_TRUE(opened || error.code() == Code::unavailable || error.code() == Code::timeout) << error.what();
            return false;
          }
        });
      };
      ledger.run_under_fire(place.runtime, *db, 50,
                            {.strike = restart, .strikes = 3000, .out = [&] { return restarts == 3 && goes_on(); }});
    }
    EXPECT_EQ(restarts, 3);
    const auto direct = place.open("max_connections=1");
    wait_for_the_others(place.runtime, *direct, faults);
    ledger.expect_kept(*direct);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

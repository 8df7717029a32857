#include "tidelock/sql/backends/duckdb/interrupter.h"

#include <array>
#include <atomic>
#include <memory>

#include "tidelock/sql/backends/duckdb/session.h"
#include "tidelock/sql/backends/duckdb/testing/duckdb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

using namespace std::chrono_literals;
using testing::kNever;
using testing::number;
using testing::run;
using Reason = Interrupter::Reason;

// Counts the interrupts that reach the engine.
std::atomic<int> interrupts = 0;
Api counting_api() {
  interrupts = 0;
  Api api;
  api.interrupt = [](duckdb_connection) { ++interrupts; };
  return api;
}

WORLD_TEST(DuckDbInterrupter, StopsOnlyTheStatementThatRuns) {
  const auto api = counting_api();
  Watchdog watchdog(runtime);
  Interrupter interrupter(api, nullptr, runtime, watchdog);
  interrupter.interrupt(Reason::cancelled);
  EXPECT_EQ(interrupts, 0);

  interrupter.begin(kNever);
  EXPECT_EQ(interrupter.look(), Reason::none);
  interrupter.interrupt(Reason::cancelled);
  interrupter.interrupt(Reason::timed_out);
  EXPECT_EQ(interrupts, 1);
  EXPECT_EQ(interrupter.look(), Reason::cancelled);
  interrupter.end();

  interrupter.interrupt(Reason::cancelled);
  interrupter.begin(kNever);
  EXPECT_EQ(interrupts, 1);
  EXPECT_EQ(interrupter.look(), Reason::none);
  interrupter.end();
}

WORLD_TEST(DuckDbInterrupter, StopsAStatementAtItsDeadlineEvenIfItNeverLooks) {
  const auto api = counting_api();
  Watchdog watchdog(runtime);
  Interrupter slow(api, nullptr, runtime, watchdog);
  Interrupter quick(api, nullptr, runtime, watchdog);
  slow.begin(runtime.in(60s));
  quick.begin(runtime.in(1s));  // Earlier than what the watchdog sleeps for.
  runtime.sleep_for(1s + 1ms);
  EXPECT_EQ(interrupts, 1);
  EXPECT_EQ(quick.reason(), Reason::timed_out);
  EXPECT_EQ(slow.reason(), Reason::none);
  quick.end();
  quick.begin(runtime.in(10s));
  quick.end();  // In time.
  runtime.sleep_for(30s);
  EXPECT_EQ(interrupts, 1);
  runtime.sleep_for(30s);
  EXPECT_EQ(slow.reason(), Reason::timed_out);
  slow.end();
}

WORLD_TEST(DuckDbInterrupter, LooksAtTheClockItself) {
  const auto api = counting_api();
  Watchdog watchdog(runtime);
  Interrupter interrupter(api, nullptr, runtime, watchdog);
  interrupter.begin(runtime.now());
  EXPECT_EQ(interrupter.look(), Reason::timed_out);
  interrupter.end();
}

WORLD_TEST(DuckDbInterrupter, RemembersWhatComesWhileATransactionBeginsOrEnds) {
  const auto api = counting_api();
  Watchdog watchdog(runtime);
  Interrupter interrupter(api, nullptr, runtime, watchdog);
  interrupter.begin(kNever);
  {
    const Interrupter::Hold hold(interrupter);
    interrupter.interrupt(Reason::cancelled);
    EXPECT_EQ(interrupts, 0);
  }
  EXPECT_EQ(interrupter.look(), Reason::cancelled);
  interrupter.end();
}

class DuckDbInterrupt : public testing::DuckDbTest {
 protected:
  // Calls it from another task, again and again, while this lives.
  template <typename Call>
  base::Task keep_calling(Call call) {
    return runtime_.spawn("caller", [this, call](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        call();
        runtime_.yield();
      }
    });
  }
};

constexpr std::string_view kForEver = "select count(*) from range(100000000000000) a(i) where i % 7 = 3";

TEST_F(DuckDbInterrupt, AStatementThatRunsTooLongIsStopped) {
  const auto a = session();
  const auto statement = a->prepare(kForEver, base::Deadline::never());
  EXPECT_THROW_CODE(statement->start({}, runtime_.in(20ms)); statement->next(), Code::timeout);
  EXPECT_EQ(number(*a, "select 7::bigint"), 7);
  EXPECT_THROW_CODE(statement->start({}, runtime_.now()), Code::timeout);
  EXPECT_THROW_CODE(a->run_script("create table t (i int); insert into t " + std::string(kForEver), runtime_.in(20ms)),
                    Code::timeout);
  EXPECT_EQ(number(*a, "select count(*) from t"), 0);
}

TEST_F(DuckDbInterrupt, RowsThatAreReadTooSlowlyAreStopped) {
  const auto a = session();
  const auto statement = a->prepare("select i from range(100000000000000) r(i)", base::Deadline::never());
  const auto read_on = [&] {
    statement->start({}, runtime_.in(20ms));
    while (statement->next()) {
    }
  };
  EXPECT_THROW_CODE(read_on(), Code::timeout);
  EXPECT_FALSE(statement->next());
  EXPECT_EQ(number(*a, "select 7::bigint"), 7);
}

TEST_F(DuckDbInterrupt, ATimeoutDoomsTheTransaction) {
  const auto a = session();
  run(*a, "create table t (i int)");
  a->begin({});
  run(*a, "insert into t values (1)");
  const auto statement = a->prepare(kForEver, base::Deadline::never());
  EXPECT_THROW_CODE(statement->start({}, runtime_.in(20ms)); statement->next(), Code::timeout);
  EXPECT_THROW_CODE(a->commit(false), Code::timeout);
  EXPECT_EQ(number(*a, "select count(*) from t"), 0);
}

TEST_F(DuckDbInterrupt, WhatWasCommittedBeforeItsRowsAreReadIsNotSaidToBeStopped) {
  const auto a = session();
  run(*a, "create table t (i bigint)");
  const auto by_value = a->prepare("insert into t values (?), (2) returning i", base::Deadline::never());
  const auto by_itself = a->prepare("insert into t values (1), (2) returning i", base::Deadline::never());
  const auto read_two = [&](Prepared& statement) {
    a->cancel();
    EXPECT_TRUE(statement.next());
    EXPECT_TRUE(statement.next());
    EXPECT_FALSE(statement.next());
  };
  by_value->start(std::array{ValueView(std::int64_t{1})}, base::Deadline::never());
  read_two(*by_value);
  by_itself->start({}, base::Deadline::never());
  read_two(*by_itself);
  EXPECT_EQ(number(*a, "select count(*) from t"), 4);
}

// Somebody cancels all the time: what takes part of a script is there, and what does not is not.
TEST_F(DuckDbInterrupt, ACancelNeverMeetsTheBeginOrTheCommitOfAStatement) {
  const auto a = session();
  run(*a, "create table t (i bigint)");
  auto canceller = keep_calling([&] { a->cancel(); });
  std::int64_t done = 0;
  for (int i = 0; i < 300; ++i) {
    try {
      a->run_script("insert into t values (1)", base::Deadline::never());
      ++done;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::cancelled) << error.what();
    }
  }
  canceller = {};
  EXPECT_EQ(number(*a, "select count(*) from t"), done);
}

// It waits for a transaction that still needs old rows, inside one step of the engine.
TEST_F(DuckDbInterrupt, AForcedCheckpointThatWaitsForAReaderIsStopped) {
  const auto a = session();
  const auto b = session();
  run(*a, "create table t as select i from range(1000000) r(i)");
  const auto reader = a->prepare("select i from t", base::Deadline::never());
  reader->start({}, kNever);
  ASSERT_TRUE(reader->next());
  run(*b, "update t set i = i + 1 where i < 10");
  const auto checkpoint = b->prepare("force checkpoint", base::Deadline::never());
  EXPECT_THROW_CODE(checkpoint->start({}, runtime_.in(20ms)), Code::timeout);
  reader->finish();
  checkpoint->start({}, runtime_.in(60s));
}

TEST_F(DuckDbInterrupt, AnotherTaskCancelsAStatement) {
  const auto a = session();
  auto canceller = keep_calling([&] { a->cancel(); });
  for (int i = 0; i < 20; ++i) EXPECT_THROW_CODE(run(*a, kForEver), Code::cancelled);
  canceller = {};
  EXPECT_EQ(number(*a, "select 7::bigint"), 7);
}

TEST_F(DuckDbInterrupt, AnotherTaskCancelsABulk) {
  const auto a = session();
  run(*a, "create table t (i bigint)");
  a->begin({});
  const auto bulk = a->bulk("t", std::vector<std::string>{"i"});
  auto canceller = keep_calling([&] { a->cancel(); });
  EXPECT_THROW_CODE(for (;;) bulk->append(sql::bind(1)), Code::cancelled);
  canceller = {};
  EXPECT_THROW_CODE(a->commit(false), Code::cancelled);
}

// The engine keeps an interrupt that came after the end of a statement. It must not reach the next one.
TEST_F(DuckDbInterrupt, ACancelThatComesTooLateNeverHitsTheNextStatement) {
  const auto a = session();
  run(*a, "create table t as select i from range(100000) r(i)");
  std::atomic<bool> wanted = false;
  std::atomic<bool> inside = false;
  auto canceller = keep_calling([&] {
    inside = true;
    if (wanted) a->cancel();
    inside = false;
  });
  const auto victim = a->prepare("select count(*) from t", base::Deadline::never());
  const auto bystander = a->prepare("select i + 1 from t", base::Deadline::never());
  int hit = 0;
  for (int i = 0; i < 300; ++i) {
    wanted = true;
    try {
      victim->start({}, kNever);
      victim->next();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::cancelled);
      ++hit;
    }
    victim->finish();
    wanted = false;
    while (inside) runtime_.yield();  // From here on nobody wants to cancel anything.
    bystander->start({}, kNever);
    std::int64_t rows = 0;
    while (bystander->next()) ++rows;
    ASSERT_EQ(rows, 100'000);
  }
  EXPECT_GT(hit, 0);
}

}  // namespace
}  // namespace tidelock::sql::duckdb

#include "tidelock/sql/backends/duckdb/session.h"

#include <gmock/gmock.h>

#include "tidelock/sql/backends/duckdb/testing/duckdb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::kNever;
using testing::number;
using testing::one;
using testing::run;

class DuckDbSession : public testing::DuckDbTest {
 protected:
  void SetUp() override {
    a_ = session();
    b_ = session();
    a_->run_script("create table t (id int primary key, v int); insert into t values (1, 10), (2, 20)", kNever);
  }

  std::unique_ptr<Session> a_;
  std::unique_ptr<Session> b_;
};

TEST_F(DuckDbSession, ChangesAreCountedAlsoOnesThatReturnTheirRows) {
  EXPECT_EQ(run(*a_, "insert into t values (3, 30), (4, 40)"), 2);
  EXPECT_EQ(run(*a_, "update t set v = 0 where id > ?", 2), 2);
  EXPECT_EQ(run(*a_, "delete from t where id = 3 returning id"), 1);
  EXPECT_EQ(run(*a_, "create table u (i int)"), 0);
  EXPECT_EQ(run(*a_, "select * from t"), 0);
}

TEST_F(DuckDbSession, OnlyWhatReturnsRowsHasColumns) {
  const auto columns = [&](std::string_view sql) {
    const auto statement = a_->prepare(sql, base::Deadline::never());
    const auto before = statement->column_count();
    if (statement->parameter_count() == 0) statement->start({}, kNever);
    EXPECT_EQ(statement->column_count(), before) << sql;
    return before;
  };
  EXPECT_EQ(columns("select id, v from t"), 2U);
  EXPECT_EQ(columns("insert into t values (3, 30)"), 0U);
  EXPECT_EQ(columns("insert into t values (4, 40) returning v as \"Count\""), 1U);
  EXPECT_EQ(columns("update t set v = v + ?"), 0U);
  EXPECT_EQ(columns("create table u (i int)"), 0U);
  EXPECT_EQ(columns("drop table u"), 0U);
  EXPECT_EQ(columns("checkpoint"), 0U);
  EXPECT_EQ(columns("pragma table_info('t')"), 6U);
  EXPECT_EQ(columns("explain select 1"), 2U);
}

TEST_F(DuckDbSession, AStatementIsRunManyTimesWithValuesOfChangingKinds) {
  const auto statement = a_->prepare("select ?", base::Deadline::never());
  for (const auto& value : {ValueView(std::int64_t{7}), ValueView(std::string_view("x")), ValueView(2.5)}) {
    statement->start({&value, 1}, kNever);
    ASSERT_TRUE(statement->next());
    EXPECT_EQ(to_value(statement->value(0)), to_value(value));
    EXPECT_FALSE(statement->next());
    EXPECT_FALSE(statement->next());
  }
}

// As when it is requested between the last look at it and the start, where nothing runs that could be interrupted.
TEST_F(DuckDbSession, AStopThatWasRequestedBeforeTheStatementStartsEndsIt) {
  std::stop_source stop;
  a_->begin({.read_only = true, .stop = stop.get_token()});
  stop.request_stop();
  const auto statement =
      a_->prepare("select sum(x.range * y.range) from range(1000000) x, range(1000000) y", base::Deadline::never());
  EXPECT_THROW_CODE(
      {
        statement->start({}, kNever);
        statement->next();
      },
      Code::cancelled);
  statement->finish();
  a_->rollback();
  EXPECT_EQ(number(*a_, "select count(*) from t"), 2);
}

TEST_F(DuckDbSession, SeveralStatementsAreRefusedWhereOneIsExpected) {
  EXPECT_THROW_CODE(a_->prepare("select 1; select 2", base::Deadline::never()), Code::statement_invalid);
  EXPECT_THROW_CODE(a_->prepare("", base::Deadline::never()), Code::statement_invalid);
  EXPECT_THROW_CODE(a_->prepare("-- nothing", base::Deadline::never()), Code::statement_invalid);
  EXPECT_THAT(error_of([&] { a_->prepare("pivot t on v using count(*)", base::Deadline::never()); }).what(),
              HasSubstr("IN list"));
}

TEST_F(DuckDbSession, AScriptRunsItsStatementsInOrderAndStopsAtTheFirstFailure) {
  a_->run_script("create table s (i int); insert into s values (1); select * from s; pragma table_info('s');", kNever);
  EXPECT_THROW_CODE(
      a_->run_script("insert into s values (2); insert into nowhere values (1); insert into s values (3)", kNever),
      Code::statement_invalid);
  EXPECT_EQ(number(*a_, "select max(i) from s"), 2);
  EXPECT_THROW_CODE(a_->run_script("insert into s values (4); nonsense", kNever), Code::statement_invalid);
  EXPECT_EQ(number(*a_, "select max(i) from s"), 2);
}

TEST_F(DuckDbSession, TransactionsAreNotBegunOrEndedByText) {
  EXPECT_THROW_CODE(a_->prepare("begin", base::Deadline::never()), Code::misuse);
  EXPECT_THROW_CODE(a_->run_script("begin; insert into t values (3, 30); commit", kNever), Code::misuse);
  EXPECT_EQ(number(*b_, "select count(*) from t"), 2);
}

TEST_F(DuckDbSession, ACommittedTransactionIsSeenByOthersAndARolledBackOneIsNot) {
  a_->begin({});
  run(*a_, "insert into t values (3, 30)");
  EXPECT_EQ(number(*b_, "select count(*) from t"), 2);
  a_->commit(false);
  EXPECT_EQ(number(*b_, "select count(*) from t"), 3);
  a_->begin({});
  run(*a_, "delete from t");
  a_->rollback();
  EXPECT_EQ(number(*b_, "select count(*) from t"), 3);
}

// What the engine does by itself, which the session is there to prevent. A version that does otherwise is found here.
TEST_F(DuckDbSession, TheEngineItselfReportsSuccessForTheCommitOfAFailedTransaction) {
  const auto instance = Instance::open(runtime_, files_, settings());
  const auto connection = instance->connect();
  const auto query = [&](const char* sql) {
    ResultHandle result(api());
    return api().query(connection.get(), sql, result.out());
  };
  EXPECT_EQ(query("begin"), DuckDBSuccess);
  EXPECT_EQ(query("insert into t values (3, 30)"), DuckDBSuccess);
  EXPECT_EQ(query("insert into t values (1, 0)"), DuckDBError);
  EXPECT_EQ(query("select 1"), DuckDBError);
  EXPECT_EQ(query("commit"), DuckDBSuccess);
  EXPECT_EQ(number(*a_, "select count(*) from t"), 2);

  // One that could not be planned is forgiven.
  EXPECT_EQ(query("begin"), DuckDBSuccess);
  EXPECT_EQ(query("insert into t values (3, 30)"), DuckDBSuccess);
  EXPECT_EQ(query("select nothing from t"), DuckDBError);
  EXPECT_EQ(query("commit"), DuckDBSuccess);
  EXPECT_EQ(number(*a_, "select count(*) from t"), 3);
}

TEST_F(DuckDbSession, AFailedStatementDoomsItsTransactionAndCommitSaysSo) {
  for (const auto* bad : {"insert into t values (1, 0)", "select nothing from t", "no sql", "select 'x'::int from t"}) {
    a_->begin({});
    run(*a_, "insert into t values (3, 30)");
    const auto first = error_of([&] { run(*a_, bad); });
    EXPECT_FALSE(a_->transaction_alive());
    const auto refused = error_of([&] { run(*a_, "select 1"); });
    EXPECT_EQ(refused.code(), first.code()) << bad;
    EXPECT_THAT(refused.what(), HasSubstr("doomed"));
    EXPECT_THAT(refused.what(), HasSubstr(first.native()->message));
    const auto commit = error_of([&] { a_->commit(false); });
    EXPECT_EQ(commit.code(), first.code()) << bad;
    EXPECT_THAT(commit.what(), HasSubstr("rolled back"));
    EXPECT_TRUE(a_->transaction_alive());
    EXPECT_EQ(number(*a_, "select count(*) from t"), 2) << bad;
  }
}

TEST_F(DuckDbSession, AFailureWhileRowsAreReadDoomsItsTransaction) {
  run(*a_,
      "create table texts as select case when i = 99999 then 'x' else i::varchar end as s from range(100000) r(i)");
  a_->begin({});
  run(*a_, "insert into t values (3, 30)");
  EXPECT_THROW_CODE(run(*a_, "select s::int from texts"), Code::statement_invalid);
  EXPECT_THROW_CODE(a_->commit(false), Code::statement_invalid);
  EXPECT_EQ(number(*a_, "select count(*) from t"), 2);
}

TEST_F(DuckDbSession, TheLoserOfARaceForARowIsToldToRunItsUnitAgain) {
  a_->begin({});
  b_->begin({});
  run(*a_, "update t set v = 11 where id = 1");
  EXPECT_THROW_CODE(run(*b_, "update t set v = 12 where id = 1"), Code::serialization_failure);
  a_->commit(false);
  const auto error = error_of([&] { b_->commit(false); });
  EXPECT_EQ(error.code(), Code::serialization_failure);
  EXPECT_EQ(error.disposition(), Disposition::rerun_unit);
  EXPECT_EQ(number(*a_, "select v from t where id = 1"), 11);
}

TEST_F(DuckDbSession, TheLoserOfARaceForAKeyIsToldInCommit) {
  a_->begin({});
  b_->begin({});
  run(*a_, "insert into t values (3, 1)");
  run(*b_, "insert into t values (3, 2)");
  a_->commit(false);
  EXPECT_THROW_CODE(b_->commit(false), Code::serialization_failure);
  EXPECT_EQ(number(*b_, "select v from t where id = 3"), 1);
}

TEST_F(DuckDbSession, ATransactionReadsTheSnapshotOfItsBeginning) {
  a_->begin({});
  EXPECT_EQ(number(*a_, "select sum(v)::bigint from t"), 30);
  run(*b_, "insert into t values (3, 30)");
  EXPECT_EQ(number(*a_, "select sum(v)::bigint from t"), 30);
  EXPECT_THROW_CODE(run(*a_, "insert into t values (3, 31)"), Code::constraint_violation);
}

TEST_F(DuckDbSession, BothSidesOfAWriteSkewCommit) {
  a_->begin({});
  b_->begin({});
  EXPECT_EQ(number(*a_, "select sum(v)::bigint from t"), 30);
  EXPECT_EQ(number(*b_, "select sum(v)::bigint from t"), 30);
  run(*a_, "update t set v = 0 where id = 1");
  run(*b_, "update t set v = 0 where id = 2");
  a_->commit(false);
  b_->commit(false);
  EXPECT_EQ(number(*a_, "select sum(v)::bigint from t"), 0);
}

// A trap of the engine that nobody is told about: see docs/engines/duckdb.md.
TEST_F(DuckDbSession, AnUpdateOfARowThatAnotherTransactionDeletesIsLostWithoutAnError) {
  a_->begin({});
  b_->begin({});
  run(*a_, "update t set v = 11 where id = 1");
  run(*b_, "delete from t where id = 1");
  b_->commit(false);
  a_->commit(false);
  EXPECT_EQ(number(*a_, "select count(*) from t where id = 1"), 0);
}

TEST_F(DuckDbSession, ADeletedRowThatAnotherDeletesTooIsARaceLost) {
  a_->begin({});
  b_->begin({});
  run(*a_, "delete from t where id = 1");
  EXPECT_THROW_CODE(run(*b_, "delete from t where id = 1"), Code::serialization_failure);
  a_->commit(false);
}

TEST_F(DuckDbSession, AReadOnlyTransactionReadsAndRefusesToWrite) {
  a_->begin({.isolation = {}, .read_only = true});
  EXPECT_EQ(number(*a_, "select count(*) from t"), 2);
  EXPECT_THROW_CODE(run(*a_, "insert into t values (3, 30)"), Code::read_only);
  EXPECT_THROW_CODE(a_->commit(false), Code::read_only);
  a_->begin({.isolation = {}, .read_only = true});
  EXPECT_EQ(number(*a_, "select count(*) from t"), 2);
  EXPECT_TRUE(a_->commit(false).empty());
}

TEST_F(DuckDbSession, PositionsFollowTheOrderOfCommits) {
  const auto commit = [](Session& session, const char* sql) {
    session.begin({});
    run(session, sql);
    return session.commit(true);
  };
  const auto first = commit(*a_, "update t set v = 1");
  const auto second = commit(*b_, "update t set v = 2");
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(compare_positions(first, second), std::partial_ordering::less);
  EXPECT_EQ(compare_positions(second, first), std::partial_ordering::greater);
  EXPECT_EQ(compare_positions(first, first), std::partial_ordering::equivalent);
  EXPECT_EQ(compare_positions(first, {"nonsense"}), std::partial_ordering::unordered);
  EXPECT_TRUE(commit(*a_, "select 1").empty());

  a_.reset();
  b_.reset();
  driver_.reset();
  const auto later = session();
  EXPECT_EQ(compare_positions(second, commit(*later, "update t set v = 3")), std::partial_ordering::less);
}

TEST_F(DuckDbSession, SavepointsAreRefusedWithWhatToDoInstead) {
  a_->begin({});
  const auto error = error_of([&] { a_->savepoint("x"); });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("one transaction a unit"));
  EXPECT_TRUE(a_->transaction_alive());
  EXPECT_FALSE(driver().dialect().savepoints);
}

TEST_F(DuckDbSession, RowsThatAreNotReadToTheEndHoldNothingUp) {
  run(*a_, "create table big as select i from range(1000000) r(i)");
  const auto statement = a_->prepare("select i from big", base::Deadline::never());
  statement->start({}, kNever);
  ASSERT_TRUE(statement->next());
  run(*b_, "update big set i = i + 1 where i < 10");
  EXPECT_THROW_CODE(run(*b_, "checkpoint"), Code::statement_invalid);  // A reader is on.
  statement->finish();
  run(*b_, "checkpoint");
  EXPECT_EQ(number(*a_, "select count(*) from big"), 1'000'000);
}

TEST_F(DuckDbSession, RowsThatAreNotReadToTheEndAreNotWaitedFor) {
  run(*a_, "create table big as select i from range(1000000) r(i)");
  const auto statement = a_->prepare(
      "select * from big union all select i from range(100000000000000) r(i) where i < 0", base::Deadline::never());
  statement->start({}, kNever);
  ASSERT_TRUE(statement->next());
  statement->finish();  // What is left of the query takes days.
  EXPECT_EQ(number(*a_, "select count(*) from t"), 2);
}

TEST_F(DuckDbSession, RowsThatAreNotReadToTheEndDoNotDoomTheTransaction) {
  run(*a_, "create table big as select i from range(1000000) r(i)");
  a_->begin({});
  run(*a_, "insert into t values (3, 30)");
  const auto statement = a_->prepare("select i from big", base::Deadline::never());
  statement->start({}, kNever);
  ASSERT_TRUE(statement->next());
  statement->finish();
  a_->commit(false);
  EXPECT_EQ(number(*b_, "select count(*) from t"), 3);
}

TEST_F(DuckDbSession, WhileRowsAreReadNothingElseRunsOnTheConnection) {
  run(*a_, "create table big as select i from range(1000000) r(i)");
  const auto statement = a_->prepare("select i from big", base::Deadline::never());
  statement->start({}, kNever);
  ASSERT_TRUE(statement->next());
  EXPECT_THROW_CODE(a_->prepare("select 1", base::Deadline::never()), Code::misuse);
  EXPECT_THROW_CODE(a_->begin({}), Code::misuse);
  EXPECT_THROW_CODE(a_->run_script("select 1", kNever), Code::misuse);
  std::int64_t rows = 1;
  while (statement->next()) ++rows;
  EXPECT_EQ(rows, 1'000'000);
}

TEST_F(DuckDbSession, APreparedStatementSeesATableThatWasChangedMeanwhile) {
  const auto statement = a_->prepare("select * from t where id = ?", base::Deadline::never());
  run(*b_, "alter table t add column w int default 5");
  statement->start(sql::bind(1), kNever);
  ASSERT_TRUE(statement->next());
  EXPECT_EQ(statement->column_count(), 3U);
  EXPECT_EQ(statement->column_name(2), "w");
  EXPECT_EQ(to_value(statement->value(2)), Value(std::int64_t{5}));
  statement->finish();
  run(*b_, "drop table t");
  EXPECT_THROW_CODE(statement->start(sql::bind(1), kNever), Code::statement_invalid);
}

TEST_F(DuckDbSession, ResetRollsBackAndRefusesAConnectionThatCarriesSettings) {
  b_->begin({});
  run(*b_, "insert into t values (3, 30)");
  EXPECT_TRUE(b_->reset());
  EXPECT_EQ(number(*b_, "select count(*) from t"), 2);
  run(*b_, "insert into t values (3, 30)");
  run(*b_, "checkpoint");
  EXPECT_TRUE(b_->reset());
  run(*b_, "set search_path = 'main'");
  EXPECT_FALSE(b_->reset());
  const auto c = session();
  run(*c, "create temp table mine (i int)");
  EXPECT_FALSE(c->reset());
}

TEST_F(DuckDbSession, ADatabaseInMemoryIsSharedByItsSessionsAndByNobodyElse) {
  const auto memory = open(Settings{});
  const auto one_session = memory->open(kNever, {});
  run(*one_session, "create table m as select 7 as i");
  EXPECT_EQ(number(*memory->open(kNever, {}), "select i from m"), 7);
  EXPECT_THROW_CODE(run(*open(Settings{})->open(kNever, {}), "select i from m"), Code::statement_invalid);
}

TEST_F(DuckDbSession, TimestampsAreUtcWhateverTheZoneOfTheMachine) {
  const auto moment = std::chrono::sys_days(std::chrono::year(2024) / 7 / 1) + std::chrono::hours(12);
  const Timestamp timestamp(moment);
  EXPECT_EQ(one(*a_, "select cast(cast(? as timestamp) as timestamptz)", timestamp), Value(timestamp));
  EXPECT_EQ(one(*a_, "select cast(?::timestamptz as varchar)", timestamp),
            Value(std::string("2024-07-01 12:00:00+00")));
}

}  // namespace
}  // namespace tidelock::sql::duckdb

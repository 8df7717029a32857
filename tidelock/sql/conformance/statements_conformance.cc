// Running statements: values, rows, preparing, scripts, and what is refused.
#include <fstream>
#include <string>
#include <tuple>
#include <vector>

#include "tidelock/sql/conformance/engines.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlStatements);

// Bytes of memory that this process really has.
std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

TEST_P(SqlStatements, ValuesStandForQuestionMarksInOrder) {
  run([](const Place& place) {
    const auto db = place.open();
    EXPECT_EQ(db->one<std::string>("select ? || '?' || ? -- really?", "a", "b"), "a?b");
    EXPECT_EQ(db->one<std::string>("select /* ? */ ?", "x"), "x");
    EXPECT_EQ(db->one<int>("select \"?\" from (select 7 as \"?\") as t where 1 = ?", 1), 7);
    EXPECT_EQ(db->one<std::string>("select '''?' || ?", "x"), "'?x");
  });
}

TEST_P(SqlStatements, AStatementWithoutRowsThatIsQueriedRunsOnce) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (id integer)");
    auto connection = db->connect();
    {
      auto rows = connection.query("insert into t values (?)", 1);
      while (rows.next()) {
      }
    }
    for (const auto row : connection.query("insert into t values (?)", 2)) static_cast<void>(row);
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 2);
  });
}

TEST_P(SqlStatements, ValuesStandInTheOrderOfTheTextWhereverTheEngineReadsFirst) {
  run([&](const Place& place) {
    const auto db = place.open();
    db->script("create table t (id integer, kind integer, a integer, b integer); insert into t values (3, 4, 0, 0)");
    const auto* const update =
        declared().update_from
            ? "update t set a = ?, b = ? from (select ? as id) as x where t.id = x.id and kind = ?"
            : "update t set a = ?, b = ? where id = (select x.id from (select ? as id) as x) and kind = ?";
    EXPECT_EQ(db->execute(update, 1, 2, 3, 4), 1);
    EXPECT_EQ(db->one<int>("select a from t"), 1);
    EXPECT_EQ(db->one<int>("select b from t"), 2);
    EXPECT_EQ(db->one<int>("with c as (select ? as v) select v * 10 + ? from c where ? = 3 limit ?", 1, 2, 3, 4), 12);
  });
}

TEST_P(SqlStatements, AWrongCountOfValuesSaysBoth) {
  run([](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    try {
      connection.query("select ?, ?", 1, 2, 3);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
      EXPECT_NE(error.message().find('2'), std::string::npos) << error.what();
      EXPECT_NE(error.message().find('3'), std::string::npos) << error.what();
    }
    EXPECT_EQ(connection.one<int>("select 1"), 1);  // Nothing is left half open.
  });
}

TEST_P(SqlStatements, OtherFormsOfParametersAreRefused) {
  run([](const Place& place) {
    const auto db = place.open();
    EXPECT_THROW_CODE(db->execute("select $1"), Code::statement_invalid);
    EXPECT_THROW_CODE(db->execute("select ?1", 1), Code::statement_invalid);
    EXPECT_THROW_CODE(db->execute("select $1, ?", 1), Code::statement_invalid);
  });
}

TEST_P(SqlStatements, ExactlyOneStatementIsRun) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer); insert into t values (1);; -- the end");
    EXPECT_THROW_CODE(db->execute("delete from t; delete from t"), Code::statement_invalid);
    EXPECT_THROW_CODE(db->execute("delete from t; what"), Code::statement_invalid);
    EXPECT_THROW_CODE(db->execute(""), Code::statement_invalid);
    EXPECT_THROW_CODE(db->execute(" -- nothing"), Code::statement_invalid);
    EXPECT_THROW_CODE(db->execute("select 'open"), Code::statement_invalid);
    EXPECT_EQ(db->one<int>("select count(*) from t;"), 1);
    EXPECT_EQ(db->one<int>("select count(*) from t ; -- done"), 1);
  });
}

TEST_P(SqlStatements, WhatTheEngineRefusesIsAnInvalidStatement) {
  run([](const Place& place) {
    const auto db = place.open();
    for (const auto* const sql : {"selec 1", "select * from nowhere", "select nothing from (select 1 as a) as t"}) {
      EXPECT_THROW_CODE(db->execute(sql), Code::statement_invalid);
    }
  });
}

TEST_P(SqlStatements, ChangesAreCounted) {
  run([&](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    EXPECT_EQ(connection.execute("create table t (a integer primary key)"), 0);
    EXPECT_EQ(connection.execute("insert into t values (1), (2), (3)"), 3);
    EXPECT_EQ(connection.execute("update t set a = a where a > ?", 1), 2);
    EXPECT_EQ(connection.execute("delete from t where a = 99"), 0);
    EXPECT_EQ(connection.execute(declared().insert_unless_there), 0);
    EXPECT_EQ(connection.execute("delete from t where a < ? returning a", 3), 2);
    EXPECT_EQ(connection.execute("create table u (a integer)"), 0);
    EXPECT_EQ(connection.execute("select * from t"), 0);
    EXPECT_EQ(connection.one<int>("insert into t values (7) returning a"), 7);
  });
}

TEST_P(SqlStatements, OneAndMaybeWantOneColumnOfOneRow) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer, b integer); insert into t values (1, 2), (3, 4)");
    EXPECT_EQ(db->one<int>("select a from t where b = ?", 2), 1);
    EXPECT_EQ(db->maybe<int>("select a from t where b = ?", 9), std::nullopt);
    EXPECT_THROW_CODE(db->one<int>("select a from t where b = 9"), Code::not_found);
    EXPECT_THROW_CODE(db->one<int>("select a from t"), Code::invalid_argument);
    EXPECT_THROW_CODE(db->one<int>("select a, b from t where b = 2"), Code::invalid_argument);
    EXPECT_EQ(db->one<int>("select count(*) from t"), 2);
  });
}

TEST_P(SqlStatements, RowsAreReadByNumberAndByName) {
  run([](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    int count = 0;
    for (const auto row : connection.query("select 1 as a, null as b union all select 2, null order by a")) {
      EXPECT_EQ(row.size(), 2U);
      EXPECT_EQ(row.column_name(0), "a");
      EXPECT_EQ(row.get<int>("a"), ++count);
      EXPECT_EQ(row.get<std::optional<int>>("b"), std::nullopt);
      EXPECT_TRUE(row.is_null(1));
    }
    EXPECT_EQ(count, 2);
  });
}

TEST_P(SqlStatements, OneQueryRunsAtATimeOnAConnection) {
  run([](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    auto statement = connection.prepare("select 1");
    {
      auto rows = connection.query("select 1 union all select 2");
      EXPECT_THROW_CODE(rows.row().get<int>(0), Code::misuse);  // No row yet.
      EXPECT_TRUE(rows.next());
      EXPECT_THROW_CODE(connection.query("select 2"), Code::misuse);
      EXPECT_THROW_CODE(statement.query(), Code::misuse);
      EXPECT_THROW_CODE(connection.begin(), Code::misuse);
      EXPECT_TRUE(rows.next());
      EXPECT_FALSE(rows.next());
      EXPECT_THROW_CODE(rows.next(), Code::misuse);
      EXPECT_THROW_CODE(rows.row(), Code::misuse);
    }
    auto rows = connection.query("select 1 union all select 2");
    ASSERT_TRUE(rows.next());
    const auto row = rows.row();
    rows.finish();
    EXPECT_THROW_CODE(row.get<int>(0), Code::misuse);
    EXPECT_THROW_CODE(rows.next(), Code::misuse);
    EXPECT_EQ(connection.one<int>("select 3"), 3);
  });
}

TEST_P(SqlStatements, APreparedStatementIsRunAgainAndAgain) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer, b varchar(100))");
    auto connection = db->connect();
    auto insert = connection.prepare("insert into t values (?, ?)");
    EXPECT_EQ(insert.parameter_count(), 2U);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(insert.execute(i, "row " + std::to_string(i)), 1);
    auto select = connection.prepare("select b from t where a = ?");
    for (int i = 0; i < 100; ++i) {
      auto rows = select.query(i);
      ASSERT_TRUE(rows.next());
      EXPECT_EQ(rows.row().get<std::string>(0), "row " + std::to_string(i));
    }
  });
}

TEST_P(SqlStatements, AStatementThatFellOutOfTheCacheStillRuns) {
  run([](const Place& place) {
    const auto db = place.open("statement_cache=2");
    auto connection = db->connect();
    auto kept = connection.prepare("select 1");
    for (int i = 2; i < 10; ++i) EXPECT_EQ(connection.one<int>("select " + std::to_string(i)), i);
    auto rows = kept.query();
    ASSERT_TRUE(rows.next());
    EXPECT_EQ(rows.row().get<int>(0), 1);
  });
}

TEST_P(SqlStatements, APreparedStatementFollowsAChangedSchema) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer); insert into t values (1)");
    auto connection = db->connect();
    auto select = connection.prepare("select * from t");
    const auto columns = [&] {
      auto rows = select.query();
      EXPECT_TRUE(rows.next());
      return rows.row().size();
    };
    EXPECT_EQ(columns(), 1U);
    db->execute("alter table t add column b integer");
    EXPECT_EQ(columns(), 2U);
  });
}

// And no session that is closed for it takes data with it.
TEST_P(SqlStatements, ATemporaryTableEndsWithTheTurnOfItsConnection) {
  run([](const Place& place) {
    const auto db = place.open("max_connections=1");
    db->script("create table t (a integer); insert into t values (1)");
    {
      auto connection = db->connect();
      connection.execute("create temporary table mine (a integer)");
      connection.execute("insert into mine values (1)");
      EXPECT_EQ(connection.one<int>("select count(*) from mine"), 1);
    }
    EXPECT_THROW_CODE(db->one<int>("select count(*) from mine"), Code::statement_invalid);
    EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
  });
}

TEST_P(SqlStatements, WhatIsKeptTooLongIsMisused) {
  run([](const Place& place) {
    const auto db = place.open("max_connections=1");
    auto first = db->connect();
    auto statement = first.prepare("select 1");
    auto rows = first.query("select 1");
    const auto canceller = first.canceller();
    auto moved = std::move(first);
    EXPECT_TRUE(rows.next());
    EXPECT_THROW_CODE(first.one<int>("select 1"), Code::misuse);
    { const auto gone = std::move(moved); }
    EXPECT_THROW_CODE(rows.next(), Code::misuse);
    EXPECT_THROW_CODE(statement.query(), Code::misuse);
    canceller.cancel();
    auto second = db->connect();  // The same connection of the pool.
    EXPECT_THROW_CODE(statement.query(), Code::misuse);
    auto running = second.query("select 5");
    canceller.cancel();
    EXPECT_TRUE(running.next());
    EXPECT_EQ(running.row().get<int>(0), 5);
  });
}

// Each changes what it says when rows are added that are unlike those that there were.
constexpr const char* kStatementsOfRows[] = {
    "select count(*) from t where v = 5",
    "select count(*) from t where v is null",
    "select count(*) from t where v is not null",
    "select count(*) from t where v < 3",
    "select count(v) from t",
    "select max(v) from (select v from t where v is not null order by v limit 100) as s",
    "select count(*) from (select distinct v from t) as s",
    "select count(*) from t join u on u.v = t.v where u.v <> 0",
};
std::vector<std::int64_t> counts(Executor& on) {
  std::vector<std::int64_t> counts;
  for (const auto* const statement : kStatementsOfRows) counts.push_back(on.one<std::int64_t>(statement));
  return counts;
}
const std::vector<std::int64_t> kBefore = {0, 0, 2, 2, 2, 0, 1, 0};
const std::vector<std::int64_t> kAfter = {1, 1, 5, 3, 5, 100'000, 5, 1};
constexpr const char* kFew =
    "create table t (v integer); create table u (v integer);"
    "insert into t values (0), (0); insert into u values (0)";
constexpr const char* kMore = "insert into t values (5), (null), (100000), (-100000); insert into u values (100000)";

// An engine may make a plan by what it knows of the rows, and keep it with the statement.
TEST_P(SqlStatements, AStatementThatIsRunAgainSeesTheRowsThatCameMeanwhile) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script(kFew);
    auto connection = db->connect();
    EXPECT_EQ(counts(connection), kBefore);
    db->script(kMore);  // By another.
    EXPECT_EQ(counts(connection), kAfter);
    EXPECT_EQ(counts(connection), kAfter);
    auto transaction = connection.begin();
    EXPECT_EQ(transaction.execute("delete from t where v is null or v <> 0"), 4);
    EXPECT_EQ(transaction.execute("delete from u where v <> 0"), 1);
    EXPECT_EQ(counts(transaction), kBefore);
    transaction.script(kMore);
    EXPECT_EQ(counts(transaction), kAfter);
    transaction.rollback();
    EXPECT_EQ(counts(connection), kAfter);
  });
}

// Also of one that was prepared and not run before: what another commits in between is no less there.
TEST_P(SqlStatements, AStatementThatWasPreparedBeforeRowsCameWritesWhatIsThereNow) {
  for (const auto& [statement, changed, sum] : std::vector<std::tuple<std::string, std::int64_t, std::int64_t>>{
           {"update t set v = v + 1 where v < 3", 3, 8},
           {"delete from t where v < 3", 3, 100'005},
           {"delete from t where v is null", 1, 5},
           {"update t set v = v + 1 where v < 3 and v < ?", 3, 8},
           {"insert into u select v from t where v > 5", 1, 5},
           {"insert into t select v from t where v is not null order by v", 5, 10},
           {"insert into t select v from t where v > ? and v < 3 order by v", 2, 5}}) {
    run([&](const Place& place) {
      const auto db = place.open();
      db->script(kFew);
      auto connection = db->connect();
      auto prepared = connection.prepare(statement);
      db->script(kMore);
      const std::int64_t value = statement.find("v > ?") == statement.npos ? 3 : -1;
      EXPECT_EQ(prepared.parameter_count() == 0 ? prepared.execute() : prepared.execute(value), changed) << statement;
      EXPECT_EQ(db->one<std::int64_t>("select sum(v) + 0 from t where v is not null"), sum) << statement;
      EXPECT_EQ(db->one<std::int64_t>("select max(v) from u"), 100'000) << statement;
    });
  }
}

TEST_P(SqlStatements, WhatIsLeftBeforeItsLastRowLeavesItsConnectionFree) {
  run([&](const Place& place) {
    const auto db = place.open();
    db->script("create table t (v integer)");
    auto connection = db->connect();
    {
      auto rows = connection.query(declared().numbers(100'000));
      EXPECT_TRUE(rows.next());
    }
    EXPECT_EQ(connection.execute("insert into t values (1)"), 1);
    auto transaction = connection.begin();
    EXPECT_EQ(transaction.one<int>("select count(*) from t"), 1);
    transaction.commit();
  });
}

TEST_P(SqlStatements, TransactionsAreNotBegunByStatements) {
  run([](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    for (const auto* const sql :
         {"begin", "  -- so\n Begin transaction", "commit", "rollback", "end", "; commit", " ;/* so */; commit"}) {
      EXPECT_THROW_CODE(connection.execute(sql), Code::misuse);
    }
  });
}

TEST_P(SqlStatements, AValueOfAnotherTypeThanItsColumnIsRefused) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer primary key)");
    EXPECT_THROW_CODE(db->execute("insert into t values (?)", "seven"), Code::statement_invalid);
    try {
      db->execute("insert into t values (?)", 0.5 + 1e300);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {  // For its type or for its size: it is both.
      EXPECT_TRUE(error.code() == Code::statement_invalid || error.code() == Code::too_large) << error.what();
    }
    EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
    db->execute("insert into t values (?)", 7);  // The connection is as before.
    EXPECT_EQ(db->one<int>("select a from t"), 7);
  });
}

TEST_P(SqlStatements, AScriptRunsToItsFirstError) {
  run([](const Place& place) {
    const auto db = place.open();
    EXPECT_THROW_CODE(
        db->script("create table t (a integer); insert into t values (1); insert into nowhere values (2)"),
        Code::statement_invalid);
    EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
    EXPECT_THROW_CODE(db->script("insert into t values ('"), Code::statement_invalid);
    EXPECT_THROW_CODE(db->script("insert into t values (?)"), Code::statement_invalid) << "there is no value for it";
    EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
    db->script("");
    db->script("-- nothing to do");
  });
}

// Reads `count` rows, and sees that memory does not grow with them.
void stream(const Place& place, const Declared& declared, std::int64_t count) {
  const auto db = place.open();
  auto connection = db->connect();
  auto rows = connection.query(declared.numbers(count));
  std::int64_t sum = 0;
  std::uint64_t early = 0;
  for (std::int64_t read = 1; rows.next(); ++read) {
    sum += rows.row().get<std::int64_t>(0);
    if (read == count / 10) early = resident_bytes();
  }
  EXPECT_EQ(sum, count * (count + 1) / 2);
  EXPECT_LT(resident_bytes(), early + (16U << 20));
}

TEST_P(SqlStatements, AMillionRowsAreStreamedInConstantMemory) {
  run([&](const Place& place) { stream(place, declared(), 1'000'000); });
}

TIDELOCK_SQL_CONFORMANCE(SqlStreamingSoak);

TEST_P(SqlStreamingSoak, TenMillionRowsAreStreamedInConstantMemory) {
  run([&](const Place& place) { stream(place, declared(), 10'000'000); });
}

}  // namespace
}  // namespace tidelock::sql::conformance

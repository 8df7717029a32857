#include "tidelock/sql/backends/sqlite/session.h"

#include <gtest/gtest.h>

#include <memory>
#include <stop_token>

#include "tidelock/world/testing.h"

namespace tidelock::sql::sqlite {
namespace {

constexpr auto kNever = base::Deadline::never();
constexpr const char* kLong =
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000000) select max(i) from n";

Place on_disk(base::Runtime& runtime, base::Files& files) {
  return {.runtime = runtime,
          .files = files,
          .path = "/shop.db",
          .vfs = std::make_unique<Vfs>(runtime, files),
          .busy_timeout = {},
          .synchronous = "normal",
          .generations = std::make_unique<Generations>(1)};
}

// As when it is requested between the last look at it and the first step, where SQLite forgets an interrupt.
WORLD_TEST(SqliteSession, AStopThatWasRequestedBeforeTheFirstStepEndsTheStatement) {
  const auto place = on_disk(runtime, files);
  SqliteSession session(place, kNever);
  std::stop_source stop;
  session.begin({.read_only = true, .stop = stop.get_token()});
  stop.request_stop();
  const auto statement = session.prepare(kLong, base::Deadline::never());
  EXPECT_THROW_CODE(
      {
        statement->start({}, kNever);
        statement->next();
      },
      Code::cancelled);
  statement->finish();
  session.rollback();
  const auto next = session.prepare("select 1", base::Deadline::never());
  next->start({}, kNever);
  EXPECT_TRUE(next->next());
}

WORLD_TEST(SqliteSession, AScriptKnowsWhatIsAnIdentifierInsideATransactionToo) {
  const auto place = on_disk(runtime, files);
  SqliteSession session(place, kNever);
  session.begin({});
  session.run_script("create table [it's] (a); create table `it\"s` (a); -- it's\n insert into [it's] values (1)",
                     kNever);
  EXPECT_THROW_CODE(session.run_script("insert into [it's] values (2);; commit", kNever), Code::misuse);
  session.rollback();
}

// SQLite takes null for a parameter that was given no value.
WORLD_TEST(SqliteSession, AScriptHasNoValuesForParameters) {
  const auto place = on_disk(runtime, files);
  SqliteSession session(place, kNever);
  session.run_script("create table t (a); insert into t values (1), (2)", kNever);
  for (const auto* const sql :
       {"insert into t values (?)", "insert into t values (?1)", "delete from t where :x is null",
        "delete from t where $a(t) is null", "delete from t where @a::b is #c"}) {
    EXPECT_THROW_CODE(session.run_script(sql, kNever), Code::statement_invalid) << sql;
  }
  const auto rows = session.prepare("select count(*) from t", kNever);
  rows->start({}, kNever);
  ASSERT_TRUE(rows->next());
  EXPECT_EQ(std::get<std::int64_t>(rows->value(0)), 2);
}

}  // namespace
}  // namespace tidelock::sql::sqlite

#include "tidelock/sql/backends/duckdb/bulk.h"

#include <gmock/gmock.h>

#include <limits>

#include "tidelock/sql/backends/duckdb/session.h"
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

class DuckDbBulk : public testing::DuckDbTest {
 protected:
  void SetUp() override {
    session_ = session();
    run(*session_,
        "create table t (id bigint primary key, \"The Name\" varchar not null, n int default 7, g int as (n + 1))");
    session_->begin({});
  }
  std::unique_ptr<Bulk> bulk(std::vector<std::string> columns = {"id", "The Name"}, std::string_view table = "t") {
    return session_->bulk(table, columns);
  }
  std::int64_t count() { return number(*session_, "select count(*) from t"); }
  std::unique_ptr<Session> session_;
};

TEST_F(DuckDbBulk, WritesManyRowsInTheTransaction) {
  constexpr std::int64_t kRows = 500'000;  // More than the appender holds back.
  const auto writer = bulk();
  for (std::int64_t i = 0; i < kRows; ++i)
    writer->append(sql::bind(i, i % 2 == 0 ? "even" : "an odd number, in words"));
  writer->finish();
  EXPECT_EQ(count(), kRows);
  EXPECT_EQ(number(*session(), "select count(*) from t"), 0);
  EXPECT_EQ(number(*session_, "select sum(id)::bigint from t"), kRows * (kRows - 1) / 2);
  session_->commit(false);
  EXPECT_EQ(number(*session(), "select count(*) from t where \"The Name\" = 'even' and n = 7 and g = 8"), kRows / 2);
}

TEST_F(DuckDbBulk, WithoutAnEndNothingOfTheRestIsWritten) {
  for (const int rows : {1, 3000, 300'000}) {
    auto writer = bulk();
    for (int i = 0; i < rows; ++i) writer->append(sql::bind(i, "x"));
    writer.reset();
    session_->rollback();
    session_->begin({});
  }
  EXPECT_EQ(count(), 0);
  auto writer = bulk();
  for (int i = 0; i < 3000; ++i) writer->append(sql::bind(i, "x"));
  writer.reset();
  session_->commit(false);
  EXPECT_EQ(count(), 0);
}

TEST_F(DuckDbBulk, AViolatedConstraintComesOutAndDoomsTheTransaction) {
  run(*session_, "insert into t values (5, 'x', 1)");
  auto writer = bulk();
  for (int i = 0; i < 10; ++i) writer->append(sql::bind(i, "x"));
  const auto error = error_of([&] { writer->finish(); });
  EXPECT_EQ(error.code(), Code::constraint_violation);
  EXPECT_EQ(error.object(), "5");
  writer.reset();
  EXPECT_THROW_CODE(session_->commit(false), Code::constraint_violation);
  EXPECT_EQ(count(), 0);
}

TEST_F(DuckDbBulk, AMissingValueIsAConstraintToo) {
  const auto writer = bulk({"id"});
  writer->append(sql::bind(1));
  EXPECT_THROW_CODE(writer->finish(), Code::constraint_violation);
}

TEST_F(DuckDbBulk, ALostRaceForAKeyIsToldInCommit) {
  const auto other = session();
  other->begin({});
  run(*other, "insert into t values (1, 'theirs', 1)");
  const auto writer = bulk();
  writer->append(sql::bind(1, "ours"));
  writer->finish();
  other->commit(false);
  EXPECT_THROW_CODE(session_->commit(false), Code::serialization_failure);
}

TEST_F(DuckDbBulk, NamesAreFoundAsSqlFindsThem) {
  const auto writer = bulk({"THE NAME", "ID"}, "main.T");
  writer->append(sql::bind("x", 1));
  writer->finish();
  EXPECT_EQ(count(), 1);
  run(*session_, R"(create schema "a.b"; )");
  run(*session_, R"(create table "a.b"."c ""d" (i int))");
  const auto quoted = bulk({"i"}, R"("a.b"."c ""d")");
  quoted->append(sql::bind(1));
  quoted->finish();
  EXPECT_EQ(number(*session_, R"(select count(*) from "a.b"."c ""d")"), 1);
}

TEST_F(DuckDbBulk, NamesThatAreNotThereAreRefused) {
  EXPECT_THAT(error_of([&] { bulk({"nothing"}); }).what(), HasSubstr("id, The Name"));
  session_->rollback();
  EXPECT_THROW_CODE(bulk({"id"}, "nowhere"), Code::statement_invalid);
  EXPECT_THROW_CODE(bulk({"id", "id"}), Code::statement_invalid);
  run(*session_, "create view v as select 1 as i");
  EXPECT_THROW_CODE(bulk({"i"}, "v"), Code::statement_invalid);
  for (const auto* name : {"", ".t", "t.", "a.b.c.d", "\"t", "a..b"}) {
    EXPECT_THROW_CODE(bulk({"id"}, name), Code::invalid_argument);
  }
}

TEST_F(DuckDbBulk, AReadOnlyTransactionRefusesRows) {
  session_->rollback();
  session_->begin({.isolation = {}, .read_only = true});
  const auto writer = bulk();
  writer->append(sql::bind(1, "x"));
  EXPECT_THROW_CODE(writer->finish(), Code::read_only);
}

TEST_F(DuckDbBulk, ValuesThatDoNotFitTheColumnAreRefusedWithItsName) {
  run(*session_,
      "create table k (i8 tinyint, u16 usmallint, h hugeint, d decimal(5, 2), f float, b boolean, s varchar, e "
      "enum('x'))");
  const auto refused = [&](const char* column, const Value& value) {
    const auto writer = bulk({column}, "k");
    const auto error = error_of([&] { writer->append(sql::bind(value)); });
    EXPECT_EQ(error.code(), Code::invalid_argument) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(std::string("column ") + column));
  };
  refused("i8", std::int64_t{128});
  refused("i8", std::string("1"));
  refused("i8", Decimal("1.5"));
  refused("u16", std::int64_t{-1});
  refused("d", Decimal("1.001"));
  refused("d", Decimal("1000"));
  refused("d", 1.5);
  refused("f", std::int64_t{1} << 60);
  refused("f", std::int64_t{16'777'217});
  refused("f", 1e300);
  refused("f", -3.5e38);
  refused("f", 1e-300);
  refused("b", std::int64_t{1});
  refused("s", std::int64_t{1});
}

TEST_F(DuckDbBulk, ValuesThatFitTheColumnAreConvertedWithoutALoss) {
  run(*session_,
      "create table k (i8 tinyint, h hugeint, d decimal(5, 2), w decimal(38, 2), f double, e enum('x', 'y'), l int[])");
  const auto writer = bulk({"i8", "h", "d", "w", "f", "e", "l"}, "k");
  writer->append(
      sql::bind(-128, Decimal("170141183460469231731687303715884105"), 12, Decimal("12.5"), 3, "y", "[1, 2]"));
  writer->append(sql::bind(Decimal("7.0"), 1, Decimal("999.99"), 7, 0.5, Null{}, Null{}));
  writer->finish();
  EXPECT_EQ(
      one(*session_, "select string_agg(concat_ws(' ', i8, h, d, w, f, e, l), '|') from k"),
      Value(std::string("-128 170141183460469231731687303715884105 12.00 12.50 3.0 y [1, 2]|7 1 999.99 7.00 0.5")));
}

TEST_F(DuckDbBulk, AFloatTakesWholeNumbersExactlyAndOthersToTheNearest) {
  run(*session_, "create table k (f float)");
  const auto writer = bulk({"f"}, "k");
  writer->append(sql::bind(16'777'216));
  writer->append(sql::bind(-7));
  writer->append(sql::bind(159.54));
  writer->append(sql::bind(-std::numeric_limits<double>::infinity()));
  writer->append(sql::bind(std::numeric_limits<double>::quiet_NaN()));
  writer->append(sql::bind(-0.0));
  writer->finish();
  EXPECT_EQ(one(*session_, "select string_agg(f::varchar, ' ') from k"),
            Value(std::string("16777216.0 -7.0 159.54 -inf nan -0.0")));
}

TEST_F(DuckDbBulk, TextThatTheEngineCannotCastIsToldAtTheEnd) {
  run(*session_, "create table k (e enum('x'))");
  const auto writer = bulk({"e"}, "k");
  writer->append(sql::bind("nonsense"));
  EXPECT_THROW_CODE(writer->finish(), Code::statement_invalid);
}

}  // namespace
}  // namespace tidelock::sql::duckdb

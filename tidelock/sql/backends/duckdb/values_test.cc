// Values of every kind through a real database, both as parameters and by bulk, and every type of the engine.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tidelock/sql/backends/duckdb/testing/duckdb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::kNever;
using testing::one;
using testing::run;

using Int64 = std::numeric_limits<std::int64_t>;

Timestamp timestamp(std::int64_t micros) { return Timestamp(std::chrono::microseconds(micros)); }
Date date(std::int32_t days) { return Date(std::chrono::days(days)); }
Blob blob(std::string_view bytes) {
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}
TimeOfDay time_of_day(std::int64_t micros) { return TimeOfDay{std::chrono::microseconds(micros)}; }

struct Case {
  Kind kind;
  std::vector<Value> values;
};

std::vector<Case> cases() {
  return {
      {Kind::boolean, {true, false}},
      {Kind::int64, {std::int64_t{0}, std::int64_t{-1}, Int64::min(), Int64::max()}},
      {Kind::real, {0.0, 0.1, -2.5, 5e-324, 1.7976931348623157e308, INFINITY, -INFINITY}},
      {Kind::decimal,
       {Decimal("0"), Decimal("-12.5"), Decimal("0.000000000000000001"),
        Decimal("99999999999999999999.999999999999999999"), Decimal("-99999999999999999999.999999999999999999")}},
      {Kind::text,
       {std::string(), std::string("x"), std::string("exactly 12 b"), std::string("one more: 13!"),
        std::string("it's ? \"q\""), std::string("€ 𝄞 ünïcödé"), std::string(100'000, 'z')}},
      {Kind::blob, {Blob(), blob(std::string("\0\xff\x80'", 4)), Blob(100'000, std::byte{0x80})}},
      {Kind::date, {date(0), date(-719'162), date(2'932'896), date(-2'147'483'646), date(2'147'483'646)}},
      {Kind::time, {time_of_day(0), time_of_day(1), time_of_day(86'399'999'999)}},
      {Kind::timestamp, {timestamp(0), timestamp(-1), timestamp(-Int64::max() + 1), timestamp(Int64::max() - 1)}},
      {Kind::uuid,
       {base::Uuid{}, base::Uuid::parse("ffffffff-ffff-ffff-ffff-ffffffffffff"),
        base::Uuid::parse("01234567-89ab-7cde-8f01-23456789abcd"),
        base::Uuid::parse("80000000-0000-0000-0000-000000000001")}},
      {Kind::json, {Json{"{}"}, Json{R"({"a": [1, null, "ü"]})"}}},
  };
}

class DuckDbValues : public testing::DuckDbTest {
 protected:
  void SetUp() override { session_ = session(); }
  Value of(const std::string& expression) { return one(*session_, "select " + expression); }
  std::unique_ptr<Session> session_;
};

TEST_F(DuckDbValues, EveryKindComesBackAsItWentIn) {
  for (const auto& [kind, values] : cases()) {
    const auto type = driver().dialect().column_type(kind);
    run(*session_, "create or replace table v (n int, v " + type + ")");
    int n = 0;
    for (const auto& value : values) run(*session_, "insert into v values (?, ?)", n++, value);
    run(*session_, "insert into v values (?, ?)", n, Null{});
    const auto rows = session_->prepare("select v from v order by n", base::Deadline::never());
    rows->start({}, kNever);
    for (const auto& value : values) {
      ASSERT_TRUE(rows->next());
      EXPECT_EQ(to_value(rows->value(0)), value) << to_text(view(value));
    }
    ASSERT_TRUE(rows->next());
    EXPECT_EQ(to_value(rows->value(0)), Value(Null{}));
    rows->finish();
    // In a comparison the engine takes the value for what it is, too.
    for (const auto& value : values) {
      EXPECT_EQ(one(*session_, "select count(*) from v where v = ?", value), Value(std::int64_t{1}))
          << to_text(view(value));
    }
  }
}

TEST_F(DuckDbValues, EveryKindComesBackAsItWentInByBulk) {
  for (const auto& [kind, values] : cases()) {
    const auto type = driver().dialect().column_type(kind);
    run(*session_, "create or replace table v (n bigint, v " + type + ")");
    session_->begin({});
    const auto bulk = session_->bulk("v", std::vector<std::string>{"n", "v"});
    constexpr int kRounds = 700;  // So that chunks are filled.
    for (int n = 0; n < kRounds; ++n) {
      for (const auto& value : values) bulk->append(sql::bind(n, value));
      bulk->append(sql::bind(n, Null{}));
    }
    bulk->finish();
    session_->commit(false);
    const auto rows = session_->prepare("select v from v", base::Deadline::never());
    rows->start({}, kNever);
    for (int n = 0; n < kRounds; ++n) {
      for (const auto& value : values) {
        ASSERT_TRUE(rows->next());
        ASSERT_EQ(to_value(rows->value(0)), value) << to_text(view(value)) << " in round " << n;
      }
      ASSERT_TRUE(rows->next());
      ASSERT_EQ(to_value(rows->value(0)), Value(Null{}));
    }
    EXPECT_FALSE(rows->next());
  }
}

TEST_F(DuckDbValues, NotANumberComesBackAsSuch) {
  EXPECT_TRUE(std::isnan(std::get<double>(one(*session_, "select ?", std::nan("")))));
}

TEST_F(DuckDbValues, EveryIntegerTypeIsReadWhole) {
  EXPECT_EQ(of("(-128)::tinyint"), Value(std::int64_t{-128}));
  EXPECT_EQ(of("(-32768)::smallint"), Value(std::int64_t{-32768}));
  EXPECT_EQ(of("(-2147483648)::integer"), Value(std::int64_t{-2147483648}));
  EXPECT_EQ(of("255::utinyint"), Value(std::int64_t{255}));
  EXPECT_EQ(of("65535::usmallint"), Value(std::int64_t{65535}));
  EXPECT_EQ(of("4294967295::uinteger"), Value(std::int64_t{4294967295}));
  EXPECT_EQ(of("18446744073709551615::ubigint"), Value(Decimal("18446744073709551615")));
  EXPECT_EQ(of("170141183460469231731687303715884105727::hugeint"),
            Value(Decimal("170141183460469231731687303715884105727")));
  EXPECT_EQ(of("(-170141183460469231731687303715884105728)::hugeint"),
            Value(Decimal("-170141183460469231731687303715884105728")));
  EXPECT_EQ(of("340282366920938463463374607431768211455::uhugeint"),
            Value(Decimal("340282366920938463463374607431768211455")));
  EXPECT_EQ(of("sum(i) from range(4) r(i)"), Value(Decimal("6")));
}

TEST_F(DuckDbValues, EveryWidthOfDecimalIsExact) {
  EXPECT_EQ(of("1.5::decimal(4, 1)"), Value(Decimal("1.5")));
  EXPECT_EQ(of("(-12345.6789)::decimal(9, 4)"), Value(Decimal("-12345.6789")));
  EXPECT_EQ(of("0.000000000000000001::decimal(18, 18)"), Value(Decimal("0.000000000000000001")));
  EXPECT_EQ(of("'99999999999999999999999999999999999999'::decimal(38, 0)"),
            Value(Decimal("99999999999999999999999999999999999999")));
  EXPECT_EQ(of("'-0.99999999999999999999999999999999999999'::decimal(38, 38)"),
            Value(Decimal("-0.99999999999999999999999999999999999999")));
}

TEST_F(DuckDbValues, ADecimalParameterIsNeverRoundedOnItsWay) {
  run(*session_, "create table d (v decimal(10, 2))");
  run(*session_, "insert into d values (?)", Decimal("12.50"));
  EXPECT_EQ(one(*session_, "select count(*) from d where v = ?", Decimal("12.5")), Value(std::int64_t{1}));
  EXPECT_EQ(one(*session_, "select count(*) from d where v = ?", Decimal("12.501")), Value(std::int64_t{0}));
  EXPECT_EQ(one(*session_, "select ?", Decimal("0.1")), Value(Decimal("0.1")));
  EXPECT_THROW_CODE(one(*session_, "select ?", Decimal("1" + std::string(38, '0'))), Code::too_large);
}

TEST_F(DuckDbValues, AnIntegerParameterThatDoesNotFitTheColumnIsComparedAllTheSame) {
  run(*session_, "create table i as select 1::tinyint as v");
  EXPECT_EQ(one(*session_, "select count(*) from i where v = ?", 1), Value(std::int64_t{1}));
  EXPECT_EQ(one(*session_, "select count(*) from i where v < ?", 1000), Value(std::int64_t{1}));
  EXPECT_THROW_CODE(run(*session_, "insert into i values (?)", 1000), Code::statement_invalid);
}

TEST_F(DuckDbValues, TimestampsOfEveryPrecisionAreMicroseconds) {
  const auto moment = timestamp(1'720'000'000'000'000);
  EXPECT_EQ(of("to_timestamp(1720000000)"), Value(moment));
  EXPECT_EQ(of("to_timestamp(1720000000)::timestamp::timestamp_s"), Value(moment));
  EXPECT_EQ(of("to_timestamp(1720000000)::timestamp::timestamp_ms"), Value(moment));
  EXPECT_EQ(of("to_timestamp(1720000000)::timestamp::timestamp_ns"), Value(moment));
  EXPECT_EQ(of("'1969-12-31 23:59:59.999999'::timestamp_ns"), Value(timestamp(-1)));
  EXPECT_THROW_CODE(of("'2024-01-01 00:00:00.000000001'::timestamp_ns"), Code::invalid_argument);
  EXPECT_EQ(of("'2024-07-03 11:46:40+02'::timestamptz"), Value(timestamp(1'720'000'000'000'000)));
}

TEST_F(DuckDbValues, WhatAKindCannotHoldIsRefusedWithTheCastThatHelps) {
  for (const std::string expression : {"'infinity'::date", "'-infinity'::date", "'infinity'::timestamp",
                                       "'-infinity'::timestamptz", "'24:00:00'::time"}) {
    const auto error = error_of([&] { of(expression); });
    EXPECT_EQ(error.code(), Code::invalid_argument) << expression;
    EXPECT_THAT(error.what(), HasSubstr("cast")) << expression;
  }
  EXPECT_THROW_CODE(of("'a' || chr(0) || 'b'"), Code::invalid_argument);
  EXPECT_EQ(of("encode('a' || chr(0))"), Value(blob(std::string_view("a\0", 2))));
  EXPECT_THROW_CODE(one(*session_, "select ?", date(std::numeric_limits<std::int32_t>::max())), Code::invalid_argument);
  EXPECT_THROW_CODE(one(*session_, "select ?", timestamp(Int64::max())), Code::invalid_argument);
}

TEST_F(DuckDbValues, EnumsAndIntervalsAreText) {
  EXPECT_EQ(of("'y'::enum('x', 'y')"), Value(std::string("y")));
  for (const std::string interval :
       {"0 days", "1 day", "-1 day", "1 year 2 months -3 days 04:05:06.789", "-90 minutes",
        "100 hours 0.000001 seconds", "13 months", "-14 months", "0.5 seconds", "1 month 0.25 seconds"}) {
    EXPECT_EQ(of("interval '" + interval + "'"), of("cast(interval '" + interval + "' as varchar)")) << interval;
  }
}

TEST_F(DuckDbValues, TypesWithoutAKindAreTheTextThatTheEngineCastsThemTo) {
  for (const std::string expression :
       {"[1, 2, null]", "[]", "[['a', 'it''s'], null]", "{'a': 1, 'b': {'c': [date '2024-02-29']}}", "map {'k': 1}",
        "'101'::bit", "'12:00:00+02'::timetz", "12345678901234567890::bignum", "[1, 2]::int[2]",
        "union_value(a := 1)"}) {
    const auto text = of("cast(" + expression + " as varchar)");
    EXPECT_TRUE(std::holds_alternative<std::string>(text)) << expression;
    EXPECT_EQ(of(expression), text) << expression;
  }
  EXPECT_EQ(of("null::int[]"), Value(Null{}));
}

TEST_F(DuckDbValues, AQueryWithListsStaysWhatItIs) {
  run(*session_, "create table l (id int, v int[], w varchar)");
  run(*session_, "insert into l select i, [i, i + 1], 'w' || i from range(3000) r(i)");
  const auto rows_of = [&](const std::string& sql) {
    const auto statement = session_->prepare(sql, kNever);
    statement->start({}, kNever);
    std::string all;
    for (std::size_t i = 0; i < statement->column_count(); ++i) all += std::string(statement->column_name(i)) + ",";
    while (statement->next()) {
      all += "\n";
      for (std::size_t i = 0; i < statement->column_count(); ++i) all += to_text(statement->value(i)) + ",";
    }
    return all;
  };
  // Its names, also those that stand there twice, its order, and what ends it.
  EXPECT_EQ(rows_of("select v, id, v, w as \"a \"\"b\" from l order by id desc limit 2 -- the last; two\n ;\n"),
            "v,id,v,a \"b,\n'[2999, 3000]',2999,'[2999, 3000]','w2999',\n'[2998, 2999]',2998,'[2998, 2999]','w2998',");
  EXPECT_EQ(rows_of("with x as (select [1] as v) select v, v[1] from x"), "v,v[1],\n'[1]',1,");
  EXPECT_EQ(rows_of("values ([1], 2)"), "col0,col1,\n'[1]',2,");
  EXPECT_EQ(rows_of("from l where id = 1"), "id,v,w,\n1,'[1, 2]','w1',");
  EXPECT_EQ(one(*session_, "select v from l where id = ? and v = ?::int[]", 7, "[7, 8]"), Value(std::string("[7, 8]")));
  // In the order of the query, however many threads make the rows.
  const auto statement = session_->prepare("select v from l order by id", kNever);
  statement->start({}, kNever);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(statement->next());
    ASSERT_EQ(to_value(statement->value(0)), Value("[" + std::to_string(i) + ", " + std::to_string(i + 1) + "]"));
  }
}

// A statement that is kept, while the table gets other columns.
TEST_F(DuckDbValues, ListsAreOfTheColumnsThatTheTableHasNow) {
  run(*session_, "create table l (id int, v int[])");
  run(*session_, "insert into l values (1, [1])");
  const auto all = session_->prepare("select * from l", kNever);
  const auto one_row = session_->prepare("select * from l where id = ?", kNever);
  run(*session_, "alter table l drop column id");
  run(*session_, "alter table l add column id int default 5");
  run(*session_, "alter table l add column w varchar default 'x'");
  const auto row_of = [&](Prepared& statement, std::span<const ValueView> values) {
    statement.start(values, kNever);
    EXPECT_TRUE(statement.next());
    std::string row;
    for (std::size_t i = 0; i < statement.column_count(); ++i) {
      row += std::string(statement.column_name(i)) + "=" + to_text(statement.value(i)) + ",";
    }
    statement.finish();
    return row;
  };
  EXPECT_EQ(row_of(*all, {}), "v='[1]',id=5,w='x',");
  EXPECT_EQ(row_of(*one_row, sql::bind(5)), "v='[1]',id=5,w='x',");
}

TEST_F(DuckDbValues, TypesWithoutAKindThatAChangeReturnsAreRefusedWithTheCastThatHelps) {
  run(*session_, "create table l (c int[])");
  const auto error = error_of([&] { one(*session_, "insert into l values ([1]) returning c"); });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("select cast(c as varchar)"));
}

TEST_F(DuckDbValues, JsonIsToldFromText) {
  run(*session_, "create table j (j json, t varchar)");
  run(*session_, "insert into j values (?, ?)", Json{"[1]"}, "[1]");
  EXPECT_EQ(one(*session_, "select j from j"), Value(Json{"[1]"}));
  EXPECT_EQ(one(*session_, "select t from j"), Value(std::string("[1]")));
  EXPECT_THROW_CODE(run(*session_, "insert into j values (?, ?)", Json{"nonsense"}, ""), Code::statement_invalid);
}

TEST_F(DuckDbValues, RowsAreStreamedInConstantMemory) {
  // The engine may hold no more than this; the result is several times larger.
  run(*session_, "set memory_limit = '40MB'");
  constexpr std::int64_t kRows = 2'000'000;
  const auto rows = session_->prepare("select i, repeat('x', 100) from range(?) r(i)", base::Deadline::never());
  rows->start(sql::bind(kRows), kNever);
  std::int64_t sum = 0;
  std::size_t bytes = 0;
  while (rows->next()) {
    sum += std::get<std::int64_t>(rows->value(0));
    bytes += std::get<std::string_view>(rows->value(1)).size();
  }
  EXPECT_EQ(sum, kRows * (kRows - 1) / 2);
  EXPECT_EQ(bytes, 100 * kRows);
}

}  // namespace
}  // namespace tidelock::sql::duckdb

// Values come back exactly as they went in, at the limits of their types.
#include <cmath>
#include <cstring>
#include <limits>

#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlTypes);

// Sends each value through a column of its kind.
void expect_round_trip(Database& db, Kind kind, const std::vector<Value>& values) {
  db.script("drop table if exists t; create table t (n integer, v " + db.dialect().column_type(kind) + ")");
  auto connection = db.connect();
  std::int64_t number = 0;
  for (const auto& value : values) {
    SCOPED_TRACE(to_text(view(value)).substr(0, 100));
    EXPECT_EQ(connection.execute("insert into t values (?, ?)", ++number, value), 1);
    const auto back = connection.one<Value>("select v from t where n = ?", number);
    EXPECT_EQ(name(sql::kind(view(back))), name(sql::kind(view(value))));
    EXPECT_TRUE(back == value) << "came back as " << to_text(view(back)).substr(0, 100);
    // And as something to compare with.
    if (!std::holds_alternative<Null>(value)) {
      EXPECT_EQ(connection.one<std::int64_t>("select count(*) from t where n = ? and v = ?", number, value), 1);
    }
  }
}

TEST_P(SqlTypes, Nulls) {
  run([](const Place& place) {
    const auto db = place.open();
    for (int kind = 0; kind <= static_cast<int>(Kind::json); ++kind) {
      expect_round_trip(*db, static_cast<Kind>(kind), {Null{}});
    }
    EXPECT_EQ(db->one<std::optional<std::int64_t>>("select v from t"), std::nullopt);
    EXPECT_THROW_CODE(db->one<std::int64_t>("select v from t"), Code::invalid_argument);
    EXPECT_EQ(db->maybe<std::optional<std::int64_t>>("select v from t"),
              std::optional<std::optional<std::int64_t>>(std::in_place));
  });
}

TEST_P(SqlTypes, Booleans) {
  run([](const Place& place) {
    const auto db = place.open();
    expect_round_trip(*db, Kind::boolean, {true, false});
    EXPECT_TRUE(db->one<bool>("select v from t where n = 1"));
    EXPECT_TRUE(db->one<bool>("select count(*) = 2 from t"));
  });
}

TEST_P(SqlTypes, IntegersOfSixtyFourBits) {
  run([](const Place& place) {
    const auto db = place.open();
    expect_round_trip(*db, Kind::int64,
                      {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 53, (std::int64_t{1} << 53) + 1,
                       std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()});
    EXPECT_EQ(db->one<int>("select v from t where n = 2"), -1);
    EXPECT_THROW_CODE(db->one<int>("select v from t where n = 6"), Code::invalid_argument);
    EXPECT_THROW_CODE(db->one<unsigned>("select v from t where n = 2"), Code::invalid_argument);
    EXPECT_EQ(db->one<double>("select v from t where n = 3"), 0x1p53);
    EXPECT_THROW_CODE(db->one<double>("select v from t where n = 4"), Code::invalid_argument);
    EXPECT_THROW_CODE(db->execute("insert into t values (?, 0)", std::uint64_t{1} << 63), Code::invalid_argument);
  });
}

TEST_P(SqlTypes, Doubles) {
  const bool nan = declared().nan;
  run([&](const Place& place) {
    const auto db = place.open();
    using Limits = std::numeric_limits<double>;
    expect_round_trip(*db, Kind::real,
                      {0.1, -1.5, 1e300, Limits::max(), Limits::lowest(), Limits::min(), Limits::denorm_min(),
                       -Limits::denorm_min(), 1.0 / 3});
    for (const double infinity : {Limits::infinity(), -Limits::infinity()}) {
      if (declared().infinities) {
        expect_round_trip(*db, Kind::real, {infinity});
      } else {
        EXPECT_THROW_CODE(db->execute("insert into t values (100, ?)", infinity), Code::invalid_argument);
      }
    }
    if (nan) {
      db->execute("insert into t values (100, ?)", Limits::quiet_NaN());
      EXPECT_TRUE(std::isnan(db->one<double>("select v from t where n = 100")));
    } else {
      EXPECT_THROW_CODE(db->execute("insert into t values (100, ?)", Limits::quiet_NaN()), Code::invalid_argument);
    }
  });
}

// Whether one does is a matter of the engine, and never of the number.
TEST_P(SqlTypes, ADoubleGoesIntoAColumnOfOtherNumbersWhateverItsValue) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (way integer, i bigint, d numeric(20, 6))");
    auto connection = db->connect();
    const auto goes_in_bulk = [&](const std::string& column, double number) {
      try {
        auto bulk = connection.bulk("t", {"way", column});
        bulk.append(1, number);
        return bulk.finish() == 1;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::invalid_argument) << error.what();
        return false;
      }
    };
    const auto check = [&](const std::string& column, const std::vector<double>& ascending) {
      const bool all_go = goes_in_bulk(column, 150000.0);
      connection.execute("delete from t where way = 1");
      for (const double number : ascending) {
        connection.execute("insert into t (way, " + column + ") values (0, ?)", number);
        EXPECT_EQ(goes_in_bulk(column, number), all_go) << number;
      }
      for (const int way : {0, 1}) {
        auto rows = connection.query(
            "select " + column + " from t where way = ? and " + column + " is not null order by " + column, way);
        std::vector<double> found;
        while (rows.next()) found.push_back(rows.row().get<double>(0));
        EXPECT_EQ(found, way == 0 || all_go ? ascending : std::vector<double>()) << column << " " << way;
      }
    };
    check("i", {-200000.0, 0.0, 100000.0, 150000.0, 1e6, 1.2e7, 1e13});
    check("d", {-200000.0, -1.5, 0.0, 1e-6, 0.0001, 0.00025, 100000.0, 150000.0, 1.2e7});
  });
}

TEST_P(SqlTypes, Decimals) {
  run([&](const Place& place) {
    const auto db = place.open();
    std::vector<Value> values;
    for (const auto& text : declared().decimals) values.emplace_back(Decimal(text));
    expect_round_trip(*db, Kind::decimal, values);
    EXPECT_EQ(db->one<Decimal>("select v from t where n = 2"), Decimal("1.5"));
    EXPECT_THROW_CODE(Decimal("1e5"), Code::invalid_argument);
    EXPECT_THROW_CODE(db->execute("insert into t values (1, ?)", ValueView(DecimalView{"1,5"})),
                      Code::invalid_argument);
  });
}

TEST_P(SqlTypes, Texts) {
  run([](const Place& place) {
    const auto db = place.open();
    expect_round_trip(
        *db, Kind::text,
        {std::string(), std::string("it's"), std::string("1.50"), std::string("\xf0\x9f\x90\xa2 \xd0\xb6\xe4\xb8\xad"),
         std::string("line\nand\ttab"), std::string(1'000'000, 'x'), std::string("?")});
    EXPECT_EQ(db->one<std::string>("select v from t where n = 4").size(), 10U);
  });
}

TEST_P(SqlTypes, TextThatIsNoTextIsRefused) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (v " + db->dialect().column_type(Kind::text) + ")");
    for (const auto& text :
         {std::string("a\0b", 3), std::string("\xff"), std::string("\xc3"), std::string("\xed\xa0\x80")}) {
      EXPECT_THROW_CODE(db->execute("insert into t values (?)", text), Code::invalid_argument);
      EXPECT_THROW_CODE(db->execute("insert into t values (?)", Json{text}), Code::invalid_argument);
      EXPECT_THROW_CODE(db->execute("insert into t values ('" + text + "')"), Code::statement_invalid);
    }
    EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
  });
}

TEST_P(SqlTypes, Blobs) {
  run([](const Place& place) {
    const auto db = place.open();
    Blob every(256);
    for (std::size_t i = 0; i < every.size(); ++i) every[i] = static_cast<std::byte>(i);
    expect_round_trip(*db, Kind::blob, {Blob(), Blob(3), every});
  });
}

TEST_P(SqlTypes, ABlobOfSixteenMebibytes) {
  run([](const Place& place) {
    const auto db = place.open();
    Blob large(16 << 20);
    for (std::size_t i = 0; i < large.size(); i += 4096) large[i] = static_cast<std::byte>(i >> 12);
    expect_round_trip(*db, Kind::blob, {large});
  });
}

TEST_P(SqlTypes, Dates) {
  run([&](const Place& place) {
    const auto db = place.open();
    using std::chrono::days;
    expect_round_trip(*db, Kind::date,
                      {declared().dates.first, declared().dates.second, Date(), Date(days(-1)),
                       parse_date("2024-02-29").value(), parse_date("1582-10-10").value()});
    EXPECT_THROW_CODE(db->execute("insert into t values (9, ?)", declared().dates.second + days(1000 * 366)),
                      Code::invalid_argument);
  });
}

TEST_P(SqlTypes, TimesOfDay) {
  run([](const Place& place) {
    const auto db = place.open();
    using std::chrono::microseconds;
    expect_round_trip(*db, Kind::time,
                      {TimeOfDay{}, TimeOfDay{microseconds(1)}, TimeOfDay{microseconds(86'399'999'999)}});
  });
}

TEST_P(SqlTypes, TimestampsInMicroseconds) {
  run([&](const Place& place) {
    const auto db = place.open();
    expect_round_trip(*db, Kind::timestamp,
                      {declared().timestamps.first, declared().timestamps.second, Timestamp(),
                       Timestamp(std::chrono::microseconds(-1)), parse_timestamp("1969-12-31 23:59:59.123456").value(),
                       parse_timestamp("2024-02-29T12:00:00.000001Z").value()});
    EXPECT_EQ(db->one<Timestamp>("select max(v) from t"),
              declared().timestamps.second);  // An expression has it as well.
  });
}

TEST_P(SqlTypes, Uuids) {
  run([](const Place& place) {
    const auto db = place.open();
    expect_round_trip(*db, Kind::uuid,
                      {base::Uuid(), base::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057"),
                       base::Uuid::parse("ffffffff-ffff-ffff-ffff-ffffffffffff")});
  });
}

TEST_P(SqlTypes, JsonTexts) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (n integer, v " + db->dialect().column_type(Kind::json) + ")");
    for (const auto* const text : {"{}", "[1, 2.50, null]", "1.0", "\"1\"", "{\"a\": \"\xf0\x9f\x90\xa2\"}"}) {
      db->execute("delete from t");
      db->execute("insert into t values (1, ?)", Json{text});
      const auto back = db->one<Value>("select v from t");
      EXPECT_TRUE(back == Value(Json{text})) << text << " came back as " << to_text(view(back));
    }
  });
}

TEST_P(SqlTypes, AWrongTypeNamesTheColumnAndBothKinds) {
  run([](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    auto rows = connection.query("select 'seven' as amount");
    ASSERT_TRUE(rows.next());
    try {
      rows.row().get<std::int64_t>("amount");
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
      EXPECT_NE(error.message().find("amount"), std::string::npos) << error.what();
      EXPECT_NE(error.message().find("text"), std::string::npos) << error.what();
      EXPECT_NE(error.message().find("integer"), std::string::npos) << error.what();
    }
    EXPECT_THROW_CODE(rows.row().get<std::string>(1), Code::invalid_argument);
    EXPECT_THROW_CODE(rows.row().get<std::string>("price"), Code::invalid_argument);
    EXPECT_EQ(rows.row().get<std::string>(0), "seven");
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance

#include "tidelock/sql/backends/postgres/codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tidelock/sql/backends/postgres/oids.h"
#include "tidelock/sql/text_form.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::postgres {
namespace {

Value back(Oid type, const ValueView& value) {
  std::string bytes;
  append_column(bytes, value, type, "c");
  std::string scratch;
  return to_value(decode_binary(type, bytes, scratch));
}

TEST(PostgresCodec, ColumnsComeBackAsTheyWere) {
  using Limits = std::numeric_limits<std::int64_t>;
  const std::vector<std::pair<Oid, Value>> cases = {
      {kBool, true},
      {kInt8, Limits::min()},
      {kInt8, Limits::max()},
      {kInt4, std::int64_t{-7}},
      {kInt2, std::int64_t{32'767}},
      {kFloat8, 0.1},
      {kFloat8, -std::numeric_limits<double>::infinity()},
      {kNumeric, Decimal("-12345.6700")},
      {kText, std::string("caf\xc3\xa9")},
      {kBytea, Blob{std::byte{0}, std::byte{255}}},
      {kDate, parse_date("1582-10-10").value()},
      {kDate, parse_date("5874897-12-31").value()},
      {kDate, parse_date("-4713-11-24").value()},
      {kTime, TimeOfDay{std::chrono::microseconds(86'399'999'999)}},
      {kTimestamptz, parse_timestamp("1969-12-31 23:59:59.999999").value()},
      {kTimestamp, parse_timestamp("-4713-11-24 00:00:00").value()},
      {kUuid, base::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057")},
      {kJson, Json{"[1, 2.50]"}},
      {kJsonb, Json{"{}"}},
  };
  for (const auto& [type, value] : cases) {
    EXPECT_TRUE(back(type, view(value)) == value) << type << " " << to_text(view(value));
  }
}

TEST(PostgresCodec, AColumnTakesOtherKindsWhereNothingIsLost) {
  EXPECT_TRUE(back(kInt4, "42") == Value(std::int64_t{42}));
  EXPECT_TRUE(back(kNumeric, std::int64_t{42}) == Value(Decimal("42")));
  EXPECT_TRUE(back(kNumeric, "1.50") == Value(Decimal("1.50")));
  EXPECT_TRUE(back(kFloat8, std::int64_t{3}) == Value(3.0));
  EXPECT_TRUE(back(kDate, "2024-02-29") == Value(parse_date("2024-02-29").value()));
  EXPECT_TRUE(back(kTimestamptz, "2024-02-29") == Value(Timestamp(parse_date("2024-02-29").value())));
  EXPECT_TRUE(back(kText, std::int64_t{42}) == Value(std::string("42")));
  EXPECT_TRUE(back(kBool, "t") == Value(true));
}

bool refused(Oid type, const ValueView& value, Code code = Code::statement_invalid) {
  std::string bytes;
  try {
    append_column(bytes, value, type, "amount");
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("amount"), std::string::npos) << error.what();
    return error.code() == code;
  }
  return false;
}

// The shortest text of 100000.0 is 1e+05, that of 150000.0 is not.
TEST(PostgresCodec, ADoubleGoesIntoAColumnOfNumbersHoweverItIsWritten) {
  const std::vector<std::pair<double, std::string>> decimals = {
      {1e5, "100000"},
      {150000.0, "150000"},
      {-12e6, "-12000000"},
      {1e-4, "0.0001"},
      {0.00025, "0.00025"},
      {-1.5e-7, "-0.00000015"},
      {0.0, "0"},
      {1e23, "1" + std::string(23, '0')},  // As PostgreSQL reads 1e+23; the double is a little less.
      {1.25e300, "125" + std::string(298, '0')},
      {5e-324, "0." + std::string(323, '0') + "5"},
      {123456.789, "123456.789"}};
  for (const auto& [number, text] : decimals) EXPECT_TRUE(back(kNumeric, number) == Value(Decimal(text))) << text;
  for (const auto type : {kInt8, kInt4, kOid}) {
    for (const double number : {0.0, 1e5, 150000.0, 2e6}) {
      EXPECT_TRUE(back(type, number) == Value(static_cast<std::int64_t>(number))) << number;
    }
  }
  EXPECT_TRUE(back(kInt2, -2e4) == Value(std::int64_t{-20'000}));
  EXPECT_TRUE(back(kInt8, -0x1p63) == Value(std::numeric_limits<std::int64_t>::min()));
  for (const double number : {0x1p63, 1e300, -1e19}) EXPECT_TRUE(refused(kInt8, number, Code::too_large)) << number;
  EXPECT_TRUE(refused(kInt4, 3e9, Code::too_large));
  for (const double number : {0.5, std::nan(""), HUGE_VAL}) EXPECT_TRUE(refused(kInt8, number)) << number;
}

TEST(PostgresCodec, FloatsOfFourBytesAndOidsAreWritten) {
  EXPECT_TRUE(back(kFloat4, 0.1) == Value(double{0.1F}));
  EXPECT_TRUE(back(kFloat4, -1e5) == Value(-1e5));
  EXPECT_TRUE(back(kFloat4, std::int64_t{3}) == Value(3.0));
  EXPECT_TRUE(back(kFloat4, "0.1") == Value(double{0.1F}));
  EXPECT_TRUE(back(kFloat4, HUGE_VAL) == Value(HUGE_VAL));
  EXPECT_TRUE(back(kFloat4, 1e-45) == Value(double{std::numeric_limits<float>::denorm_min()}));
  EXPECT_TRUE(std::isnan(std::get<double>(back(kFloat4, std::nan("")))));
  for (const double number : {1e300, -3.5e38, 1e-300}) EXPECT_TRUE(refused(kFloat4, number, Code::too_large)) << number;
  EXPECT_TRUE(refused(kFloat4, "much"));
  EXPECT_TRUE(refused(kFloat4, "1e300", Code::too_large));
  EXPECT_TRUE(back(kOid, std::int64_t{4'294'967'295}) == Value(std::int64_t{4'294'967'295}));
  EXPECT_TRUE(back(kOid, "7") == Value(std::int64_t{7}));
  EXPECT_TRUE(refused(kOid, std::int64_t{-1}, Code::too_large));
  EXPECT_TRUE(refused(kOid, std::int64_t{1} << 32, Code::too_large));
}

TEST(PostgresCodec, WhatDoesNotFitAColumnIsRefusedWithItsName) {
  EXPECT_TRUE(refused(kInt4, "seven"));
  EXPECT_TRUE(refused(kInt4, std::int64_t{1} << 40, Code::too_large));
  EXPECT_TRUE(refused(kInt4, "3000000000", Code::too_large));
  EXPECT_TRUE(refused(kInt2, std::int64_t{40'000}, Code::too_large));
  EXPECT_TRUE(refused(kInt8, 0.5));
  EXPECT_TRUE(refused(kInt8, true));
  EXPECT_TRUE(refused(kNumeric, std::nan("")));
  EXPECT_TRUE(refused(kText, BlobView()));
  EXPECT_TRUE(refused(kDate, "tomorrow"));
  EXPECT_TRUE(refused(kUuid, "x"));
}

TEST(PostgresCodec, DaysThatPostgresDoesNotHaveAreRefused) {
  std::string bytes;
  const auto last = parse_date("5874897-12-31").value();
  EXPECT_THROW_CODE(append_parameter(bytes, last + std::chrono::days(1), kDate), Code::invalid_argument);
  EXPECT_THROW_CODE(append_parameter(bytes, last + std::chrono::days(1), kText), Code::invalid_argument);
  const auto first = parse_date("-4713-11-24").value();
  EXPECT_THROW_CODE(append_parameter(bytes, first - std::chrono::days(1), kDate), Code::invalid_argument);
  EXPECT_THROW_CODE(append_parameter(bytes, Timestamp(first) - std::chrono::microseconds(1), kTimestamptz),
                    Code::invalid_argument);
}

TEST(PostgresCodec, ParametersGoAsTextWhereTheirTypeIsAnother) {
  const auto sent = [](const ValueView& value, Oid type) {
    std::string bytes;
    EXPECT_EQ(append_parameter(bytes, value, type), Form::text);
    return bytes;
  };
  EXPECT_EQ(sent("seven", kInt4), "seven");
  EXPECT_EQ(sent(std::int64_t{1} << 40, kInt4), "1099511627776");
  EXPECT_EQ(sent(0.1, kNumeric), "0.1");
  EXPECT_EQ(sent(0.5, kInt8), "0.5");
  EXPECT_EQ(sent(1e300, kFloat4), "1e+300");
  EXPECT_EQ(sent(-std::numeric_limits<double>::infinity(), kText), "-Infinity");
  EXPECT_EQ(sent(true, kText), "true");
  EXPECT_EQ(sent(parse_timestamp("2024-02-29 12:00:00.5").value(), kText), "2024-02-29 12:00:00.500000+00");
  std::string bytes;
  EXPECT_THROW_CODE(append_parameter(bytes, BlobView(), kText), Code::statement_invalid);
  EXPECT_EQ(append_parameter(bytes, 1e5, kInt8), Form::binary) << "PostgreSQL reads no integer in 1e+05";
}

TEST(PostgresCodec, ResultsAsTextAreReadByTheirTypes) {
  std::string scratch;
  const auto read = [&](Oid type, std::string_view text) { return to_value(decode_text(type, text, scratch)); };
  EXPECT_TRUE(read(kBool, "t") == Value(true));
  EXPECT_TRUE(read(kInt8, "-5") == Value(std::int64_t{-5}));
  EXPECT_TRUE(read(kFloat8, "0.1") == Value(0.1));
  EXPECT_TRUE(read(kFloat8, "5e-324") == Value(std::numeric_limits<double>::denorm_min()));
  EXPECT_TRUE(read(kFloat8, "-Infinity") == Value(-std::numeric_limits<double>::infinity()));
  EXPECT_TRUE(read(kFloat4, "0.1") == Value(double{0.1F}));
  EXPECT_TRUE(read(kFloat4, "1e-45") == Value(double{std::numeric_limits<float>::denorm_min()}));
  EXPECT_TRUE(read(kNumeric, "1.50") == Value(Decimal("1.50")));
  EXPECT_TRUE(read(kNumeric, "NaN") == Value(std::string("NaN")));
  EXPECT_TRUE(read(kBytea, "\\x00ff") == Value(Blob{std::byte{0}, std::byte{255}}));
  EXPECT_TRUE(read(kDate, "2024-02-29") == Value(parse_date("2024-02-29").value()));
  EXPECT_TRUE(read(kDate, "infinity") == Value(std::string("infinity")));
  EXPECT_TRUE(read(kTimestamptz, "2024-02-29 12:00:00+00") == Value(parse_timestamp("2024-02-29 12:00:00").value()));
  EXPECT_TRUE(read(1007, "{1,2}") == Value(std::string("{1,2}")));  // An array of integers.
}

TEST(PostgresCodec, AValueThatIsCutShortIsRefused) {
  std::string scratch;
  for (const auto type : {kBool, kInt8, kInt4, kFloat8, kDate, kTimestamptz, kUuid}) {
    EXPECT_THROW_CODE(decode_binary(type, "\1\2\3", scratch), Code::internal);
  }
}

}  // namespace
}  // namespace tidelock::sql::postgres

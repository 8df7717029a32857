#include "tidelock/sql/text_form.h"

#include <gtest/gtest.h>

#include <limits>

namespace tidelock::sql {
namespace {

using std::chrono::days;
using std::chrono::microseconds;

TEST(TextForm, DatesAreReadAsTheyAreWritten) {
  for (const auto* const text : {"1970-01-01", "2024-02-29", "2000-02-29", "1969-12-31", "0000-01-01", "9999-12-31",
                                 "-0044-03-15", "12345-06-07", "-290307-12-22"}) {
    const auto date = parse_date(text);
    ASSERT_TRUE(date) << text;
    EXPECT_EQ(format_date(*date).view(), text);
  }
  EXPECT_EQ(parse_date("1970-01-02"), Date(days(1)));
}

TEST(TextForm, EveryDayOfFourHundredYearsComesBack) {
  const auto first = parse_date("1799-12-31").value();
  for (auto date = first; date < first + days(146'097 + 2); date += days(1)) {
    const auto text = format_date(date);
    const std::chrono::year_month_day civil(date);
    EXPECT_EQ(parse_date(text.view()), date);
    ASSERT_EQ(civil_day(date).year, static_cast<int>(civil.year()));
    ASSERT_EQ(civil_day(date).month, static_cast<unsigned>(civil.month()));
    ASSERT_EQ(civil_day(date).day, static_cast<unsigned>(civil.day()));
  }
}

TEST(TextForm, WhatIsNoDateIsNotRead) {
  for (const auto* const text :
       {"", "2024", "2024-2-29", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-01-32",
        "2024-04-31", "2024-01-01 ", " 2024-01-01", "24-01-01", "2024/01/01", "+2024-01-01", "1234567890-01-01"}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

TEST(TextForm, TimesOfDay) {
  EXPECT_EQ(parse_time("12:34")->since_midnight, microseconds(45'240'000'000));
  EXPECT_EQ(parse_time("12:34:56")->since_midnight, microseconds(45'296'000'000));
  EXPECT_EQ(parse_time("00:00:00.5")->since_midnight, microseconds(500'000));
  EXPECT_EQ(format_time(*parse_time("23:59:59.999999")).view(), "23:59:59.999999");
  EXPECT_EQ(format_time(TimeOfDay{}).view(), "00:00:00.000000");
  for (const auto* const text :
       {"", "24:00", "12:60", "12:00:60", "1:00", "12:00:00.", "12:00:00.1234567", "12:00:00 "}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(TextForm, Timestamps) {
  const auto timestamp = parse_timestamp("1969-12-31 23:59:59.999999").value();
  EXPECT_EQ(timestamp.time_since_epoch(), microseconds(-1));
  EXPECT_EQ(format_timestamp(timestamp, 'T').view(), "1969-12-31T23:59:59.999999");
  for (const auto* const text :
       {"2024-02-29T12:00", "2024-02-29 12:00:00Z", "2024-02-29 12:00:00+00", "2024-02-29 12:00+00:00"}) {
    EXPECT_EQ(parse_timestamp(text), parse_timestamp("2024-02-29 12:00:00")) << text;
  }
  for (const auto* const text : {"2024-02-29", "2024-02-29 12:00:00+01", "2024-02-29 12:00:00ZZ", "2024-02-29x12:00",
                                 "2024-02-29 12:00 ", "294247-01-10 04:00:54.775808", "999999999-01-01 00:00:00"}) {
    EXPECT_FALSE(parse_timestamp(text)) << text;
  }
}

TEST(TextForm, TimestampsReachTheEndsOfTheirType) {
  for (const auto limit : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    const Timestamp timestamp{microseconds(limit)};
    EXPECT_EQ(parse_timestamp(format_timestamp(timestamp, ' ').view()), timestamp);
  }
}

TEST(TextForm, Uuids) {
  const auto uuid = base::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  EXPECT_EQ(format_uuid(uuid).view(), uuid.to_string());
}

TEST(TextForm, Bytes) {
  const Blob bytes{std::byte{0}, std::byte{0x7f}, std::byte{0xff}};
  EXPECT_EQ(format_blob(bytes), "007fff");
  EXPECT_EQ(parse_blob("007fFF"), bytes);
  EXPECT_EQ(parse_blob(""), Blob());
  for (const auto* const text : {"0", "0g", "00 ", "x'00'"}) EXPECT_FALSE(parse_blob(text)) << text;
}

}  // namespace
}  // namespace tidelock::sql

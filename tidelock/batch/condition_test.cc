#include "tidelock/batch/condition.h"

#include <gmock/gmock.h>

#include "tidelock/base/testing/error_text.h"

namespace tidelock::batch {
namespace {

using base::testing::error_text;
using ::testing::HasSubstr;
using Truth = std::optional<bool>;

const std::vector<Field> kFields = {
    Field::parse("name text?"),    Field::parse("low decimal"), Field::parse("high decimal?"),
    Field::parse("count integer"), Field::parse("ratio real"),  Field::parse("day date"),
    Field::parse("open boolean?"),
};
constexpr sql::Date kDay{std::chrono::year{2018} / 1 / 3};

// name 'O''Hara', low 1.50, high null, count 3, ratio 0.5, day 2018-01-02, open null; $today is 2018-01-03.
Truth evaluate(std::string_view text) {
  const std::vector<sql::ValueView> row{std::string_view("O'Hara"),
                                        sql::DecimalView{"1.50"},
                                        sql::Null{},
                                        std::int64_t{3},
                                        0.5,
                                        kDay - std::chrono::days(1),
                                        sql::Null{}};
  const Moment moment{kDay, kDay, kDay - std::chrono::days(1)};
  return Condition::parse(text, kFields).evaluate(row, moment);
}

TEST(Condition, ComparesValuesOfOneType) {
  EXPECT_EQ(evaluate("low = 1.5"), true);
  EXPECT_EQ(evaluate("low < 1.51 and low > 1.4999999999999999999999"), true);
  EXPECT_EQ(evaluate("low > -2 AND -1.50 < low"), true);
  EXPECT_EQ(evaluate("count >= 3"), true);
  EXPECT_EQ(evaluate("count <> 3.0"), false);
  EXPECT_EQ(evaluate("ratio = 0.5"), true);
  EXPECT_EQ(evaluate("ratio < low"), true);
  EXPECT_EQ(evaluate("name = 'O''Hara'"), true);
  EXPECT_EQ(evaluate("name in ('A', 'O''Hara')"), true);
  EXPECT_EQ(evaluate("name not in ('A', 'B')"), true);
  EXPECT_EQ(evaluate("day = '2018-01-02'"), true);
  EXPECT_EQ(evaluate("'2018-01-03' > day"), true);
}

TEST(Condition, KnowsTheMomentOfTheRun) {
  EXPECT_EQ(evaluate("day = $yesterday"), true);
  EXPECT_EQ(evaluate("day < $today"), true);
  EXPECT_EQ(evaluate("day > $today"), false);
}

TEST(Condition, NullIsUnknownAsInSql) {
  EXPECT_EQ(evaluate("high > 1"), std::nullopt);
  EXPECT_EQ(evaluate("not high > 1"), std::nullopt);
  EXPECT_EQ(evaluate("high > 1 or low > 1"), true);
  EXPECT_EQ(evaluate("high > 1 and low > 2"), false);
  EXPECT_EQ(evaluate("high > 1 and low > 1"), std::nullopt);
  EXPECT_EQ(evaluate("high is null"), true);
  EXPECT_EQ(evaluate("high is not null"), false);
  EXPECT_EQ(evaluate("name in ('A', null)"), std::nullopt);
  EXPECT_EQ(evaluate("open"), std::nullopt);
  EXPECT_EQ(evaluate("not open"), std::nullopt);
}

TEST(Condition, AndBindsStrongerThanOr) {
  EXPECT_EQ(evaluate("true = true or false = true and false = true"), true);
  EXPECT_EQ(evaluate("(true = true or false = true) and false = true"), false);
  EXPECT_EQ(evaluate("not low > 2 and count = 3"), true);
}

TEST(Condition, SaysWhatIsWrongAndWhere) {
  const auto text_of = [](std::string_view text) { return error_text([&] { Condition::parse(text, kFields); }); };
  EXPECT_THAT(text_of("lwo > 1"), HasSubstr("\"lwo\" is no field (did you mean low?); the fields are name, low"));
  EXPECT_THAT(text_of("low > "), HasSubstr("a field or value expected at the end, at character 7"));
  EXPECT_THAT(text_of("low > 'x'"), HasSubstr("must be of type decimal"));
  EXPECT_THAT(text_of("low > day"), HasSubstr("low (decimal) cannot be compared with day (date)"));
  EXPECT_THAT(text_of("low 1"), HasSubstr("a comparison (=, <>, <, <=, >, >=), is null or in (…) expected after low"));
  EXPECT_THAT(text_of("low > 1 low"), HasSubstr("stray \"low\""));
  EXPECT_THAT(text_of("(low > 1"), HasSubstr(") expected here, not the end"));
  EXPECT_THAT(text_of("name = 'x"), HasSubstr("does not end with a '"));
  EXPECT_THAT(text_of("day < $tomorrow"), HasSubstr("none of $now, $today and $yesterday"));
  EXPECT_THAT(text_of("day < '2018-02-30'"), HasSubstr("must be of type date"));
  EXPECT_THAT(text_of(std::string(1000, '(')), HasSubstr("nested too deeply"));
}

TEST(Compare, NumbersOfAnyLengthAreExact) {
  const auto order = [](std::string_view a, std::string_view b) {
    return *compare(sql::DecimalView{a}, sql::DecimalView{b});
  };
  EXPECT_TRUE(order("123456789012345678901234567890.1", "123456789012345678901234567890.10") == 0);
  EXPECT_TRUE(order("-123456789012345678901234567890.2", "-123456789012345678901234567890.1") < 0);
  EXPECT_TRUE(order("0.00000000000000000000001", "-0.0") > 0);
  EXPECT_TRUE(order("-0", "0") == 0);
  EXPECT_TRUE(order("007", "7.0") == 0);
  EXPECT_TRUE(order("9223372036854775807", "9223372036854775806.9") > 0);
}

}  // namespace
}  // namespace tidelock::batch

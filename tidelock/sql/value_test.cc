#include "tidelock/sql/value.h"

#include <gtest/gtest.h>

#include "tidelock/sql/convert.h"
#include "tidelock/sql/text_form.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

TEST(Value, DecimalsAreEqualAsNumbers) {
  EXPECT_EQ(Decimal("1.50"), Decimal("1.5"));
  EXPECT_EQ(Decimal("007"), Decimal("7.000"));
  EXPECT_EQ(Decimal("-0.0"), Decimal("0"));
  EXPECT_FALSE(Decimal("-1") == Decimal("1"));
  EXPECT_FALSE(Decimal("15") == Decimal("1.5"));
  EXPECT_EQ(Decimal("1.50").text(), "1.50");
  for (const auto* const text : {"", "-", ".", "1.", ".5", "1e5", "+1", " 1", "1,5", "0x10", "1.2.3", "--1", "NaN"}) {
    EXPECT_THROW_CODE(Decimal(std::string(text)), Code::invalid_argument);
  }
}

TEST(Value, ValuesAreTextForPeople) {
  EXPECT_EQ(to_text(Null{}), "NULL");
  EXPECT_EQ(to_text(true), "true");
  EXPECT_EQ(to_text(std::int64_t{-42}), "-42");
  EXPECT_EQ(to_text(0.1), "0.1");
  EXPECT_EQ(to_text(std::string_view("it's")), "'it''s'");
  const Blob blob{std::byte{0}, std::byte{255}};
  EXPECT_EQ(to_text(BlobView(blob)), "x'00ff'");
  EXPECT_EQ(to_text(*parse_date("2024-02-29")), "2024-02-29");
  EXPECT_EQ(to_text(*parse_time("12:00:00.000001")), "12:00:00.000001");
  EXPECT_EQ(to_text(*parse_timestamp("2024-02-29 12:00:00.000001")), "2024-02-29T12:00:00.000001Z");
  EXPECT_EQ(to_text(DecimalView{"1.50"}), "1.50");
  EXPECT_EQ(to_text(JsonView{"{}"}), "{}");
}

TEST(Value, KindIsTheOrderOfTheAlternatives) {
  const std::vector<Value> values = {
      Null{}, true,        std::int64_t{1}, 1.5,          Decimal("1"), std::string("x"), Blob{std::byte{1}},
      Date(), TimeOfDay(), Timestamp(),     base::Uuid(), Json{"{}"}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kind(view(values[i]))), i);
    EXPECT_TRUE(to_value(view(values[i])) == values[i]);
  }
}

TEST(Value, NothingIsConvertedWithALoss) {
  const auto text = [](std::string_view t) { return ValueView(t); };
  EXPECT_EQ(try_convert<int>(std::int64_t{7}), 7);
  EXPECT_EQ(try_convert<std::int8_t>(std::int64_t{128}), std::nullopt);
  EXPECT_EQ(try_convert<int>(true), 1);
  EXPECT_EQ(try_convert<int>(DecimalView{"12.00"}), 12);
  EXPECT_EQ(try_convert<int>(DecimalView{"12.01"}), std::nullopt);
  EXPECT_EQ(try_convert<std::int64_t>(DecimalView{"9223372036854775808"}), std::nullopt);
  EXPECT_EQ(try_convert<int>(1.0), std::nullopt);
  EXPECT_EQ(try_convert<int>(text("1")), std::nullopt);
  EXPECT_EQ(try_convert<bool>(std::int64_t{1}), true);
  EXPECT_EQ(try_convert<bool>(std::int64_t{2}), std::nullopt);
  EXPECT_EQ(try_convert<double>(std::numeric_limits<std::int64_t>::max()), std::nullopt);
  EXPECT_EQ(try_convert<double>(DecimalView{"0.5"}), 0.5);
  EXPECT_EQ(try_convert<Decimal>(text("1.5")), Decimal("1.5"));
  EXPECT_EQ(try_convert<Decimal>(1.5), std::nullopt);
  EXPECT_EQ(try_convert<std::string>(std::int64_t{1}), std::nullopt);
  EXPECT_EQ(try_convert<Date>(text("2024-02-29")), parse_date("2024-02-29"));
  EXPECT_EQ(try_convert<Date>(text("yesterday")), std::nullopt);
  EXPECT_EQ(try_convert<base::Uuid>(ValueView(BlobView(Blob(16)))), base::Uuid());
  EXPECT_THROW_CODE(to_view(std::uint64_t{1} << 63), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::sql

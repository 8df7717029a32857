#include "tidelock/batch/row_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/batch/testing/bench.h"
#include "tidelock/sql/convert.h"
#include "tidelock/world/testing.h"

namespace tidelock::batch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::record_of;

using GivenRows = std::vector<std::vector<sql::Value>>;

// Rows as they stand here.
class Given final : public Source {
 public:
  Given(std::vector<std::string> columns, GivenRows rows) : columns_(std::move(columns)), rows_(std::move(rows)) {}

  const std::vector<std::string>& columns() const override { return columns_; }
  bool next() override {
    if (at_ == rows_.size()) return false;
    views_.clear();
    for (const auto& value : rows_[at_]) views_.push_back(sql::view(value));
    ++at_;
    return true;
  }
  std::span<const sql::ValueView> values() const override { return views_; }
  std::string place() const override { return "given:" + std::to_string(at_); }
  std::string name() const override { return "given"; }

 private:
  const std::vector<std::string> columns_;
  const GivenRows rows_;
  std::vector<sql::ValueView> views_;
  std::size_t at_ = 0;
};

const Moment kMoment = Moment::at(base::WallTime(std::chrono::days(17000)), "UTC");

ChunkStep step_of(std::optional<Record> record, std::string only = {}) {
  ChunkStep step;
  step.record = std::move(record);
  step.only = std::move(only);
  return step;
}

RowReader reader_of(GivenRows rows, const ChunkStep& step, std::vector<std::string> columns = {"id", "price"}) {
  return RowReader(std::make_unique<Given>(std::move(columns), std::move(rows)), step, kMoment);
}

std::vector<std::string> texts(const Chunk& chunk) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    std::string text;
    for (const auto& value : chunk.row(i)) text += (text.empty() ? "" : "|") + sql::to_text(value);
    all.push_back(text);
  }
  return all;
}

const Record kItem = record_of({"id integer", "price decimal?"}, {"price > 0"});

TEST(RowReader, ChecksRowsInChunksAndSaysWhereEachEnds) {
  const auto step = step_of(kItem);
  auto reader = reader_of({{"1", "1.5"}, {"x", "2"}, {"3", sql::Null{}}, {"4", "-4"}, {"5", "5"}}, step);
  Chunk chunk;
  reader.read(chunk, 2, 10);
  EXPECT_THAT(texts(chunk), ElementsAre("1|1.5", "3|NULL"));
  EXPECT_EQ(chunk.after(0).position, 1U);
  EXPECT_EQ(chunk.after(1).position, 3U);
  EXPECT_EQ(chunk.after(1).bad, 1U);
  EXPECT_EQ(chunk.place(1), "given:3");
  EXPECT_FALSE(chunk.last());
  ASSERT_EQ(chunk.bad().size(), 1U);
  EXPECT_EQ(chunk.bad()[0].position, 2U);
  EXPECT_EQ(chunk.bad()[0].record, "x,2");
  EXPECT_EQ(chunk.bad()[0].error, "id must be of type integer (as 42), not \"x\"");

  reader.read(chunk, 2, 10);
  EXPECT_THAT(texts(chunk), ElementsAre("5|5"));
  EXPECT_TRUE(chunk.last());
  EXPECT_EQ(chunk.end().position, 5U);
  EXPECT_EQ(chunk.end().bad, 2U);
  EXPECT_EQ(chunk.bad()[0].error, "price > 0 does not hold");
}

TEST(RowReader, StopsAtTheFirstBadRowTooMany) {
  const auto step = step_of(kItem);
  auto reader = reader_of({{"a", "1"}, {"b", "1"}, {"3", "1"}}, step);
  Chunk chunk;
  reader.read(chunk, 10, 1);
  EXPECT_TRUE(chunk.too_many());
  EXPECT_EQ(chunk.bad().size(), 2U);
  EXPECT_EQ(chunk.size(), 0U);
}

TEST(RowReader, PassesOverWhatTheConditionDoesNotWantBeforeItLooksForMistakes) {
  const auto step = step_of(kItem, "id > 2");
  auto reader = reader_of({{"1", "wrong"}, {"3", "3"}, {"x", "4"}}, step);
  Chunk chunk;
  reader.read(chunk, 10, 10);
  EXPECT_THAT(texts(chunk), ElementsAre("3|3"));
  EXPECT_EQ(chunk.end().passed_over, 1U);
  EXPECT_EQ(chunk.bad().size(), 1U);  // What it needs for the condition is wrong.
}

TEST(RowReader, TakesColumnsByTheirNames) {
  const auto step = step_of(kItem);
  auto reader = reader_of({{"2.5", "1"}}, step, {"price", "id"});
  EXPECT_THAT(reader.columns(), ElementsAre("id", "price"));
  Chunk chunk;
  reader.read(chunk, 10, 0);
  EXPECT_THAT(texts(chunk), ElementsAre("1|2.5"));
}

TEST(RowReader, RefusesOtherColumnsThanTheRecordHas) {
  const auto step = step_of(kItem);
  try {
    reader_of({}, step, {"id", "prize"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid_argument);
    EXPECT_EQ(error.message(),
              "given has the columns id and prize, and record \"row\" needs id and price; it lacks price; the record "
              "does not know prize");
  }
}

TEST(RowReader, CallsARowBadThatHasAnotherNumberOfFieldsThanTheHeader) {
  const auto step = step_of(kItem);
  auto reader = reader_of({{"1"}, {"1", "2", "3"}}, step);
  Chunk chunk;
  reader.read(chunk, 10, 10);
  EXPECT_EQ(chunk.size(), 0U);
  EXPECT_EQ(chunk.bad()[0].error, "it has 1 fields, not the 2 of the header");
  EXPECT_EQ(chunk.bad()[1].error, "it has 3 fields, not the 2 of the header");
}

TEST(RowReader, ConvertsTypedValuesWithoutALossOrNotAtAll) {
  const auto step = step_of(kItem);
  auto reader = reader_of({{std::int64_t{1}, std::int64_t{7}}, {1.5, std::int64_t{7}}}, step);
  Chunk chunk;
  reader.read(chunk, 10, 10);
  EXPECT_THAT(texts(chunk), ElementsAre("1|7"));
  ASSERT_EQ(chunk.bad().size(), 1U);
  EXPECT_EQ(chunk.bad()[0].position, 2U);
  EXPECT_THAT(chunk.bad()[0].error, HasSubstr("id must be of type integer, not \"1.5\""));
}

TEST(RowReader, TakesJsonOfAQueryAsItIsAndParsesTextThatIsToBeJson) {
  const auto step = step_of(record_of({"id integer", "note json?"}, {"note is null or id > 0"}));
  auto reader = reader_of({{std::int64_t{1}, sql::Json{R"({"far": 1e400})"}},
                           {std::int64_t{2}, "[2]"},
                           {std::int64_t{3}, "{"},
                           {std::int64_t{4}, std::int64_t{4}},
                           {std::int64_t{5}, sql::Null{}}},
                          step, {"id", "note"});
  Chunk chunk;
  reader.read(chunk, 10, 10);
  EXPECT_THAT(texts(chunk), ElementsAre(R"(1|{"far": 1e400})", "2|[2]", "5|NULL"));
  for (const std::size_t i : {0U, 1U}) EXPECT_TRUE(std::holds_alternative<sql::JsonView>(chunk.row(i)[1]));
  ASSERT_EQ(chunk.bad().size(), 2U);
  EXPECT_EQ(chunk.bad()[0].position, 3U);
  EXPECT_EQ(chunk.bad()[1].error, "note must be of type json, not \"4\" (int64)");
}

// The state may hold no more of it than 64 KiB.
TEST(RowReader, SaysOfALongValueThatDoesNotFitOnlyHowItBegins) {
  const auto step = step_of(kItem);
  const std::string longest(100'000, '7');
  auto reader = reader_of({{sql::Json{'[' + longest + ']'}, "1"},
                           {sql::Blob(longest.size(), std::byte{7}), "1"},
                           {longest, "1"},
                           {sql::Decimal(longest), "1"}},
                          step);
  Chunk chunk;
  reader.read(chunk, 10, 10);
  ASSERT_EQ(chunk.bad().size(), 4U);
  for (const auto& bad : chunk.bad()) {
    EXPECT_THAT(bad.error, HasSubstr("id must be of type integer"));
    EXPECT_LT(bad.error.size(), 200U);
    EXPECT_LT(bad.record.size(), 1100U);
  }
}

TEST(RowReader, WithoutARecordTakesTheRowsAsTheyAre) {
  const auto step = step_of(std::nullopt);
  auto reader = reader_of({{std::int64_t{1}, "a"}, {sql::Null{}, 2.5}}, step);
  Chunk chunk;
  reader.read(chunk, 10, 0);
  EXPECT_THAT(texts(chunk), ElementsAre("1|'a'", "NULL|2.5"));
}

TEST(RowReader, AnEmptySourceIsOneLastEmptyChunk) {
  const auto step = step_of(kItem);
  auto reader = reader_of({}, step);
  Chunk chunk;
  reader.read(chunk, 10, 0);
  EXPECT_EQ(chunk.size(), 0U);
  EXPECT_TRUE(chunk.last());
  EXPECT_THAT(chunk.bad(), IsEmpty());
}

TEST(RowReader, GoesOnBehindTheSameRowsAndRefusesOthers) {
  const auto step = step_of(kItem);
  const GivenRows rows{{"1", "1"}, {"bad", "2"}, {"3", "3"}, {"4", "4"}};
  Chunk chunk;
  auto first = reader_of(rows, step);
  first.read(chunk, 2, 10);
  const auto mark = chunk.end();
  EXPECT_EQ(mark.position, 3U);

  auto again = reader_of(rows, step);
  again.pass_over(mark.position, mark.fingerprint);
  again.read(chunk, 10, 10);
  EXPECT_THAT(texts(chunk), ElementsAre("4|4"));

  auto changed = rows;
  changed[1][0] = "2";
  auto other = reader_of(changed, step);
  EXPECT_THROW_CODE(other.pass_over(mark.position, mark.fingerprint), Code::invalid_argument);
  auto shorter = reader_of({rows[0]}, step);
  EXPECT_THROW_CODE(shorter.pass_over(mark.position, mark.fingerprint), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::batch

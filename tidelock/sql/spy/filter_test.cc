#include "tidelock/sql/spy/filter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

using namespace std::chrono_literals;

TEST(SpyFilter, TakesWhatIsIncludedAndNotExcluded) {
  const Filter filter({.include = {"from orders", "from item"}, .exclude = {"audit"}});
  EXPECT_TRUE(filter.wants_text("SELECT *\nFROM Orders"));
  EXPECT_TRUE(filter.wants_text("select 1 from items"));
  EXPECT_FALSE(filter.wants_text("select 1 from customer"));
  EXPECT_FALSE(filter.wants_text("select AUDIT from orders"));
  EXPECT_TRUE(filter.wants_text(""));  // Of a commit.
  EXPECT_TRUE(Filter({}).wants_text("anything"));
}

TEST(SpyFilter, MatchesTheWholeTextWithItsExpression) {
  const Filter filter({.expression = "(?i)select.*from\\s+t.*"});
  EXPECT_TRUE(filter.wants_text("SELECT a\nFROM t\nwhere b"));
  EXPECT_FALSE(filter.wants_text("-- \nselect a from t"));
  EXPECT_FALSE(Filter({.expression = "select"}).wants_text("select 1"));
}

TEST(SpyFilter, NeedsNoStackForALongText) {
  const std::string text = "select " + std::string(10'000'000, 'x');
  EXPECT_TRUE(Filter({.expression = "(s|select)? ?(x|xx|(x+y))*"}).wants_text(text));
}

TEST(SpyFilter, LeavesOutCategoriesAndWhatIsFast) {
  FilterOptions options{.threshold = 5ms};
  options.exclude_categories.set(static_cast<std::size_t>(LogCategory::info));
  const Filter filter(options);
  EXPECT_FALSE(filter.wants(LogCategory::info));
  EXPECT_TRUE(filter.wants(LogCategory::commit));
  EXPECT_FALSE(filter.is_slow_enough(LogCategory::statement, 5ms));
  EXPECT_TRUE(filter.is_slow_enough(LogCategory::statement, 5001us));
  EXPECT_TRUE(filter.is_slow_enough(LogCategory::error, 1us));
}

TEST(SpyFilter, SaysWhatIsWrongWithAnExpression) {
  for (const auto* bad : {"(", "a(?!b)", "\\1(a)", "[z-a]"}) {
    try {
      Filter({.include = {"fine", bad}});
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
      EXPECT_NE(error.message().find("include"), std::string::npos);
      EXPECT_NE(error.message().find("RE2"), std::string::npos);
    }
  }
  EXPECT_THROW_CODE(Filter({.expression = "a{1001}"}), Code::invalid_argument);
}

TEST(SpyCategories, HaveP6SpysNames) {
  for (const auto& each : category_names()) EXPECT_EQ(name(*find_category(each)), each);
  EXPECT_EQ(find_category("Statement"), LogCategory::statement);
  EXPECT_EQ(find_category("statements"), std::nullopt);
}

}  // namespace
}  // namespace tidelock::sql::spy

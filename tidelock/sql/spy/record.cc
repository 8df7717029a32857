#include "tidelock/sql/spy/record.h"

#include <algorithm>
#include <array>

#include "tidelock/base/ascii.h"

namespace tidelock::sql::spy {
namespace {

constexpr std::array<std::string_view, kCategories> kCategoryNames{
    "error", "warn", "info", "debug", "batch", "statement", "resultset", "commit", "rollback", "result", "outage"};

}  // namespace

std::string_view name(LogCategory category) { return kCategoryNames.at(static_cast<std::size_t>(category)); }

std::optional<LogCategory> find_category(std::string_view name) {
  for (std::size_t i = 0; i < kCategoryNames.size(); ++i) {
    if (base::ascii::equal_ignoring_case(name, kCategoryNames.at(i))) return static_cast<LogCategory>(i);
  }
  return std::nullopt;
}

std::vector<std::string> category_names() { return {kCategoryNames.begin(), kCategoryNames.end()}; }

}  // namespace tidelock::sql::spy

// Which statements are logged.
#pragma once

#include <bitset>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/sql/spy/record.h"

namespace re2 {
class RE2;
}

namespace tidelock::sql::spy {

using Categories = std::bitset<kCategories>;

// Expressions are RE2's: linear in time, no backreferences and no lookaround.
struct FilterOptions {
  std::vector<std::string> include{};  // Any of them must be found in the text with `?`; without regard to case.
  std::vector<std::string> exclude{};  // None of them may be.
  std::string expression{};            // Must match the whole text.
  Categories exclude_categories{};
  base::Duration threshold{};  // Only what took longer; failures and outages always.
};

// Thread-safe.
class Filter {
 public:
  // Error: invalid_argument for an expression, with what is wrong.
  explicit Filter(FilterOptions options);
  ~Filter();

  bool wants(LogCategory category) const { return !options_.exclude_categories[static_cast<std::size_t>(category)]; }
  bool wants_text(std::string_view sql) const;  // An empty one always.
  bool is_slow_enough(LogCategory category, base::Duration elapsed) const {
    return elapsed > options_.threshold || options_.threshold <= base::Duration::zero() ||
           category == LogCategory::error || category == LogCategory::outage || category == LogCategory::warn;
  }

 private:
  FilterOptions options_;
  std::unique_ptr<re2::RE2> include_;
  std::unique_ptr<re2::RE2> exclude_;
  std::unique_ptr<re2::RE2> expression_;
};

// `what` is for the message: "include". Error: invalid_argument.
std::unique_ptr<re2::RE2> compile(std::string_view what, const std::string& expression, bool ignore_case);

}  // namespace tidelock::sql::spy

#include "tidelock/sql/spy/filter.h"

#include <re2/re2.h>

#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql::spy {
namespace {

// One expression for all: found is found.
std::unique_ptr<re2::RE2> any_of(std::string_view what, const std::vector<std::string>& expressions) {
  std::string all;
  for (const auto& expression : expressions) {
    compile(what, expression, true);  // Alone, so that the message shows what was written.
    all += (all.empty() ? "(?:" : "|(?:") + expression + ")";
  }
  return all.empty() ? nullptr : compile(what, all, true);
}

}  // namespace

std::unique_ptr<re2::RE2> compile(std::string_view what, const std::string& expression, bool ignore_case) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!ignore_case);
  options.set_dot_nl(true);
  auto compiled = std::make_unique<re2::RE2>(expression, options);
  if (compiled->ok()) return compiled;
  throw Error(Code::invalid_argument, std::string(what) + " " + base::quoted(expression) +
                                          " is no regular expression: " + compiled->error() +
                                          "; write it as RE2 has them, without backreferences and lookaround");
}

Filter::Filter(FilterOptions options)
    : options_(std::move(options)),
      include_(any_of("include", options_.include)),
      exclude_(any_of("exclude", options_.exclude)) {
  if (!options_.expression.empty()) expression_ = compile("expression", options_.expression, false);
}
Filter::~Filter() = default;

bool Filter::wants_text(std::string_view sql) const {
  if (sql.empty()) return true;
  if (include_ != nullptr && !re2::RE2::PartialMatch(sql, *include_)) return false;
  if (exclude_ != nullptr && re2::RE2::PartialMatch(sql, *exclude_)) return false;
  return expression_ == nullptr || re2::RE2::FullMatch(sql, *expression_);
}

}  // namespace tidelock::sql::spy

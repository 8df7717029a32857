#include "tidelock/sql/reads_table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/ascii.h"
#include "tidelock/sql/lexer.h"

namespace tidelock::sql {
namespace {

// Behind these a comma no longer divides tables.
bool ends_tables(const Token& token) {
  return token.is_any({"WHERE", "GROUP", "HAVING", "WINDOW", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION",
                       "EXCEPT", "INTERSECT"});
}
bool begins_table(const Token& token) { return token.is_any({"JOIN", "STRAIGHT_JOIN", "TABLE"}); }
bool comes_before_table(const Token& token) { return token.is_any({"ONLY", "LATERAL"}); }

class TableNames {
 public:
  explicit TableNames(const TableName& table) : table_(table) {}

  // Whether that was the last token of the table's name.
  bool add(const Token& token) {
    if (!token.is('.') && !name_.empty() && ends_name()) return true;
    auto& bracket = brackets_.back();
    if (token.is('.')) {
      schema_ = std::exchange(name_, {});
    } else if (token.is('(')) {
      brackets_.push_back({.lists_tables = std::exchange(is_next_, false)});
      is_next_ = brackets_.back().lists_tables;
      before_ = {};
      return false;
    } else if (token.is(')')) {
      if (brackets_.size() > 1) brackets_.pop_back();
      is_next_ = false;
    } else if (token.is_any({"SELECT", "WITH"})) {
      bracket = {.queries = true};
      is_next_ = false;
    } else if (begins_table(token) || (token.is("FROM") && lists_tables(bracket))) {
      bracket = {.queries = true, .lists_tables = true};
      is_next_ = true;
    } else if (token.is(',')) {
      is_next_ = bracket.lists_tables;
    } else if (ends_tables(token)) {
      bracket.lists_tables = is_next_ = false;
    } else if (is_next_ && token.is_name() && !comes_before_table(token)) {
      name_ = unquoted(token);
    }
    before_ = token.text;
    return false;
  }
  bool ends_name() {
    const bool is_it =
        base::ascii::equal_ignoring_case(name_, table_.name) &&
        (schema_.empty() || table_.schema.empty() || base::ascii::equal_ignoring_case(schema_, table_.schema));
    name_.clear();
    schema_.clear();
    is_next_ = false;
    return is_it;
  }

 private:
  struct Bracket {
    bool queries = false;       // There is a subquery in it.
    bool lists_tables = false;  // A comma divides tables there.
  };

  // Not that of extract(year from a), nor of: a is distinct from b
  bool lists_tables(const Bracket& bracket) const {
    return (bracket.queries || (before_.empty() && brackets_.size() > 1)) &&
           !base::ascii::equal_ignoring_case(before_, "distinct");
  }

  const TableName& table_;
  std::vector<Bracket> brackets_{{}};
  bool is_next_ = false;  // A table.
  std::string_view before_;
  std::string schema_, name_;  // Of a table, as far as it was read.
};

}  // namespace

bool reads_table(std::string_view condition, const TableName& table, const Lexis& lexis) {
  TableNames names(table);
  Lexer lexer(condition, lexis);
  while (const auto token = lexer.next()) {
    if (names.add(*token)) return true;
  }
  return names.ends_name();
}

}  // namespace tidelock::sql

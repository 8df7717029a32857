#include "tidelock/sql/reads_table.h"

#include <string>
#include <vector>

#include "tidelock/base/ascii.h"
#include "tidelock/sql/lexer.h"

namespace tidelock::sql {
namespace {

// The clauses behind FROM: commas in them divide no tables.
bool ends_tables(const Token& token) {
  return token.is_any({"SELECT", "WHERE", "GROUP", "HAVING", "WINDOW", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "FETCH",
                       "FOR", "UNION", "EXCEPT", "INTERSECT"});
}
bool comes_before_table(const Token& token) { return token.is_any({"ONLY", "LATERAL"}); }

}  // namespace

bool reads_table(std::string_view sql, std::string_view table, const Lexis& lexis) {
  std::vector<bool> lists_tables{false};  // For each bracket that is open: whether a comma divides tables there.
  bool is_table = false;                  // What comes next.
  std::string name;                       // Of a table, as far as it was read; a dot drops what stands before it.
  Lexer lexer(sql, lexis);
  while (const auto token = lexer.next()) {
    if (!name.empty() && !token->is('.')) {
      if (base::ascii::equal_ignoring_case(name, table)) return true;
      name.clear();
      is_table = false;
    } else if (token->is('.')) {
      name.clear();
      continue;
    }
    if (token->is('(')) {
      lists_tables.push_back(is_table);
    } else if (token->is(')')) {
      if (lists_tables.size() > 1) lists_tables.pop_back();
      is_table = false;
    } else if (token->is_any({"FROM", "JOIN", "TABLE"})) {
      lists_tables.back() = is_table = true;
    } else if (token->is(',')) {
      is_table = lists_tables.back();
    } else if (ends_tables(*token)) {
      lists_tables.back() = is_table = false;
    } else if (is_table && token->is_name() && !comes_before_table(*token)) {
      name = unquoted(*token);
    }
  }
  return !name.empty() && base::ascii::equal_ignoring_case(name, table);
}

}  // namespace tidelock::sql

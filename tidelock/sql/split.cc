#include "tidelock/sql/split.h"

#include "tidelock/base/ascii.h"

namespace tidelock::sql {
bool semicolon_ends(std::span<const Token> statement, const Lexis& lexis) {
  if (!lexis.trigger_bodies || statement.size() < 3 || !statement[0].is("CREATE")) return true;
  const bool is_temporary = statement[1].is("TEMP") || statement[1].is("TEMPORARY");
  if (!statement[is_temporary ? 2 : 1].is("TRIGGER")) return true;
  return statement.back().is("END") && statement[statement.size() - 2].is(';');
}

std::vector<std::string_view> split_statements(std::string_view sql, const Lexis& lexis) {
  std::vector<std::string_view> result;
  std::vector<Token> statement;
  std::size_t begin = 0;
  const auto finish = [&](std::size_t end) {
    if (!statement.empty() && lexis.executable_comments) {
      // Their marks are no tokens, and must stay.
      result.push_back(base::ascii::trimmed(sql.substr(begin, end - begin)));
    } else if (!statement.empty()) {
      result.push_back(sql.substr(statement.front().begin, statement.back().end() - statement.front().begin));
    }
    statement.clear();
    begin = end + 1;
  };
  Lexer lexer(sql, lexis);
  while (const auto token = lexer.next()) {
    if (token->is(';') && semicolon_ends(statement, lexis)) {
      finish(token->begin);
    } else {
      statement.push_back(*token);
    }
  }
  finish(sql.size());
  return result;
}

}  // namespace tidelock::sql

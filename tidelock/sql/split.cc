#include "tidelock/sql/split.h"

#include "tidelock/base/ascii.h"

namespace tidelock::sql {
namespace {

std::string_view without_blanks_around(std::string_view text) {
  while (!text.empty() && base::ascii::is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && base::ascii::is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

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
      result.push_back(without_blanks_around(sql.substr(begin, end - begin)));
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

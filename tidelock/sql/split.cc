#include "tidelock/sql/split.h"

#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/sql/guard.h"

namespace tidelock::sql {
namespace {

// Counts what begins and is not ended in a routine's body.
class OpenBlocks {
 public:
  void take(const Token& token, const Token& next, const Token& second) {
    const bool ends = std::exchange(behind_end_, token.is("END"));
    if (token.is("END")) {
      if (open_ > 0) --open_;
      if (cases_ > 0) --cases_;
    } else if (ends && token.is_any({"IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"})) {
      return;
    } else if (token.is("CASE")) {
      ++open_;
      ++cases_;
    } else if (token.is("THEN") && cases_ == 0) {  // Of an IF, which is a function's name as well.
      ++open_;
    } else if (token.is_any({"BEGIN", "LOOP", "WHILE"}) || (token.is("REPEAT") && !next.is('(')) ||
               (token.is("FOR") && second.is("IN"))) {
      ++open_;
    }
  }
  bool any() const { return open_ > 0; }

 private:
  std::size_t open_ = 0;
  std::size_t cases_ = 0;
  bool behind_end_ = false;
};

}  // namespace

bool semicolon_ends(std::span<const Token> statement, const Lexis& lexis) {
  if (!lexis.trigger_bodies || statement.size() < 3 || !statement[0].is("CREATE")) return true;
  const bool is_temporary = statement[1].is("TEMP") || statement[1].is("TEMPORARY");
  if (!statement[is_temporary ? 2 : 1].is("TRIGGER")) return true;
  return statement.back().is("END") && statement[statement.size() - 2].is(';');
}

bool is_open_ended(std::string_view statement, const Lexis& lexis) {
  if (lexis.trigger_bodies) return false;
  bool has_body = defines_routine(statement, lexis);
  std::vector<Token> tokens;
  Lexer lexer(statement, lexis);
  while (const auto token = lexer.next()) tokens.push_back(*token);
  OpenBlocks blocks;
  const Token none{TokenKind::symbol, statement.size(), ";"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    has_body = has_body || tokens[i].is("EVENT");
    const auto at = [&](std::size_t at) -> const Token& { return at < tokens.size() ? tokens[at] : none; };
    if (has_body) blocks.take(tokens[i], at(i + 1), at(i + 2));
  }
  return blocks.any();
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

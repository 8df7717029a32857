#include "tidelock/sql/spy/layout.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "tidelock/sql/spy/tokens.h"

namespace tidelock::sql::spy {
namespace {

// What begins a line of its own, outside brackets.
constexpr std::array<std::string_view, 17> kClauses{"SELECT", "FROM",  "WHERE", "GROUP",     "HAVING", "ORDER",
                                                    "LIMIT",  "UNION", "SET",   "RETURNING", "VALUES", "EXCEPT",
                                                    "JOIN",   "ON",    "WITH",  "INTERSECT", "WINDOW"};
// Before JOIN, and then they begin the line.
constexpr std::array<std::string_view, 6> kJoins{"LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL"};

// Whether the two need a space between them, going by how people write SQL.
bool needs_space(const Token& a, const Token& b) {
  if (a.is_symbol("(") || a.is_symbol(".") || a.is_symbol("::") || b.is_symbol(")") || b.is_symbol(",") ||
      b.is_symbol(";") || b.is_symbol(".") || b.is_symbol("::")) {
    return false;
  }
  return true;
}

class Breaking {
 public:
  Breaking(std::string_view sql, const Lexis& lexis) : tokens_(tokens_of(sql, lexis)) {}

  std::string run() {
    const Token* before = nullptr;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const auto& token = tokens_[i];
      if (token.kind == TokenKind::space) {
        spaced_ = true;
        continue;
      }
      if (before != nullptr) separate(*before, token, i);
      out_ += token.text;
      follow(token);
      before = &token;
      spaced_ = false;
    }
    return std::move(out_);
  }

 private:
  const Token* next_word(std::size_t i) const {
    for (++i; i < tokens_.size(); ++i) {
      if (tokens_[i].kind != TokenKind::space) return &tokens_[i];
    }
    return nullptr;
  }

  bool begins_line(const Token& before, const Token& token, std::size_t i) const {
    if (before.kind == TokenKind::comment && before.text.front() != '/') return true;
    if (!brackets_.empty() && brackets_.back())
      return before.is_symbol("(") || before.is_symbol(",") || token.is_symbol(")");
    if (!brackets_.empty()) return false;
    if (before.is_symbol(";")) return true;
    if (token.is_any(kJoins)) {
      const auto* next = next_word(i);
      return next != nullptr && (next->is("JOIN") || next->is("OUTER"));
    }
    if (token.is("JOIN") && (before.is_any(kJoins) || before.is("OUTER"))) return false;
    if (token.is("ON") && (in_create_ || before.is("DISTINCT"))) return false;
    if (token.is("SET") && before.is("UPDATE")) return false;
    if ((token.is("AND") || token.is("OR")) && !between_) return true;
    return token.is_any(kClauses);
  }

  void separate(const Token& before, const Token& token, std::size_t i) {
    if (begins_line(before, token, i)) {
      const bool column = !brackets_.empty() && !token.is_symbol(")");
      const bool condition = token.is("AND") || token.is("OR") || token.is("ON");
      out_ += '\n';
      if (column || condition) out_ += "  ";
    } else if (spaced_ && needs_space(before, token)) {
      out_ += ' ';
    } else if (before.is_symbol(",")) {
      out_ += ' ';
    }
  }

  void follow(const Token& token) {
    if (token.is("CREATE")) in_create_ = true;
    if (token.is_symbol(";")) in_create_ = false;
    if (token.is("AND")) between_ = false;
    if (token.is("BETWEEN")) between_ = true;
    // The columns of a CREATE TABLE get lines of their own; other brackets stay together.
    if (token.is_symbol("(")) brackets_.push_back(in_create_ && brackets_.empty());
    if (token.is_symbol(")") && !brackets_.empty()) {
      if (brackets_.back()) in_create_ = false;
      brackets_.pop_back();
    }
  }

  std::vector<Token> tokens_;
  std::string out_;
  std::vector<bool> brackets_;  // Open ones: whether what is inside has lines of its own.
  bool spaced_ = false;
  bool in_create_ = false;
  bool between_ = false;
};

}  // namespace

void append_one_line(std::string& out, std::string_view sql) {
  while (!sql.empty()) {
    const auto end = sql.find('\n');
    if (end == sql.npos) {
      out += sql;
      return;
    }
    out += sql.substr(0, end > 0 && sql[end - 1] == '\r' ? end - 1 : end);
    out += ' ';
    sql.remove_prefix(end + 1);
    while (sql.starts_with('\n') || sql.starts_with("\r\n")) sql.remove_prefix(sql.front() == '\n' ? 1 : 2);
  }
}

std::string in_clauses(std::string_view sql, const Lexis& lexis) { return Breaking(sql, lexis).run(); }

namespace {

// A token of a normalised text.
struct Piece {
  std::string_view text;  // "?" for every value.
  bool space_before;
  const Token* token;
};

std::vector<Piece> pieces_of(const std::vector<Token>& tokens) {
  std::vector<Piece> pieces;
  bool space = false;
  for (const auto& token : tokens) {
    if (token.kind == TokenKind::space || token.kind == TokenKind::comment) {
      space = true;
      continue;
    }
    // A minus is part of the number where no value stands before it.
    const bool signed_number = token.kind == TokenKind::number && !space && !pieces.empty() &&
                               pieces.back().text == "-" &&
                               (pieces.size() < 2 || pieces.end()[-2].token->is_symbol("(") ||
                                pieces.end()[-2].token->is_symbol(",") || pieces.end()[-2].token->is_symbol("="));
    if (signed_number) {
      space = pieces.back().space_before;
      pieces.pop_back();
    }
    const bool comma = !pieces.empty() && pieces.back().text == ",";
    const bool apart = !pieces.empty() && (space || comma) && needs_space(*pieces.back().token, token);
    pieces.push_back({token.is_value() ? "?" : token.text, apart, &token});
    space = false;
  }
  while (!pieces.empty() && pieces.back().text == ";") pieces.pop_back();
  return pieces;
}

// Behind the value at `i`; there is none: `i` itself. In a list NULL and the like are values too.
std::size_t behind_value(const std::vector<Piece>& pieces, std::size_t i) {
  static constexpr std::array<std::string_view, 4> kWords{"NULL", "TRUE", "FALSE", "DEFAULT"};
  static constexpr std::array<std::string_view, 3> kTypes{"DATE", "TIME", "TIMESTAMP"};
  const auto is_value = [&](std::size_t at) { return at < pieces.size() && pieces[at].text == "?"; };
  const auto begin = i;
  if (is_value(i) || (i < pieces.size() && pieces[i].token->is_any(kWords))) {
    ++i;
  } else if (is_value(i + 1) && pieces[i].token->is_any(kTypes)) {
    i += 2;
  } else {
    return begin;
  }
  while (i + 1 < pieces.size() && pieces[i].text == "::") i += 2;
  return i;
}

// Where the list of values that begins with the bracket at `i` ends: the place behind it. 0: it is none.
std::size_t behind_list(const std::vector<Piece>& pieces, std::size_t i, std::size_t least) {
  std::size_t values = 0;
  if (i >= pieces.size() || pieces[i].text != "(") return 0;
  do {
    const auto behind = behind_value(pieces, ++i);
    if (behind == i) return 0;
    ++values;
    i = behind;
  } while (i < pieces.size() && pieces[i].text == ",");
  return i < pieces.size() && pieces[i].text == ")" && values >= least ? i + 1 : 0;
}

}  // namespace

std::string normalised(std::string_view sql, const Lexis& lexis) {
  const auto tokens = tokens_of(sql, lexis);
  const auto pieces = pieces_of(tokens);
  std::string out;
  for (std::size_t i = 0; i < pieces.size();) {
    if (pieces[i].space_before) out += ' ';
    const bool in = i > 0 && pieces[i - 1].token->is("IN");
    auto end = behind_list(pieces, i, in ? 1 : 2);
    if (end == 0) {
      out += pieces[i++].text;
      continue;
    }
    out += "(?, …)";
    while (end < pieces.size() && pieces[end].text == ",") {  // More rows of VALUES.
      const auto next = behind_list(pieces, end + 1, 2);
      if (next == 0) break;
      end = next;
    }
    i = end;
  }
  return out;
}

}  // namespace tidelock::sql::spy

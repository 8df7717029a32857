#include "tidelock/sql/spy/tokens.h"

#include <algorithm>

#include "tidelock/base/ascii.h"

namespace tidelock::sql::spy {
namespace {

using base::ascii::is_digit;
using base::ascii::is_space;

bool is_letter(char c) { return base::ascii::is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80; }
bool is_word(char c) { return is_letter(c) || is_digit(c); }
bool is_operator(char c) { return std::string_view("<>=!|&+-*/%^~:#@").find(c) != std::string_view::npos; }

class Scan {
 public:
  Scan(std::string_view sql, const Lexis& lexis) : sql_(sql), lexis_(lexis) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    tokens.reserve(sql_.size() / 4 + 4);
    while (at_ < sql_.size()) {
      const auto begin = at_;
      const auto kind = step();
      at_ = std::min(at_, sql_.size());
      tokens.push_back({kind, sql_.substr(begin, at_ - begin), begin});
    }
    return tokens;
  }

 private:
  char peek(std::size_t ahead) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }
  void skip_while(bool (*belongs)(char)) {
    while (at_ < sql_.size() && belongs(sql_[at_])) ++at_;
  }

  TokenKind step() {
    const char c = sql_[at_];
    if (is_space(c)) {
      skip_while(is_space);
      return TokenKind::space;
    }
    if (comment(c)) return TokenKind::comment;
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (is_letter(c)) return word();
    switch (c) {
      case '\'':
        return quoted(c, lexis_.backslash_escapes, TokenKind::string);
      case '"':
        if (lexis_.double_quoted_strings) return quoted(c, lexis_.backslash_escapes, TokenKind::string);
        return quoted(c, false, TokenKind::name);
      case '`':
        if (lexis_.backtick_identifiers) return quoted(c, false, TokenKind::name);
        break;
      case '[':
        if (lexis_.bracket_identifiers) return to(sql_.find(']', at_), 1, TokenKind::name);
        break;
      case '$':
        if (lexis_.dollar_quotes && dollar_quote()) return TokenKind::string;
        break;
      case '?':
        if (peek(1) == '?') return to(at_, 2, TokenKind::symbol);
        return to(at_, 1, TokenKind::placeholder);
      default:
        break;
    }
    if (!is_operator(c)) {
      ++at_;
      return TokenKind::symbol;
    }
    do {
      ++at_;
    } while (at_ < sql_.size() && is_operator(sql_[at_]) && !begins_comment());
    return TokenKind::symbol;
  }

  bool begins_comment() const {
    const char c = sql_[at_];
    return (c == '-' && peek(1) == '-') || (c == '/' && peek(1) == '*') || (c == '#' && lexis_.hash_comments);
  }

  bool comment(char c) {
    if (!begins_comment()) return false;
    if (c != '/') {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
      return true;
    }
    at_ += 2;
    for (std::size_t depth = 1; depth > 0 && at_ < sql_.size();) {
      if (sql_[at_] == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else if (lexis_.nested_comments && sql_[at_] == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else {
        ++at_;
      }
    }
    return true;
  }

  TokenKind number() {
    while (at_ < sql_.size() && (is_word(sql_[at_]) || sql_[at_] == '.')) {
      const bool exponent = base::ascii::to_upper(sql_[at_]) == 'E';
      ++at_;
      if (exponent && at_ < sql_.size() && (sql_[at_] == '+' || sql_[at_] == '-')) ++at_;
    }
    return TokenKind::number;
  }

  TokenKind word() {
    const auto begin = at_;
    while (at_ < sql_.size() && (is_word(sql_[at_]) || sql_[at_] == '$')) ++at_;
    if (at_ - begin != 1 || at_ >= sql_.size() || sql_[at_] != '\'') return TokenKind::word;
    const char prefix = base::ascii::to_upper(sql_[begin]);  // E'…', x'…', N'…'
    return quoted('\'', lexis_.backslash_escapes || (prefix == 'E' && lexis_.escape_strings), TokenKind::string);
  }

  TokenKind quoted(char quote, bool backslash, TokenKind kind) {
    for (++at_; at_ < sql_.size(); ++at_) {
      if (backslash && sql_[at_] == '\\') {
        ++at_;
      } else if (sql_[at_] == quote) {
        if (peek(1) != quote) return to(at_, 1, kind);
        ++at_;
      }
    }
    return kind;
  }

  bool dollar_quote() {
    auto end = at_ + 1;
    if (is_digit(peek(1))) return false;
    while (end < sql_.size() && is_word(sql_[end])) ++end;
    if (end >= sql_.size() || sql_[end] != '$') return false;
    const auto tag = sql_.substr(at_, end + 1 - at_);
    to(sql_.find(tag, end + 1), tag.size(), TokenKind::string);
    return true;
  }

  TokenKind to(std::size_t end, std::size_t skip, TokenKind kind) {
    at_ = end == sql_.npos ? sql_.size() : end + skip;
    return kind;
  }

  std::string_view sql_;
  const Lexis& lexis_;
  std::size_t at_ = 0;
};

}  // namespace

bool Token::is(std::string_view keyword) const {
  return kind == TokenKind::word && std::ranges::equal(text, keyword, {}, base::ascii::to_upper);
}

std::vector<Token> tokens_of(std::string_view sql, const Lexis& lexis) { return Scan(sql, lexis).run(); }

std::vector<Token> significant_tokens(std::string_view sql, const Lexis& lexis) {
  auto tokens = tokens_of(sql, lexis);
  std::erase_if(tokens,
                [](const Token& token) { return token.kind == TokenKind::space || token.kind == TokenKind::comment; });
  return tokens;
}

const Lexis& any_lexis() {
  static const Lexis kAny{.backtick_identifiers = true, .dollar_quotes = true, .escape_strings = true};
  return kAny;
}

}  // namespace tidelock::sql::spy

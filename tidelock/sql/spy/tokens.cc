#include "tidelock/sql/spy/tokens.h"

#include <algorithm>

#include "tidelock/base/ascii.h"
#include "tidelock/sql/lexer.h"

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
    if (const auto blank = blank_at(sql_, at_, lexis_); blank != 0) {
      at_ += blank;
      while (at_ < sql_.size() && is_space(sql_[at_])) ++at_;
      return TokenKind::space;
    }
    if (mark()) return TokenKind::symbol;
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
    } while (at_ < sql_.size() && is_operator(sql_[at_]) && !begins_comment() && !(executed_ && ends_comment()));
    return TokenKind::symbol;
  }

  bool begins_comment() const {
    const char c = sql_[at_];
    if (c == '-' && peek(1) == '-') {
      const auto after = static_cast<unsigned char>(peek(2));
      return !lexis_.dash_comments_need_space || after <= ' ' || after == 0x7f;
    }
    return (c == '/' && peek(1) == '*') || (c == '#' && lexis_.hash_comments);
  }
  bool ends_comment() const { return sql_[at_] == '*' && peek(1) == '/'; }

  // Before and behind text that a server executes: what is in it is read as any other.
  bool mark() {
    if (executed_ && ends_comment()) {
      executed_ = false;
      at_ += 2;
      return true;
    }
    const auto rest = sql_.substr(at_);
    if (!lexis_.executable_comments || !(rest.starts_with("/*!") || rest.starts_with("/*M!"))) return false;
    executed_ = true;
    at_ += rest[2] == 'M' ? 4 : 3;
    std::size_t digits = 0;  // Of the least version that executes it.
    while (digits < 6 && is_digit(peek(digits))) ++digits;
    if (digits >= 5) at_ += digits;
    return true;
  }

  bool comment(char c) {
    if (!begins_comment()) return false;
    if (c != '/') {
      at_ = std::min(sql_.find_first_of(lexis_.return_ends_comment ? "\n\r" : "\n", at_), sql_.size());
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
    while (at_ < sql_.size() && (is_word_here() || sql_[at_] == '.') && !is_escape_string()) {
      const char c = base::ascii::to_upper(sql_[at_++]);
      if (c == '.' && !is_digit(peek(0))) break;  // 1.a is a name behind it.
      const bool has_sign = c == 'E' && (peek(0) == '+' || peek(0) == '-') && is_digit(peek(1));
      if (has_sign) ++at_;
    }
    return TokenKind::number;
  }

  TokenKind word() {
    if (is_escape_string()) {
      ++at_;
      do {
        quoted('\'', true, TokenKind::string);
      } while (continued_string());
      return TokenKind::string;
    }
    const auto begin = at_;
    while (at_ < sql_.size() && (is_word_here() || sql_[at_] == '$')) ++at_;
    if (at_ - begin != 1 || at_ >= sql_.size() || sql_[at_] != '\'') return TokenKind::word;
    return quoted('\'', lexis_.backslash_escapes, TokenKind::string);  // x'…', N'…'
  }

  bool is_word_here() const {
    return is_word(sql_[at_]) && !(lexis_.unicode_spaces && blank_at(sql_, at_, lexis_) != 0);
  }
  bool is_escape_string() const {
    return lexis_.escape_strings && base::ascii::to_upper(sql_[at_]) == 'E' && peek(1) == '\'';
  }
  // Behind a line break an escape string goes on.
  bool continued_string() {
    const auto end = continued_string_at(sql_, at_);
    if (end) at_ = *end;
    return end.has_value();
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
  bool executed_ = false;  // Inside a comment that is text.
};

}  // namespace

bool Token::is(std::string_view keyword) const {
  return kind == TokenKind::word && std::ranges::equal(text, keyword, {}, base::ascii::to_upper);
}

bool Token::is_any(std::span<const std::string_view> keywords) const {
  return kind == TokenKind::word &&
         std::ranges::any_of(keywords, [&](std::string_view keyword) { return is(keyword); });
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

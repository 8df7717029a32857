#include "tidelock/sql/lexer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql {
namespace {

enum Class : std::uint8_t { other, space, letter, digit };

// What may begin an identifier; everything beyond ASCII may.
constexpr auto kClasses = [] {
  std::array<Class, 256> classes{};
  for (std::size_t c = 0; c < 256; ++c) {
    const auto character = static_cast<char>(c);
    if (base::ascii::is_letter(character) || character == '_' || c >= 0x80) classes[c] = letter;
    if (base::ascii::is_digit(character)) classes[c] = digit;
    if (base::ascii::is_space(character)) classes[c] = space;
  }
  return classes;
}();

Class class_of(char c) { return kClasses[static_cast<unsigned char>(c)]; }
bool is_word(char c) { return class_of(c) >= letter; }
bool is_digit(char c) { return class_of(c) == digit; }

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The spaces of Unicode that DuckDB turns into blanks before it reads a statement.
constexpr std::string_view kUnicodeSpaces[] = {
    "\xc2\xa0",     "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85",
    "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\x8b", "\xe2\x80\x8c",
    "\xe2\x80\x8d", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe2\x81\xa0", "\xe3\x80\x80", kByteOrderMark};

constexpr std::string_view kAsciiSpaces = " \t\n\v\f\r";

constexpr std::string_view kUnendedString = "a string that does not end";
constexpr std::string_view kUnendedName = "a quoted identifier that does not end";

}  // namespace

std::string unquoted(const Token& name) {
  if (name.kind == TokenKind::word) return std::string(name.text);
  const char quote = name.text.back();
  std::string result;
  for (std::size_t i = 1; i + 1 < name.text.size(); ++i) {
    result += name.text[i];
    if (name.text[i] == quote) ++i;  // Doubled.
  }
  return result;
}

std::size_t blank_at(std::string_view sql, std::size_t at, const Lexis& lexis) {
  const char c = sql[at];
  if (class_of(c) == space) return 1;
  if (static_cast<unsigned char>(c) < 0x80) return 0;
  const auto rest = sql.substr(at);
  if (lexis.byte_order_mark_is_space && rest.starts_with(kByteOrderMark)) return kByteOrderMark.size();
  if (lexis.unicode_spaces) {
    for (const auto known : kUnicodeSpaces) {
      if (rest.starts_with(known)) return known.size();
    }
  }
  return 0;
}

std::optional<std::size_t> continued_string_at(std::string_view sql, std::size_t at) {
  bool line_break = false;
  for (; at < sql.size(); ++at) {
    const char c = sql[at];
    if (c == '\n' || c == '\r') {
      line_break = true;
    } else if (c == '-' && at + 1 < sql.size() && sql[at + 1] == '-') {
      at = sql.find_first_of("\n\r", at);
      if (at == sql.npos) return std::nullopt;
      line_break = true;
    } else if (class_of(c) != space) {
      break;
    }
  }
  if (!line_break || at >= sql.size() || sql[at] != '\'') return std::nullopt;
  return at;
}

void refuse_statement(std::string_view sql, std::size_t at, std::string_view what) {
  throw Error(Code::statement_invalid,
              std::string(what) + " at byte " + std::to_string(at + 1) + " of the statement " + base::quoted(sql));
}

bool Token::is(std::string_view keyword) const {
  return kind == TokenKind::word && text.size() == keyword.size() &&
         std::ranges::equal(text, keyword, {}, base::ascii::to_upper);
}

bool Token::is_any(std::initializer_list<std::string_view> keywords) const {
  return std::ranges::any_of(keywords, [&](std::string_view keyword) { return is(keyword); });
}

std::optional<Token> Lexer::next() {
  if (!skip_blanks()) return std::nullopt;
  const auto begin = at_;
  const auto kind = scan();
  return Token{kind, begin, sql_.substr(begin, at_ - begin)};
}

bool Lexer::skip_blanks() {
  while (at_ < sql_.size()) {
    if (const auto blank = space_at(at_)) {
      at_ += blank;
    } else if (executable_since_ && sql_[at_] == '*' && peek() == '/') {
      executable_since_.reset();
      at_ += 2;
    } else if (!skip_comment()) {
      return true;
    }
  }
  if (executable_since_) refuse(*executable_since_, "a comment that does not end");
  return false;
}

bool Lexer::skip_comment() {
  const char c = sql_[at_];
  bool line = c == '#' && lexis_.hash_comments;
  if (c == '-' && peek() == '-') {
    const auto after = static_cast<unsigned char>(peek(2));
    line = !lexis_.dash_comments_need_space || after <= ' ' || after == 0x7f;
  }
  if (line) {
    at_ = std::min(sql_.find_first_of(lexis_.return_ends_comment ? "\n\r" : "\n", at_), sql_.size());
    return true;
  }
  if (c != '/' || peek() != '*') return false;
  if (lexis_.executable_comments && (peek(2) == '!' || (peek(2) == 'M' && peek(3) == '!'))) {
    if (!enter_executable()) skip_block(2);
  } else {
    skip_block(lexis_.nested_comments ? std::numeric_limits<std::size_t>::max() : 1);
  }
  return true;
}

// Comments nest as deep as `depth_limit`, this one included.
void Lexer::skip_block(std::size_t depth_limit) {
  const auto begin = at_;
  std::size_t depth = 1;
  at_ += 2;
  while (depth > 0) {
    at_ = sql_.find_first_of("*/", at_);
    if (at_ == sql_.npos) refuse(begin, "a comment that does not end");
    if (sql_[at_] == '*' && peek() == '/') {
      --depth;
      at_ += 2;
    } else if (depth < depth_limit && sql_[at_] == '/' && peek() == '*') {
      ++depth;
      at_ += 2;
    } else {
      ++at_;
    }
  }
}

bool Lexer::enter_executable() {
  const auto number = executable_comments_++;
  if (number < 64 && (executed_ >> number & 1) == 0) return false;
  executable_since_ = at_;
  at_ += peek(2) == 'M' ? 4 : 3;
  std::size_t digits = 0;  // Of the least version that executes it.
  while (digits < 6 && at_ + digits < sql_.size() && is_digit(sql_[at_ + digits])) ++digits;
  if (digits >= 5) at_ += digits;
  return true;
}

TokenKind Lexer::scan() {
  const char c = sql_[at_];
  if (class_of(c) == digit) {
    number();
    return TokenKind::number;
  }
  if (class_of(c) == letter) {
    return word();
  }
  switch (c) {
    case '\'':
      quoted(c, lexis_.backslash_escapes);
      return TokenKind::string;
    case '"':
      quoted(c, lexis_.double_quoted_strings && lexis_.backslash_escapes);
      return lexis_.double_quoted_strings ? TokenKind::string : TokenKind::quoted_name;
    case '`':
      if (!lexis_.backtick_identifiers) break;
      quoted(c, false);
      return TokenKind::quoted_name;
    case '[':
      if (!lexis_.bracket_identifiers) break;
      until("]", 1, "an identifier in brackets that does not end");
      return TokenKind::quoted_name;
    case '$':
      if (lexis_.dollar_quotes && dollar_quote()) return TokenKind::string;
      [[fallthrough]];
    case ':':
    case '@':
    case '#':
      if (lexis_.named_parameters && named_parameter()) return TokenKind::placeholder;
      break;
    case '?':
      if (peek() == '?') {
        at_ += 2;
        return TokenKind::symbol;
      }
      ++at_;
      return TokenKind::placeholder;
    default:
      break;
  }
  ++at_;
  return TokenKind::symbol;
}

// An identifier or keyword. '$' may stand inside, so that a$1$b hides no dollar quote.
TokenKind Lexer::word() {
  const auto begin = at_;
  while (at_ < sql_.size() && (is_word(sql_[at_]) || sql_[at_] == '$')) {
    if (lexis_.unicode_spaces && space_at(at_) != 0) break;
    ++at_;
  }
  const auto text = sql_.substr(begin, at_ - begin);
  if (lexis_.escape_strings && (text == "E" || text == "e") && at_ < sql_.size() && sql_[at_] == '\'') {
    escape_string();
    return TokenKind::string;
  }
  return TokenKind::word;
}

// Up to what can be no part of one; where the engine has dollar quotes and escape strings, these begin at once.
void Lexer::number() {
  while (at_ < sql_.size() && (is_word(sql_[at_]) || (sql_[at_] == '$' && !lexis_.dollar_quotes))) {
    if (lexis_.unicode_spaces && space_at(at_) != 0) break;
    if (lexis_.escape_strings && base::ascii::to_upper(sql_[at_]) == 'E' && peek() == '\'') break;
    ++at_;
  }
}

// Up to the closing quote; a doubled quote is part of it.
void Lexer::quoted(char quote, bool backslash) {
  const auto begin = at_++;
  for (;;) {
    at_ = backslash ? sql_.find_first_of(quote == '"' ? "\"\\" : "'\\", at_) : sql_.find(quote, at_);
    if (at_ >= sql_.size()) {
      const bool is_string = quote == '\'' || (quote == '"' && lexis_.double_quoted_strings);
      refuse(begin, is_string ? kUnendedString : kUnendedName);
    }
    if (sql_[at_] == quote) {
      ++at_;
      if (at_ == sql_.size() || sql_[at_] != quote) return;
      ++at_;
    } else {
      at_ += 2;  // The backslash, and what it escapes.
    }
  }
}

// E'…' and, behind a line break, more strings: they are one string, and its escapes go on.
void Lexer::escape_string() {
  do {
    quoted('\'', true);
  } while (continued_string());
}

bool Lexer::continued_string() {
  const auto at = continued_string_at(sql_, at_);
  if (at) at_ = *at;
  return at.has_value();
}

bool Lexer::dollar_quote() {
  auto end = at_ + 1;
  if (is_digit(peek())) return false;  // A numbered parameter.
  while (end < sql_.size() && is_word(sql_[end])) ++end;
  if (end >= sql_.size() || sql_[end] != '$') return false;
  until(sql_.substr(at_, end + 1 - at_), end + 1 - at_, "a dollar quote that does not end");
  return true;
}

// A name, in which `::` may stand, and behind it whatever is in brackets, without blanks: `$a(')` is one.
bool Lexer::named_parameter() {
  auto end = at_ + 1;
  bool has_name = false;
  for (; end < sql_.size(); ++end) {
    if (is_word(sql_[end]) || sql_[end] == '$') {
      has_name = true;
    } else if (sql_.substr(end).starts_with("::")) {
      ++end;
    } else {
      break;
    }
  }
  if (!has_name) return false;
  if (end < sql_.size() && sql_[end] == '(') {
    end = sql_.find(')', end);
    if (end == sql_.npos || sql_.substr(at_, end - at_).find_first_of(kAsciiSpaces) != sql_.npos) {
      refuse(at_, "a parameter that does not end");
    }
    ++end;
  }
  at_ = end;
  return true;
}

void Lexer::until(std::string_view end, std::size_t skip, std::string_view unended) {
  const auto found = sql_.find(end, at_ + skip);
  if (found == sql_.npos) refuse(at_, unended);
  at_ = found + end.size();
}

void Lexer::refuse(std::size_t at, std::string_view unended) {
  unended_at_ = at;
  refuse_statement(sql_, at, unended);
}

}  // namespace tidelock::sql

#include "tidelock/sql/placeholders.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql {
namespace {

bool is_letter(char c) {  // What may begin an identifier; everything beyond ASCII may.
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_letter(c) || is_digit(c); }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

[[noreturn]] void refuse(std::string_view sql, std::size_t at, std::string_view what) {
  throw Error(Code::statement_invalid,
              std::string(what) + " at byte " + std::to_string(at + 1) + " of the statement " + base::quoted(sql));
}

// Goes through the text once, token by token.
class Scanner {
 public:
  Scanner(std::string_view sql, const Lexis& lexis) : sql_(sql), lexis_(lexis) {}

  Placeholders run() {
    result_.sql.reserve(sql_.size() + 16);
    while (at_ < sql_.size()) step();
    result_.sql.append(sql_, copied_);
    return std::move(result_);
  }

 private:
  char peek(std::size_t ahead = 1) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  void step() {
    const char c = sql_[at_];
    if (is_space(c)) {
      ++at_;
      return;
    }
    if (skip_comment(c)) return;
    if (c == ';' && !begun_) {  // An empty statement: the next one is what the engine runs.
      ++at_;
      return;
    }
    const bool first = !std::exchange(begun_, true);
    if (is_word(c)) return word(first);
    switch (c) {
      case '\'':
        return quoted(c, lexis_.backslash_escapes, "a string that does not end");
      case '"':
        return quoted(c, false, "a quoted identifier that does not end");
      case '`':
        if (lexis_.backtick_identifiers) return quoted(c, false, "a quoted identifier that does not end");
        break;
      case '[':
        if (lexis_.bracket_identifiers) return until("]", 1, "an identifier in brackets that does not end");
        break;
      case '$':
        if (lexis_.dollar_quotes && dollar_quote()) return;
        break;
      case '?':
        return placeholder();
      default:
        break;
    }
    ++at_;
  }

  bool skip_comment(char c) {
    if ((c == '-' && peek() == '-') || (c == '#' && lexis_.hash_comments)) {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
      return true;
    }
    if (c != '/' || peek() != '*') return false;
    const auto begin = at_;
    std::size_t depth = 1;
    at_ += 2;
    while (depth > 0) {
      if (at_ >= sql_.size()) refuse(sql_, begin, "a comment that does not end");
      if (sql_[at_] == '*' && peek() == '/') {
        --depth;
        at_ += 2;
      } else if (lexis_.nested_comments && sql_[at_] == '/' && peek() == '*') {
        ++depth;
        at_ += 2;
      } else {
        ++at_;
      }
    }
    return true;
  }

  // An identifier, keyword or number. '$' may stand inside, so that a$1$b hides no dollar quote.
  void word(bool first) {
    const auto begin = at_;
    while (at_ < sql_.size() && (is_word(sql_[at_]) || sql_[at_] == '$')) ++at_;
    const auto text = sql_.substr(begin, at_ - begin);
    if (first) {
      for (const char c : text) result_.first_word += upper(c);
    }
    if (lexis_.escape_strings && (text == "E" || text == "e") && at_ < sql_.size() && sql_[at_] == '\'') {
      quoted('\'', true, "a string that does not end");
    }
  }

  // Up to the closing quote; a doubled quote is part of it.
  void quoted(char quote, bool backslash, std::string_view unended) {
    const auto begin = at_++;
    for (;; ++at_) {
      if (at_ >= sql_.size()) refuse(sql_, begin, unended);
      if (backslash && sql_[at_] == '\\') {
        ++at_;
      } else if (sql_[at_] == quote) {
        ++at_;
        if (at_ >= sql_.size() || sql_[at_] != quote) return;
      }
    }
  }

  void until(std::string_view end, std::size_t skip, std::string_view unended) {
    const auto found = sql_.find(end, at_ + skip);
    if (found == sql_.npos) refuse(sql_, at_, unended);
    at_ = found + end.size();
  }

  bool dollar_quote() {
    auto end = at_ + 1;
    if (is_digit(peek())) refuse(sql_, at_, "a numbered parameter (write a bare ? for each value, in order)");
    while (end < sql_.size() && is_word(sql_[end])) ++end;
    if (end >= sql_.size() || sql_[end] != '$') return false;
    until(sql_.substr(at_, end + 1 - at_), end + 1 - at_, "a dollar quote that does not end");
    return true;
  }

  void placeholder() {
    if (is_digit(peek())) refuse(sql_, at_, "a numbered parameter (write a bare ? for each value, in order)");
    result_.sql.append(sql_, copied_, at_ - copied_);
    if (peek() == '?') {
      result_.sql += '?';
      at_ += 2;
    } else {
      ++result_.count;
      if (lexis_.numbered_placeholders) {
        result_.sql += '$';
        result_.sql += std::to_string(result_.count);
      } else {
        result_.sql += '?';
      }
      ++at_;
    }
    copied_ = at_;
  }

  std::string_view sql_;
  const Lexis& lexis_;
  std::size_t at_ = 0;      // What is read next.
  std::size_t copied_ = 0;  // Up to here it stands in the result.
  bool begun_ = false;      // Something else than blanks and comments was seen.
  Placeholders result_;
};

}  // namespace

bool controls_transactions(std::string_view first_word) {
  for (const auto* known : {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"}) {
    if (first_word == known) return true;
  }
  return false;
}

Placeholders rewrite_placeholders(std::string_view sql, const Lexis& lexis) {
  if (const auto at = sql.find('\0'); at != sql.npos) refuse(sql, at, "a NUL byte");
  if (const auto at = base::find_invalid_utf8(sql)) refuse(sql, *at, "bytes that are not UTF-8");
  return Scanner(sql, lexis).run();
}

}  // namespace tidelock::sql

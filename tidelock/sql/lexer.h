// Reads SQL token by token, as each engine does: comments, strings, quoted names and dollar quotes hide what is in
// them.
//
//   Lexer lexer(sql, dialect.lexis);
//   while (const auto token = lexer.next()) …
//
// It does not know what the tokens mean. Text that two readings of an engine divide differently is divided as the
// engine does it; the tests compare with SQLite, DuckDB and PostgreSQL's own scanner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql {

enum class TokenKind : std::uint8_t {
  word,         // A keyword or a name without quotes; also the letters in front of a string: x'…'.
  number,       // Begins with a digit. 1.5e-3 is several tokens.
  quoted_name,  // "…", `…` or […]
  string,       // '…', E'…', $tag$…$tag$, or "…" where that is a string
  placeholder,  // ?, or a named parameter (Lexis::named_parameters)
  symbol,       // One other character; `??` is one too.
};

// A piece of the text it was read from.
struct Token {
  TokenKind kind;
  std::size_t begin;  // In bytes.
  std::string_view text;

  std::size_t end() const { return begin + text.size(); }
  // A word, without regard to case. `keyword` is in upper case.
  bool is(std::string_view keyword) const;
  bool is_any(std::initializer_list<std::string_view> keywords) const;
  bool is(char symbol) const { return kind == TokenKind::symbol && text.front() == symbol; }
  bool is_name() const { return kind == TokenKind::word || kind == TokenKind::quoted_name; }
};

// A name without its quotes; a word as it is written.
std::string unquoted(const Token& name);

// How many bytes of blanks begin there: one character; 0: none. `at` is inside.
std::size_t blank_at(std::string_view sql, std::size_t at, const Lexis& lexis);
// Where an escape string that ended at `at` goes on: at the quote behind a line break.
std::optional<std::size_t> continued_string_at(std::string_view sql, std::size_t at);

// Borrows text and lexis. Used by one task.
class Lexer {
 public:
  // An executable comment (Lexis::executable_comments) is text or comment, depending on the server's version: bit n of
  // `executed` says what the n-th one is to be, counted from 0; those beyond the 64th are text.
  Lexer(std::string_view sql, const Lexis& lexis, std::uint64_t executed = ~std::uint64_t{0})
      : sql_(sql), lexis_(lexis), executed_(executed) {}

  // Empty at the end. Error: statement_invalid for a string, quoted name, comment, dollar quote or named parameter that
  // does not end, with its position, in bytes from 1.
  std::optional<Token> next();

  // After an error of next(): where that begins which does not end, in bytes.
  std::size_t unended_at() const { return unended_at_; }

  // That were met so far.
  std::size_t executable_comments() const { return executable_comments_; }

 private:
  char peek(std::size_t ahead = 1) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }
  std::size_t space_at(std::size_t at) const { return blank_at(sql_, at, lexis_); }
  bool skip_blanks();  // False at the end.
  bool skip_comment();
  void skip_block(std::size_t depth_limit);
  bool enter_executable();

  TokenKind scan();
  TokenKind word();
  void number();
  void quoted(char quote, bool backslash);
  void escape_string();
  bool continued_string();
  bool dollar_quote();
  bool named_parameter();
  void until(std::string_view end, std::size_t skip, std::string_view unended);
  [[noreturn]] void refuse(std::size_t at, std::string_view unended);

  std::string_view sql_;
  const Lexis& lexis_;
  std::uint64_t executed_;
  std::size_t at_ = 0;  // What is read next.
  std::size_t unended_at_ = 0;
  std::size_t executable_comments_ = 0;
  std::optional<std::size_t> executable_since_;  // Inside one that is read as text.
};

// Error: statement_invalid: "WHAT at byte N of the statement …".
[[noreturn]] void refuse_statement(std::string_view sql, std::size_t at, std::string_view what);

}  // namespace tidelock::sql

// The words of an SQL text, for showing, masking and grouping it. Never refuses: what does not end goes on to the end,
// since a log also holds what an engine refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql::spy {

enum class TokenKind : std::uint8_t {
  space,
  comment,
  word,         // An identifier or keyword without quotes.
  name,         // An identifier in quotes.
  number,       //
  string,       // With its prefix: E'…', x'…', $tag$…$tag$.
  placeholder,  // ?
  symbol,       // One of ( ) , ; . [ ], or a run of operator characters; also ??
};

struct Token {
  TokenKind kind;
  std::string_view text;
  std::size_t offset;

  bool is(std::string_view keyword) const;  // A word, without regard to case; `keyword` in upper case.
  bool is_any(std::span<const std::string_view> keywords) const;
  bool is_symbol(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  bool is_value() const {
    return kind == TokenKind::number || kind == TokenKind::string || kind == TokenKind::placeholder;
  }
};

// All of `sql`, nothing left out: the texts of the tokens, put together, are `sql`. Borrows it.
std::vector<Token> tokens_of(std::string_view sql, const Lexis& lexis);
// Without spaces and comments.
std::vector<Token> significant_tokens(std::string_view sql, const Lexis& lexis);

// How a text of unknown origin is read.
const Lexis& any_lexis();

}  // namespace tidelock::sql::spy

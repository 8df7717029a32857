#include "tidelock/sql/placeholders.h"

#include <string>

#include "tidelock/base/ascii.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/lexer.h"

namespace tidelock::sql {
namespace {

constexpr std::string_view kNamed = "a named parameter (write a bare ? for each value, in order)";
constexpr std::string_view kNumbered = "a numbered parameter (write a bare ? for each value, in order)";

}  // namespace

bool controls_transactions(std::string_view first_word) {
  for (const auto* known : {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"}) {
    if (first_word == known) return true;
  }
  return false;
}

Placeholders rewrite_placeholders(std::string_view sql, const Lexis& lexis) {
  if (const auto at = sql.find('\0'); at != sql.npos) refuse_statement(sql, at, "a NUL byte");
  if (const auto at = base::find_invalid_utf8(sql)) refuse_statement(sql, *at, "bytes that are not UTF-8");
  Placeholders result;
  result.sql.reserve(sql.size() + 16);
  Lexer lexer(sql, lexis);
  std::size_t copied = 0;  // Up to here it stands in the result.
  bool begun = false;
  while (const auto token = lexer.next()) {
    if (!begun && !token->is(';')) {  // Empty statements come first: the next one is what the engine runs.
      begun = true;
      if (token->kind == TokenKind::word || token->kind == TokenKind::number)
        result.first_word = base::ascii::upper(token->text);
    }
    const bool is_value = token->kind == TokenKind::placeholder;
    if (is_value && token->text != "?") refuse_statement(sql, token->begin, kNamed);
    if (token->end() < sql.size() && base::ascii::is_digit(sql[token->end()]) &&
        (is_value || (lexis.dollar_quotes && token->is('$')))) {
      refuse_statement(sql, token->begin, kNumbered);
    }
    if (!is_value && !token->is('?')) continue;
    result.sql.append(sql, copied, token->begin - copied);
    copied = token->end();
    if (is_value) ++result.count;
    if (is_value && lexis.numbered_placeholders) {
      result.sql += '$';
      result.sql += std::to_string(result.count);
    } else {
      result.sql += '?';
    }
  }
  result.sql.append(sql, copied);
  return result;
}

}  // namespace tidelock::sql

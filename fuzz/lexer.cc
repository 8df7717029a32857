// The lexer never crashes and refuses with statement_invalid only; its tokens come in order, do not overlap, hold the
// text they say; what lies between them is blank or comment; and the tokens of a text that is put together from them
// are the same again. What the guard finds lies in the text.
#include "tidelock/sql/lexer.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/sql/guard.h"

namespace {

using namespace tidelock;

void check(bool holds) {
  if (!holds) std::abort();
}

std::optional<std::vector<sql::Token>> tokens(std::string_view text, const sql::Lexis& lexis, std::uint64_t executed) {
  std::vector<sql::Token> result;
  try {
    sql::Lexer lexer(text, lexis, executed);
    while (const auto token = lexer.next()) result.push_back(*token);
  } catch (const Error& error) {
    check(error.code() == Code::statement_invalid);
    return std::nullopt;
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto bits = static_cast<unsigned>(data[0]) | static_cast<unsigned>(data[1]) << 8;
  sql::Lexis lexis;
  lexis.backtick_identifiers = (bits & 1) != 0;
  lexis.bracket_identifiers = (bits & 2) != 0;
  lexis.dollar_quotes = (bits & 4) != 0;
  lexis.backslash_escapes = (bits & 8) != 0;
  lexis.escape_strings = (bits & 16) != 0;
  lexis.nested_comments = (bits & 32) != 0;
  lexis.hash_comments = (bits & 64) != 0;
  lexis.double_quoted_strings = (bits & 128) != 0;
  lexis.dash_comments_need_space = (bits & 256) != 0;
  lexis.return_ends_comment = (bits & 512) != 0;
  lexis.executable_comments = (bits & 1024) != 0;
  lexis.unicode_spaces = (bits & 2048) != 0;
  lexis.byte_order_mark_is_space = (bits & 4096) != 0;
  lexis.at_variables = (bits & 8192) != 0;
  lexis.trigger_bodies = (bits & 16384) != 0;
  lexis.named_parameters = (bits & 32768) != 0;
  lexis.user_is_value = lexis.dollar_quotes;
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  const auto found = tokens(text, lexis, data[2]);
  if (!found) return 0;
  try {
    for (const auto& danger : sql::find_dangers(text, lexis)) check(danger.at < text.size());
  } catch (const Error& error) {
    check(error.code() == Code::statement_invalid);
  }
  std::size_t at = 0;
  std::string again;
  for (const auto& token : *found) {
    check(!token.text.empty() && token.begin >= at && token.end() <= text.size());
    check(text.substr(token.begin, token.text.size()) == token.text);
    at = token.end();
    again += token.text;
    again += " \n ";
  }
  // A string behind an escape string and a line break would become part of it.
  if (lexis.escape_strings) return 0;
  const auto same = tokens(again, lexis, data[2]);
  if (lexis.executable_comments && !same) return 0;  // */ may have lost its beginning.
  check(same.has_value() && same->size() == found->size());
  for (std::size_t i = 0; i < found->size(); ++i) {
    check((*same)[i].kind == (*found)[i].kind && (*same)[i].text == (*found)[i].text);
  }
  return 0;
}

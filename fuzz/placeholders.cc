// rewrite_placeholders() never crashes and refuses with statement_invalid only; it finds the same placeholders as a
// reference that is slower and simpler; and it changes nothing else.
#include "tidelock/sql/placeholders.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"

namespace {

using namespace tidelock;

void check(bool holds) {
  if (!holds) std::abort();
}

std::optional<sql::Placeholders> rewrite(std::string_view text, const sql::Lexis& lexis) {
  try {
    return sql::rewrite_placeholders(text, lexis);
  } catch (const Error& error) {
    check(error.code() == Code::statement_invalid);
    return std::nullopt;
  }
}

// Of standard SQL, without the extras of engines: where each byte belongs to.
std::string regions(std::string_view text) {
  std::string marks(text.size(), '.');
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    const auto rest = text.substr(i);
    if (text[i] == '\'' || text[i] == '"') {
      // A doubled quote ends one string and begins the next: no different for who only looks for what is hidden.
      end = text.find(text[i], i + 1);
      end = end == text.npos ? text.size() : end + 1;
      marks.replace(i, end - i, end - i, 's');
    } else if (rest.starts_with("--")) {
      end = std::min(text.find('\n', i), text.size());
      marks.replace(i, end - i, end - i, 'c');
    } else if (rest.starts_with("/*")) {
      end = text.find("*/", i + 2);
      end = end == text.npos ? text.size() : end + 2;
      marks.replace(i, end - i, end - i, 'c');
    }
    i = end;
  }
  return marks;
}

void agrees_with_reference(std::string_view text) {
  const auto result = rewrite(text, {});
  if (!result) return;
  const auto marks = regions(text);
  std::size_t count = 0;
  std::string expected;
  for (std::size_t i = 0; i < text.size(); ++i) {
    expected += text[i];
    if (text[i] != '?' || marks[i] != '.') continue;
    const bool doubled = i + 1 < text.size() && text[i + 1] == '?' && marks[i + 1] == '.';
    if (doubled) {
      ++i;
    } else {
      ++count;
    }
  }
  check(result->count == count);
  check(result->sql == expected);
}

// Numbering changes the placeholders and nothing else.
void numbers_in_order(std::string_view text, sql::Lexis lexis) {
  lexis.numbered_placeholders = false;
  const auto plain = rewrite(text, lexis);
  lexis.numbered_placeholders = true;
  const auto numbered = rewrite(text, lexis);
  check(plain.has_value() == numbered.has_value());
  if (!plain) return;
  check(plain->count == numbered->count && plain->first_word == numbered->first_word);
  std::size_t at = 0;
  std::size_t next = 1;
  for (const char c : plain->sql) {
    const auto number = "$" + std::to_string(next);
    if (c == '?' && numbered->sql.compare(at, number.size(), number) == 0) {
      at += number.size();
      ++next;
    } else {
      check(at < numbered->sql.size() && numbered->sql[at] == c);
      ++at;
    }
  }
  check(at == numbered->sql.size());
  check(next == plain->count + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  agrees_with_reference(text);
  const auto bits = data[0];  // Which extras the engine has.
  sql::Lexis lexis;
  lexis.backtick_identifiers = (bits & 1) != 0;
  lexis.bracket_identifiers = (bits & 2) != 0;
  lexis.dollar_quotes = (bits & 4) != 0;
  lexis.backslash_escapes = (bits & 8) != 0;
  lexis.escape_strings = (bits & 16) != 0;
  lexis.nested_comments = (bits & 32) != 0;
  lexis.hash_comments = (bits & 64) != 0;
  numbers_in_order(text, lexis);
  return 0;
}

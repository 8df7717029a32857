// A line of a spy's log, and the statement in it, are taken or refused with invalid_argument; the words of a statement
// put together are the statement; nothing that is made of it grows without bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/sql/spy/layout.h"
#include "tidelock/sql/spy/log_reader.h"
#include "tidelock/sql/spy/statement_text.h"
#include "tidelock/sql/spy/tokens.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidelock;
  using namespace tidelock::sql;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    spy::parse_log_line(text);
  } catch (const Error& error) {
    check(error.code() == Code::invalid_argument);
  }
  for (const auto& lexis : {Lexis{}, spy::any_lexis(),
                            Lexis{.bracket_identifiers = true, .backslash_escapes = true, .hash_comments = true}}) {
    std::string whole;
    for (const auto& token : spy::tokens_of(text, lexis)) whole += token.text;
    check(whole == text);
    const auto normal = spy::normalised(text, lexis);
    check(spy::normalised(normal, lexis).size() <= normal.size() + 16);
    spy::in_clauses(text, lexis);
    const auto place = std::make_shared<const spy::Place>(spy::Place{"x:", "x", lexis});
    const spy::StatementText statement(place, text, spy::SecretNames(), true);
    std::string effective;
    statement.append_effective(effective, std::vector<Value>(3, Value(std::string("it's"))), {});
    check(effective.size() <= statement.sql().size() + std::size_t{3} * 8);
  }
  return 0;
}

#include "tidelock/lock/fence.h"

#include <fmt/format.h>

#include <cstdint>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/lock/fence_statements.h"
#include "tidelock/lock/guard.h"
#include "tidelock/lock/key.h"
#include "tidelock/sql/schema.h"

namespace tidelock::lock {
namespace {

const FenceStatements& statements_for(const sql::Dialect& dialect) {
  if (dialect.engine == "sqlite") return kSqliteFence;
  if (dialect.engine == "duckdb") return kDuckdbFence;
  throw Error(Code::unsupported, "fence() does not know how to do it on " + dialect.engine);
}

bool has_table(sql::Executor& executor, const FenceStatements& statements) {
  return executor.maybe<std::int64_t>(statements.find_table).has_value();
}

}  // namespace

void fence(sql::Transaction& tx, std::string_view resource, FencingToken token) {
  check_key("fenced resource", resource);
  const auto& statements = statements_for(tx.dialect());
  if (tx.is_read_only()) {
    throw Error(Code::read_only, fmt::format("{} is fenced in a transaction that may only read: what it reads is no "
                                             "proof; begin one that may write",
                                             base::quoted(resource)));
  }
  if (!has_table(tx, statements)) sql::migrate(tx, statements.schema);

  const auto last = tx.maybe<std::int64_t>(statements.find_token, resource);
  if (last && token.value < *last) {
    tx.rollback();  // Whoever swallows the error commits nothing either.
    throw Error(Code::fenced, fmt::format("{} is fenced: token {} was used since, and this holder's {} is older",
                                          base::quoted(resource), *last, token.value));
  }
  if (!last) {
    sql::migrate(tx, statements.schema);  // Rarely enough to look at the version.
    tx.execute(statements.insert_token, resource, token.value);
  } else if (token.value > *last) {
    tx.execute(statements.advance_token, token.value, resource);
  } else if (!statements.hold_token.empty()) {
    tx.execute(statements.hold_token, resource, tx.runtime().current_task() % kFenceSlots);
  }
}

void fence(sql::Transaction& tx, std::string_view resource, const Lease& lease) {
  fence(tx, resource, token_of(lease));
}

std::optional<FencingToken> last_token(sql::Executor& executor, std::string_view resource) {
  const auto& statements = statements_for(executor.dialect());
  if (!has_table(executor, statements)) return std::nullopt;
  const auto last = executor.maybe<std::int64_t>(statements.find_token, resource);
  return last ? std::optional(FencingToken{*last}) : std::nullopt;
}

}  // namespace tidelock::lock

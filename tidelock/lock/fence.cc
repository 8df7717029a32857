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

const FenceStatements* embedded(const sql::Dialect& dialect) {
  if (dialect.engine == "sqlite") return &kSqliteFence;
  if (dialect.engine == "duckdb") return &kDuckdbFence;
  return nullptr;
}

const ServerFenceStatements& server(const sql::Dialect& dialect) {
  if (dialect.engine == "postgres") return kPostgresFence;
  if (dialect.engine == "mariadb") return kMariadbFence;
  throw Error(Code::unsupported, "fence() does not know how to do it on " + dialect.engine);
}

bool has_table(sql::Executor& executor, std::string_view find_table) {
  return executor.maybe<std::int64_t>(find_table).has_value();
}

[[noreturn]] void refuse(sql::Transaction& tx, std::string_view resource, std::int64_t last, FencingToken token) {
  tx.rollback();  // Whoever swallows the error commits nothing either.
  throw Error(Code::fenced, fmt::format("{} is fenced: token {} was used since, and this holder's {} is older",
                                        base::quoted(resource), last, token.value));
}

void fence_embedded(sql::Transaction& tx, const FenceStatements& statements, std::string_view resource,
                    FencingToken token) {
  if (!has_table(tx, statements.find_table)) sql::migrate(tx, statements.schema);
  const auto last = tx.maybe<std::int64_t>(statements.find_token, resource);
  if (last && token.value < *last) refuse(tx, resource, *last, token);
  if (!last) {
    sql::migrate(tx, statements.schema);  // Rarely enough to look at the version.
    tx.execute(statements.insert_token, resource, token.value);
  } else if (token.value > *last) {
    tx.execute(statements.advance_token, token.value, resource);
  } else if (!statements.hold_token.empty()) {
    tx.execute(statements.hold_token, resource, tx.runtime().current_task() % kFenceSlots);
  }
}

// True: it is the last token, and stays so until the transaction ends.
bool share(sql::Transaction& tx, const ServerFenceStatements& statements, std::string_view resource,
           FencingToken token) {
  try {
    return tx.maybe<std::int64_t>(statements.share_token, resource, token.value).has_value();
  } catch (const Error& error) {
    if (error.code() != Code::statement_invalid) throw;
    throw Error(Code::not_found, fmt::format("the table tidelock_fence is not there as it should be ({}): call "
                                             "lock::prepare_fence(database) once, before transactions are fenced",
                                             error.what()));
  }
}

void fence_on_server(sql::Transaction& tx, const ServerFenceStatements& statements, std::string_view resource,
                     FencingToken token) {
  if (share(tx, statements, resource, token)) return;
  const auto before = tx.maybe<std::int64_t>(statements.find_token, resource);
  if (before && *before > token.value) refuse(tx, resource, *before, token);
  tx.execute(statements.advance_token, resource, token.value);
  const auto last = tx.one<std::int64_t>(statements.find_token, resource);  // Somebody else's may have come first.
  if (last > token.value) refuse(tx, resource, last, token);
  if (!before) sql::check_version(tx, statements.schema);
}

}  // namespace

void prepare_fence(sql::Database& database, base::Deadline deadline) {
  const auto* statements = embedded(database.dialect());
  sql::migrate(database, statements != nullptr ? statements->schema : server(database.dialect()).schema, deadline);
}

void fence(sql::Transaction& tx, std::string_view resource, FencingToken token) {
  check_key("fenced resource", resource);
  const auto* statements = embedded(tx.dialect());
  const auto* of_server = statements == nullptr ? &server(tx.dialect()) : nullptr;
  if (tx.is_read_only()) {
    throw Error(Code::read_only, fmt::format("{} is fenced in a transaction that may only read: what it reads is no "
                                             "proof; begin one that may write",
                                             base::quoted(resource)));
  }
  if (tx.has_savepoint()) {
    throw Error(Code::misuse, fmt::format("{} is fenced while a savepoint is open: rolling back to it would take the "
                                          "fence away; call fence() before savepoint()",
                                          base::quoted(resource)));
  }
  if (of_server != nullptr) return fence_on_server(tx, *of_server, resource, token);
  fence_embedded(tx, *statements, resource, token);
}

void fence(sql::Transaction& tx, std::string_view resource, const Lease& lease) {
  fence(tx, resource, token_of(lease));
}

std::optional<FencingToken> last_token(sql::Executor& executor, std::string_view resource) {
  const auto* statements = embedded(executor.dialect());
  const auto* of_server = statements == nullptr ? &server(executor.dialect()) : nullptr;
  if (!has_table(executor, statements != nullptr ? statements->find_table : of_server->find_table)) return std::nullopt;
  const auto last =
      executor.maybe<std::int64_t>(statements != nullptr ? statements->find_token : of_server->last_token, resource);
  return last ? std::optional(FencingToken{*last}) : std::nullopt;
}

}  // namespace tidelock::lock

#include "tidelock/lock/backends/sql/server_tables.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/lock/backends/sql/server_statements.h"
#include "tidelock/sql/transact.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kForgottenAfter_us = std::chrono::microseconds(24h).count();

std::int64_t in_us(base::Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

std::optional<std::int64_t> token_of(const Claim& claim) {
  return claim.token ? std::optional(claim.token->value) : std::nullopt;
}

std::string replaced(std::string_view text, std::string_view mark, std::string_view by) {
  std::string out;
  for (auto at = text.find(mark); at != text.npos; at = text.find(mark)) {
    out.append(text.substr(0, at)).append(by);
    text.remove_prefix(at + mark.size());
  }
  return out.append(text);
}

struct Fill {
  std::string_view now, writable;
  std::string operator()(std::string_view text) const {
    return replaced(replaced(text, "{now}", now), "{writable}", writable);
  }
};

}  // namespace

struct ServerTables::Texts {
  Texts(const ServerStatements& say, const Fill& fill)
      : quick_grant(fill(say.quick_grant)),
        quick_extend(fill(say.quick_extend)),
        quick_drop(fill(say.quick_drop)),
        lock_key(fill(say.lock_key)),
        rows_of_key(fill(say.rows_of_key)),
        claims(fill(replaced(say.claims, "{of_key}", "true"))),
        claims_of_key(fill(replaced(say.claims, "{of_key}", say.of_key))),
        sweep_leases(fill(say.sweep_leases)),
        sweep_waiters(fill(say.sweep_waiters)),
        some_keys(fill(say.some_keys)),
        left_keys(fill(say.left_keys)),
        raise_floor(fill(say.raise_floor)),
        forget_keys(fill(say.forget_keys)) {}

  std::string quick_grant, quick_extend, quick_drop, lock_key, rows_of_key, claims, claims_of_key;
  std::string sweep_leases, sweep_waiters, some_keys, left_keys, raise_floor, forget_keys;
};

ServerTables::ServerTables(base::Runtime& runtime, const ServerStatements& statements, std::string now)
    : runtime_(runtime),
      say_(statements),
      texts_(std::make_unique<Texts>(
          statements, Fill{now.empty() ? statements.now : std::string_view(now), statements.writable})) {}

ServerTables::~ServerTables() = default;

const sql::Schema& ServerTables::schema() const { return say_.schema; }

void ServerTables::check(sql::Connection& connection) const { look_at_key(connection, "", nullptr); }

// --- Of one key ---------------------------------------------------------------------------------------------------

std::optional<Moment> ServerTables::lock_key(sql::Transaction& tx, std::string_view key, bool& crowded) const {
  std::optional<Moment> now;
  bool writable = true;
  for (const auto row : tx.query(texts_->lock_key, key)) {
    now = {.tables = row.get<std::int64_t>(0), .here = {}, .last_token = row.get<std::int64_t>(2)};
    crowded = row.get<bool>(1);
    writable = row.get<bool>(3);
  }
  if (!writable) {
    tx.pass_over();
    throw Error(Code::read_only_server, "the server is kept read-only by now: locks are kept on the primary");
  }
  if (now) now->here = runtime_.now();
  return now;
}

Moment ServerTables::enter(sql::Transaction& tx, std::string_view key) const {
  bool crowded = false;
  auto now = lock_key(tx, key, crowded);
  while (!now) {  // The key is new, or was forgotten just now.
    tx.execute(say_.insert_key, key);
    now = lock_key(tx, key, crowded);
  }
  if (!crowded) {
    tx.execute(say_.move_holder, key);
    tx.execute(say_.set_crowded, key);
  }
  return *now;
}

// `now`: of the look itself when null.
KeyRows ServerTables::look_at_key(sql::Executor& executor, std::string_view key, const Moment* now) const {
  KeyRows found;
  std::optional<Moment> here;
  if (now != nullptr) here = *now;
  for (const auto row : executor.query(texts_->rows_of_key, key, key, key)) {
    if (!here) here = {.tables = row.get<std::int64_t>(7), .here = runtime_.now()};
    const bool waits = row.get<std::int64_t>(0) != 0;
    const auto expires_us = row.get<std::int64_t>(4);
    if (expires_us <= here->tables) {
      (waits ? found.any_waiter_over : found.any_lease_over) = true;
      continue;
    }
    (waits ? found.waiters : found.holders)
        .push_back({.claim = row.get<base::Uuid>(1),
                    .owner = row.get<std::string>(2),
                    .permits = row.get<std::uint32_t>(3),
                    .expires = here->here + std::chrono::microseconds(expires_us - here->tables),
                    .token = row.get<std::int64_t>(5),
                    .presence = 0});
  }
  return found;
}

KeyRows ServerTables::read(sql::Transaction& tx, std::string_view key, Moment now) const {
  return look_at_key(tx, key, &now);
}

KeyRows ServerTables::look(sql::Connection& connection, std::string_view key) const {
  return look_at_key(connection, key, nullptr);
}

std::optional<HeldLease> ServerTables::find_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim,
                                                  Moment now) const {
  std::optional<HeldLease> found;
  for (const auto row : tx.query(say_.lease, key, claim)) {
    found = {.owner = row.get<std::string>(0),
             .token = row.get<std::int64_t>(1),
             .over = row.get<std::int64_t>(2) <= now.tables};
  }
  return found;
}

std::optional<std::string> ServerTables::find_waiter(sql::Transaction& tx, std::string_view key,
                                                     const base::Uuid& claim) const {
  return tx.maybe<std::string>(say_.waiter, key, claim);
}

FencingToken ServerTables::grant(sql::Transaction& tx, const Claim& claim, Moment now, bool alone) const {
  const auto& who = runtime_.identity();
  const auto token = std::max(now.last_token + 1, now.tables);
  const auto expires_us = now.tables + in_us(claim.ttl);
  if (alone) {
    tx.execute(say_.set_holder, token, claim.id, claim.owner, who.host, who.pid, claim.permits, now.tables, expires_us,
               claim.key);
  } else {
    tx.execute(say_.set_token, token, claim.key);
    tx.execute(say_.insert_lease, claim.key, claim.id, claim.owner, who.host, who.pid, token, claim.permits, now.tables,
               expires_us);
  }
  return {token};
}

bool ServerTables::extend(sql::Transaction& tx, const Claim& claim, std::string_view owner, Moment now) const {
  return tx.execute(say_.extend_lease, owner, now.tables + in_us(claim.ttl), claim.key, claim.id) != 0;
}

bool ServerTables::drop_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const {
  return tx.execute(say_.delete_lease, key, claim) != 0;
}

void ServerTables::enqueue(sql::Transaction& tx, const Claim& claim, std::int64_t, bool has_place, Moment now) const {
  const auto& who = runtime_.identity();
  const auto expires_us = now.tables + in_us(claim.place_ttl());
  if (has_place && tx.execute(say_.refresh_waiter, claim.owner, expires_us, claim.key, claim.id) != 0) return;
  tx.execute(say_.insert_waiter, claim.key, claim.id, claim.owner, who.host, who.pid, claim.permits, now.tables,
             expires_us);
}

bool ServerTables::drop_waiter(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const {
  return tx.execute(say_.delete_waiter, key, claim) != 0;
}

void ServerTables::sweep(sql::Transaction& tx, std::string_view key, const KeyRows& rows, Moment now) const {
  if (rows.any_lease_over) tx.execute(say_.sweep_leases_of_key, key, now.tables);
  if (rows.any_waiter_over) tx.execute(say_.sweep_waiters_of_key, key, now.tables);
}

void ServerTables::leave(sql::Transaction& tx, std::string_view key) const {
  if (tx.execute(say_.set_quiet, key, key, key) != 0 || say_.notify.empty()) return;
  for ([[maybe_unused]] const auto row : tx.query(say_.notify, key)) {
  }
}

// --- In one statement ---------------------------------------------------------------------------------------------

std::optional<FencingToken> ServerTables::quick_grant(sql::Connection& connection, const Claim& claim) const {
  const auto& who = runtime_.identity();
  std::optional<FencingToken> token;
  for (const auto row : connection.query(texts_->quick_grant, claim.key, claim.id, claim.owner, who.host, who.pid,
                                         claim.permits, in_us(claim.ttl))) {
    if (row.get<std::optional<base::Uuid>>(1) == claim.id) token = FencingToken{row.get<std::int64_t>(0)};
  }
  return token;
}

bool ServerTables::quick_extend(sql::Connection& connection, const Claim& claim) const {
  return connection.execute(texts_->quick_extend, in_us(claim.ttl), claim.key, claim.id, token_of(claim), claim.owner,
                            claim.owner) != 0;
}

bool ServerTables::quick_drop(sql::Connection& connection, const Claim& claim) const {
  return connection.execute(texts_->quick_drop, claim.key, claim.id, token_of(claim), claim.owner, claim.owner) != 0;
}

// --- Of all keys --------------------------------------------------------------------------------------------------

std::vector<KeyState> ServerTables::states(sql::Connection& connection, std::optional<std::string_view> key,
                                           base::Deadline deadline, const Gone&) const {
  if (!deadline.is_never()) {
    connection.set_statement_timeout(std::max(deadline.left(runtime_.now()), base::Duration(1ms)));
  }
  Collector collector;
  auto rows = key ? connection.query(texts_->claims_of_key, *key, *key, *key) : connection.query(texts_->claims);
  for (const auto row : rows) {
    const bool waits = row.get<std::int64_t>(0) != 0;
    const auto left_us = row.get<std::int64_t>(8) - row.get<std::int64_t>(11);
    collector.add({.key = row.get<std::string>(1),
                   .id = row.get<base::Uuid>(2),
                   .owner = row.get<std::string>(3),
                   .host = row.get<std::string>(4),
                   .pid = row.get<std::int64_t>(5),
                   .token = waits ? std::nullopt : std::optional(FencingToken{row.get<std::int64_t>(9)}),
                   .since = base::WallTime(std::chrono::microseconds(row.get<std::int64_t>(7))),
                   .expires_in = std::chrono::microseconds(std::max<std::int64_t>(left_us, 0)),
                   .permits = row.get<std::uint32_t>(6)},
                  waits ? &KeyState::waiters : &KeyState::holders);
  }
  return std::move(collector).sorted();
}

void ServerTables::sweep_all(sql::Database& database, base::Duration timeout) const {
  auto connection = database.connect(runtime_.in(timeout));
  connection.set_statement_timeout(timeout);
  connection.execute(texts_->sweep_leases);
  connection.execute(texts_->sweep_waiters);
}

std::string ServerTables::forget_some(sql::Database& database, const std::string& after, base::Duration timeout) const {
  const base::Deadline deadline = runtime_.in(timeout);
  const sql::TransactOptions once{.isolation = isolation(), .timeout = timeout, .retry = {.max_attempts = 1}};
  std::string last;
  bool any_idle = false;
  std::vector<std::string> left;
  {
    auto connection = database.connect(deadline);
    connection.set_statement_timeout(timeout);
    bool any_left = false;
    for (const auto row : connection.query(texts_->some_keys, kForgottenAfter_us, kForgottenAfter_us, after)) {
      last = row.get<std::optional<std::string>>(0).value_or("");
      if (last.empty()) return last;
      any_idle = row.get<bool>(1);
      any_left = row.get<bool>(2);
    }
    if (any_left) {
      for (const auto row : connection.query(texts_->left_keys, kForgottenAfter_us, after, last)) {
        left.push_back(row.get<std::string>(0));
      }
    }
  }
  for (const auto& key : left) {
    if (deadline.passed(runtime_.now())) return last;
    sql::transact(database, once, [&](sql::Transaction& tx) {
      bool crowded = false;
      if (lock_key(tx, key, crowded) && crowded) leave(tx, key);
    });
  }
  if (!any_idle && left.empty()) return last;
  // The floor is up before anything goes, and its row is not kept locked: on MariaDB every grant of a new key reads it.
  const auto floor = sql::transact(database, once, [&](sql::Transaction& tx) {
    return tx.one<std::int64_t>(texts_->raise_floor, kForgottenAfter_us);
  });
  sql::transact(database, once, [&](sql::Transaction& tx) { tx.execute(texts_->forget_keys, floor, after, last); });
  return last;
}

}  // namespace tidelock::lock

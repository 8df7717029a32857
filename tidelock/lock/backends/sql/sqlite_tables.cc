#include "tidelock/lock/backends/sql/sqlite_tables.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tidelock/lock/backends/sql/sqlite_statements.h"
#include "tidelock/sql/transact.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr const SqliteStatements& kSay = kSqliteStatements;
constexpr auto kKeyForgottenAfter = std::chrono::microseconds(24h);

std::int64_t in_ns(base::Instant moment) { return moment.time_since_epoch().count(); }
std::int64_t in_us(base::WallTime time) { return time.time_since_epoch().count(); }

// By which a row is judged.
struct BootTime {
  std::string_view boot;
  std::int64_t now_ns;

  bool over(std::string_view other_boot, std::int64_t expires_ns) const {
    return other_boot != boot || expires_ns <= now_ns;
  }
};

// True when rows were left out because their time is over.
bool read_rows(std::vector<KeyRows::Row>& out, sql::Rows rows, const BootTime& time) {
  bool any_over = false;
  for (const auto row : rows) {
    const auto expires_ns = row.get<std::int64_t>(4);
    if (time.over(row.get<std::string_view>(3), expires_ns)) {
      any_over = true;
      continue;
    }
    out.push_back({.claim = row.get<base::Uuid>(0),
                   .owner = row.get<std::string>(1),
                   .permits = row.get<std::uint32_t>(2),
                   .expires = base::Instant(base::Duration(expires_ns)),
                   .token = row.get<std::int64_t>(5),
                   .presence = row.get<std::int64_t>(5)});
  }
  return any_over;
}

KeyRows read_key(sql::Executor& executor, std::string_view key, const BootTime& time) {
  KeyRows found;
  found.any_lease_over = read_rows(found.holders, executor.query(kSay.leases_of_key, key), time);
  found.any_waiter_over = read_rows(found.waiters, executor.query(kSay.waiters_of_key, key), time);
  return found;
}

}  // namespace

const sql::Schema& SqliteTables::schema() const { return kSay.schema; }

void SqliteTables::check(sql::Connection& connection) const {
  for (const auto& statement : {kSay.leases_of_key, kSay.waiters_of_key}) {
    for ([[maybe_unused]] const auto row : connection.query(statement, "")) {
    }
  }
}

Moment SqliteTables::now() const {
  const auto now = runtime_.now();
  return {.tables = in_ns(now), .here = now};
}

Moment SqliteTables::enter(sql::Transaction&, std::string_view) const { return now(); }

KeyRows SqliteTables::read(sql::Transaction& tx, std::string_view key, Moment now) const {
  return read_key(tx, key, {runtime_.identity().boot_id, now.tables});
}

std::optional<HeldLease> SqliteTables::find_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim,
                                                  Moment now) const {
  const BootTime time{runtime_.identity().boot_id, now.tables};
  std::optional<HeldLease> found;
  for (const auto row : tx.query(kSay.lease, key, claim)) {
    found = {.owner = row.get<std::string>(0),
             .token = row.get<std::int64_t>(1),
             .over = time.over(row.get<std::string_view>(2), row.get<std::int64_t>(3))};
  }
  return found;
}

std::optional<std::string> SqliteTables::find_waiter(sql::Transaction& tx, std::string_view key,
                                                     const base::Uuid& claim) const {
  return tx.maybe<std::string>(kSay.waiter, key, claim);
}

FencingToken SqliteTables::grant(sql::Transaction& tx, const Claim& claim, Moment now, bool) const {
  const auto& identity = runtime_.identity();
  const auto wall_us = in_us(runtime_.wall_now());
  tx.execute(kSay.raise_token, claim.key, wall_us);
  const auto token = tx.one<std::int64_t>(kSay.token, claim.key);
  tx.execute(kSay.insert_lease, claim.key, claim.id, claim.owner, identity.host, identity.pid, token, claim.permits,
             wall_us, identity.boot_id, in_ns(now.here + claim.ttl));
  return {token};
}

bool SqliteTables::extend(sql::Transaction& tx, const Claim& claim, std::string_view owner, Moment now) const {
  return tx.execute(kSay.renew_lease, owner, in_ns(now.here + claim.ttl), claim.key, claim.id) != 0;
}

bool SqliteTables::drop_lease(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const {
  return tx.execute(kSay.delete_lease, key, claim) != 0;
}

void SqliteTables::enqueue(sql::Transaction& tx, const Claim& claim, std::int64_t presence, bool has_place,
                           Moment now) const {
  const auto& identity = runtime_.identity();
  const auto expires_ns = in_ns(now.here + claim.place_ttl());
  if (has_place) {
    tx.execute(kSay.refresh_waiter, claim.owner, expires_ns, presence, claim.key, claim.id);
  } else {
    tx.execute(kSay.insert_waiter, claim.key, claim.id, claim.owner, identity.host, identity.pid, claim.permits,
               in_us(runtime_.wall_now()), identity.boot_id, expires_ns, presence);
  }
}

bool SqliteTables::drop_waiter(sql::Transaction& tx, std::string_view key, const base::Uuid& claim) const {
  return tx.execute(kSay.delete_waiter, key, claim) != 0;
}

void SqliteTables::sweep(sql::Transaction& tx, std::string_view key, const KeyRows& rows, Moment now) const {
  const auto& boot = runtime_.identity().boot_id;
  if (rows.any_lease_over) tx.execute(kSay.sweep_leases_of_key, key, boot, now.tables);
  if (rows.any_waiter_over) tx.execute(kSay.sweep_waiters_of_key, key, boot, now.tables);
}

KeyRows SqliteTables::look(sql::Connection& connection, std::string_view key) const {
  return read_key(connection, key, {runtime_.identity().boot_id, now().tables});
}

std::vector<KeyState> SqliteTables::states(sql::Connection& connection, std::optional<std::string_view> key,
                                           base::Deadline deadline, const Gone& gone) const {
  const auto timeout =
      deadline.is_never() ? sql::kNoTimeout : std::max(deadline.left(runtime_.now()), base::Duration(1ms));
  auto tx = connection.begin({.isolation = std::nullopt, .read_only = true, .timeout = timeout, .stop = {}});
  const auto now = this->now();
  const BootTime time{runtime_.identity().boot_id, now.tables};
  Collector collector;
  const auto read = [&](std::string_view statement, std::vector<ClaimState> KeyState::*list, bool holders) {
    for (const auto row : tx.query(statement)) {
      if (key && row.get<std::string_view>(0) != *key) continue;
      if (!holders && gone(row.get<std::int64_t>(9))) continue;
      const auto expires_ns = row.get<std::int64_t>(8);
      const bool over = time.over(row.get<std::string_view>(7), expires_ns);
      collector.add({.key = row.get<std::string>(0),
                     .id = row.get<base::Uuid>(1),
                     .owner = row.get<std::string>(2),
                     .host = row.get<std::string>(3),
                     .pid = row.get<std::int64_t>(4),
                     .token = holders ? std::optional(FencingToken{row.get<std::int64_t>(9)}) : std::nullopt,
                     .since = base::WallTime(std::chrono::microseconds(row.get<std::int64_t>(6))),
                     .expires_in = over ? base::Duration::zero() : base::Duration(expires_ns - now.tables),
                     .permits = row.get<std::uint32_t>(5)},
                    list);
    }
  };
  read(kSay.all_leases, &KeyState::holders, true);
  read(kSay.all_waiters, &KeyState::waiters, false);
  return std::move(collector).sorted();
}

void SqliteTables::sweep_all(sql::Database& database, base::Duration timeout) const {
  sql::transact(database, {.timeout = timeout, .retry = {.max_attempts = 1}}, [&](sql::Transaction& tx) {
    const auto& boot = runtime_.identity().boot_id;
    const auto now_ns = now().tables;
    tx.execute(kSay.sweep_leases, boot, now_ns);
    tx.execute(kSay.sweep_waiters, boot, now_ns);
  });
}

std::string SqliteTables::forget_some(sql::Database& database, const std::string& after, base::Duration timeout) const {
  const auto idle_since = in_us(runtime_.wall_now() - kKeyForgottenAfter);
  std::string last;
  bool any_idle = false;
  {
    auto connection = database.connect(runtime_.in(timeout));
    connection.set_statement_timeout(timeout);
    for (const auto row : connection.query(kSay.some_keys, idle_since, after)) {
      last = row.get<std::optional<std::string>>(0).value_or("");
      any_idle = row.get<std::optional<std::int64_t>>(1).value_or(0) != 0;
    }
  }
  if (!any_idle) return last;
  sql::transact(database, {.timeout = timeout, .retry = {.max_attempts = 1}}, [&](sql::Transaction& tx) {
    tx.execute(kSay.raise_token_floor, after, last, idle_since);
    tx.execute(kSay.forget_keys, after, last, idle_since);
  });
  return last;
}

}  // namespace tidelock::lock

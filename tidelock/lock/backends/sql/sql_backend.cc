#include "tidelock/lock/backends/sql/sql_backend.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/lock/owner.h"
#include "tidelock/lock/refusals.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kPatience = 5s;           // With the database, where the caller gives no deadline.
constexpr std::uint32_t kGrantsPerTidying = 1000;  // Rows of the dead are swept, and keys forgotten, so often.
constexpr base::Duration kTidyPatience = 100ms;    // Nobody waits for it.
constexpr auto kKeyForgottenAfter = std::chrono::microseconds(24h);

std::int64_t in_us(base::WallTime time) { return time.time_since_epoch().count(); }

void check_owner(std::string_view asker, std::string_view owner, std::string_view key) {
  if (!acts_for(asker, owner)) throw not_holder(key, owner, asker);
}

}  // namespace

SqlBackend::SqlBackend(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options)
    : runtime_(runtime),
      guarantees_{.fencing_tokens = true,
                  .fifo = true,
                  .waiters_visible = true,
                  .whose_clock = "this machine's boot clock",
                  .note =
                      "Excludes all processes of one machine that open the same file, which must be on a local "
                      "disk. Who deletes the file frees all its locks."},
      read_only_(options.read_only),
      state_file_(runtime, files, std::move(url), options),
      watcher_(runtime, files, state_file_, [this](std::string_view key) { return find_turns(key); }) {
  state_file_.get(runtime.in(options.patience));
  if (!read_only_) tidy_up(runtime.in(kTidyPatience));
}

sql::Transaction SqlBackend::begin(sql::Connection& connection, bool read_only, base::Deadline deadline) {
  const auto timeout = deadline.is_never() ? sql::kNoTimeout : deadline.left(runtime_.now());
  if (timeout == base::Duration::zero()) throw Error(Code::timeout, "the deadline passed before the request was made");
  return connection.begin({.isolation = std::nullopt, .read_only = read_only, .timeout = timeout, .stop = {}});
}

// Runs unit(Request&) in a transaction that excludes all other writers, and commits it.
template <typename Unit>
auto SqlBackend::write(base::Deadline deadline, Unit&& unit) {
  if (read_only_) throw Error(Code::misuse, "the state of the locks was opened for reading");
  const auto state = state_file_.get(deadline);
  auto connection = state->database->connect(deadline);
  auto tx = begin(connection, false, deadline);
  Request request{tx, state->statements, boot_time(), state->presence.get()};
  if constexpr (std::is_void_v<std::invoke_result_t<Unit&, Request&>>) {
    unit(request);
    tx.commit();
  } else {
    auto result = unit(request);
    tx.commit();
    return result;
  }
}

Attempt SqlBackend::try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) {
  const auto attempt = write(deadline, [&](Request& request) -> Attempt {
    auto& [tx, statements, time, presence] = request;
    auto rows = KeyRows::read(tx, statements, claim.key, time);
    const auto now_ns = BootTime::in_ns(time.now);
    if (rows.any_lease_over) tx.execute(statements.sweep_leases_of_key, claim.key, time.boot, now_ns);
    if (rows.any_waiter_over) tx.execute(statements.sweep_waiters_of_key, claim.key, time.boot, now_ns);
    const bool all_agree = std::ranges::all_of(rows.waiters, [&](auto& row) { return row.permits == claim.permits; });
    const bool some_free = rows.holders.size() < claim.permits;
    if (!all_agree || (some_free && rows.find_waiter(claim.id) > 0)) drop_gone(request, claim.key, rows);
    for (const auto* list : {&rows.holders, &rows.waiters}) {
      for (const auto& row : *list) {
        if (row.permits != claim.permits) {
          throw permits_differ(claim.key, row.permits, row.owner, claim.permits, claim.owner);
        }
      }
    }
    if (const auto* mine = rows.find_holder(claim.id)) {
      tx.execute(statements.renew_lease, claim.owner, BootTime::in_ns(time.now + claim.ttl), claim.key, claim.id);
      return {.granted = true, .token = FencingToken{mine->token}};
    }
    const auto place = rows.find_waiter(claim.id);
    const bool has_place = place < rows.waiters.size();
    if (rows.is_turn_of(place, claim.permits)) {
      if (has_place) tx.execute(statements.delete_waiter, claim.key, claim.id);
      return grant(request, claim);
    }
    if (queue == Queue::yes) enqueue(request, claim, has_place);
    return {.granted = false, .token = std::nullopt, .retry_at = rows.next_expiry(place)};
  });
  if (attempt.granted && ++grants_ % kGrantsPerTidying == 0) tidy_up(runtime_.in(kTidyPatience));
  return attempt;
}

void SqlBackend::wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) {
  watcher_.wait(claim, deadline, stop);
}

void SqlBackend::renew(const Claim& claim, base::Deadline deadline) {
  write(deadline, [&](Request& request) {
    auto& [tx, statements, time, presence] = request;
    std::string owner;
    bool held = false;
    for (const auto row : tx.query(statements.lease, claim.key, claim.id)) {
      owner = row.get<std::string>(0);
      held = (!claim.token || claim.token->value == row.get<std::int64_t>(1)) &&
             !time.over(row.get<std::string_view>(2), row.get<std::int64_t>(3));
    }
    if (!held) throw lease_lost(claim.key);
    check_owner(claim.owner, owner, claim.key);
    tx.execute(statements.renew_lease, owner, BootTime::in_ns(time.now + claim.ttl), claim.key, claim.id);
  });
}

void SqlBackend::release(const Claim& claim, base::Deadline deadline) {
  write(deadline, [&](Request& request) {
    auto& [tx, statements, time, presence] = request;
    for (const auto row : tx.query(statements.lease, claim.key, claim.id)) {
      check_owner(claim.owner, row.get<std::string_view>(0), claim.key);
      if (claim.token && claim.token->value != row.get<std::int64_t>(1)) return;
    }
    if (tx.execute(statements.delete_lease, claim.key, claim.id) != 0) return;
    if (const auto owner = tx.maybe<std::string>(statements.waiter, claim.key, claim.id)) {
      check_owner(claim.owner, *owner, claim.key);
      tx.execute(statements.delete_waiter, claim.key, claim.id);
    }
  });
  watcher_.look(claim.key);
}

std::vector<KeyState> SqlBackend::snapshot(std::optional<std::string_view> key, base::Deadline deadline) {
  const auto state = state_file_.get(deadline);
  if (state == nullptr) return {};
  auto connection = state->database->connect(deadline);
  auto tx = begin(connection, true, deadline);
  Presence::Look look(state->presence.get());
  const auto time = boot_time();
  std::map<std::string, KeyState, std::less<>> states;
  const auto read = [&](std::string_view statement, std::vector<ClaimState> KeyState::*list, bool holders) {
    for (const auto row : tx.query(statement)) {
      const auto name = row.get<std::string_view>(0);
      if (key && *key != name) continue;
      if (!holders && look.gone(row.get<std::int64_t>(9))) continue;
      auto& of_key = states[std::string(name)];
      of_key.key = name;
      const auto expires_boot_ns = row.get<std::int64_t>(8);
      const bool over = time.over(row.get<std::string_view>(7), expires_boot_ns);
      (of_key.*list)
          .push_back(
              {.key = of_key.key,
               .id = row.get<base::Uuid>(1),
               .owner = row.get<std::string>(2),
               .host = row.get<std::string>(3),
               .pid = row.get<std::int64_t>(4),
               .token = holders ? std::optional(FencingToken{row.get<std::int64_t>(9)}) : std::nullopt,
               .since = base::WallTime(std::chrono::microseconds(row.get<std::int64_t>(6))),
               .expires_in = over ? base::Duration::zero() : base::Instant(base::Duration(expires_boot_ns)) - time.now,
               .permits = row.get<std::uint32_t>(5)});
    }
  };
  read(state->statements.all_leases, &KeyState::holders, true);
  read(state->statements.all_waiters, &KeyState::waiters, false);
  std::vector<KeyState> sorted;
  for (auto& [name, of_key] : states) sorted.push_back(std::move(of_key));
  return sorted;
}

std::size_t SqlBackend::break_claims(std::string_view key, std::span<const base::Uuid> claims,
                                     base::Deadline deadline) {
  const auto broken = write(deadline, [&](Request& request) {
    std::size_t count = 0;
    for (const auto& claim : claims) {
      const auto leases = request.tx.execute(request.statements.delete_lease, key, claim);
      const auto waiters = request.tx.execute(request.statements.delete_waiter, key, claim);
      count += leases + waiters != 0 ? 1U : 0U;
    }
    return count;
  });
  watcher_.look(key);
  return broken;
}

FencingToken SqlBackend::next_token(Request& request, std::string_view key) {
  return {request.tx.one<std::int64_t>(request.statements.next_token, key, in_us(runtime_.wall_now()))};
}

Attempt SqlBackend::grant(Request& request, const Claim& claim) {
  const auto& [tx, statements, time, presence] = request;
  const auto& identity = runtime_.identity();
  const auto token = next_token(request, claim.key);
  tx.execute(statements.insert_lease, claim.key, claim.id, claim.owner, identity.host, identity.pid, token.value,
             claim.permits, in_us(runtime_.wall_now()), time.boot, BootTime::in_ns(time.now + claim.ttl));
  return {.granted = true, .token = token};
}

void SqlBackend::enqueue(Request& request, const Claim& claim, bool has_place) {
  const auto& [tx, statements, time, presence] = request;
  const auto& identity = runtime_.identity();
  const auto byte = presence == nullptr ? 0 : presence->mine();
  const auto expires_boot_ns = BootTime::in_ns(time.now + claim.ttl);
  if (has_place) {
    tx.execute(statements.refresh_waiter, claim.owner, expires_boot_ns, byte, claim.key, claim.id);
  } else {
    tx.execute(statements.insert_waiter, claim.key, claim.id, claim.owner, identity.host, identity.pid, claim.permits,
               in_us(runtime_.wall_now()), time.boot, expires_boot_ns, byte);
  }
}

// The place of somebody who ended is given up for him.
void SqlBackend::drop_gone(Request& request, std::string_view key, KeyRows& rows) {
  Presence::Look look(request.presence);
  for (std::size_t place = 0; place < rows.waiters.size();) {
    const auto& waiter = rows.waiters[place];
    if (!look.gone(waiter.presence)) {
      ++place;
      continue;
    }
    request.tx.execute(request.statements.delete_waiter, key, waiter.claim);
    rows.drop_waiter(place);
  }
}

std::vector<base::Uuid> SqlBackend::find_turns(std::string_view key) {
  const auto deadline = runtime_.in(kPatience);
  const auto state = state_file_.get(deadline);
  auto connection = state->database->connect(deadline);
  const auto rows = KeyRows::read(connection, state->statements, key, boot_time());
  Presence::Look look(state->presence.get());
  std::vector<base::Uuid> turns;
  for (const auto& waiter : rows.waiters) {
    if (!rows.is_turn_of(turns.size(), waiter.permits)) break;
    if (!look.gone(waiter.presence)) turns.push_back(waiter.claim);
  }
  return turns;
}

// What the dead left behind goes away. Nothing depends on it.
void SqlBackend::tidy_up(base::Deadline deadline) {
  try {
    write(deadline, [&](Request& request) {
      auto& [tx, statements, time, presence] = request;
      const auto now_ns = BootTime::in_ns(time.now);
      tx.execute(statements.sweep_leases, time.boot, now_ns);
      tx.execute(statements.sweep_waiters, time.boot, now_ns);
      const auto idle_since = in_us(runtime_.wall_now() - kKeyForgottenAfter);
      tx.execute(statements.raise_token_floor, idle_since);
      tx.execute(statements.forget_keys, idle_since);
    });
  } catch (const Error&) {  // The next one does it.
  }
}

}  // namespace tidelock::lock

#include "tidelock/lock/backends/sql/sql_backend.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/retry.h"
#include "tidelock/lock/backends/sql/state_file.h"
#include "tidelock/lock/backends/sql/state_server.h"
#include "tidelock/lock/owner.h"
#include "tidelock/lock/refusals.h"
#include "tidelock/sql/transact.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kGrantsPerTidying = 1000;  // Rows of the dead are swept, and keys forgotten, so often.
constexpr base::Duration kTidyPatience = 100ms;    // Nobody waits for it.
// Of a request that lost against another one and was rolled back.
constexpr base::RetryPolicy kReruns{.max_attempts = 10, .backoff = {.base = 1ms, .cap = 100ms}};

void check_owner(std::string_view asker, std::string_view owner, std::string_view key) {
  if (!acts_for(asker, owner)) throw not_holder(key, owner, asker);
}

std::unique_ptr<StateSource> open_source(base::Runtime& runtime, base::Files& files, base::Url url,
                                         const OpenOptions& options) {
  if (url.scheme == "sqlite") return std::make_unique<StateFile>(runtime, files, std::move(url), options);
  return std::make_unique<StateServer>(runtime, files, std::move(url), options);
}

}  // namespace

SqlBackend::SqlBackend(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options)
    : SqlBackend(runtime, open_source(runtime, files, std::move(url), options), options) {}

SqlBackend::SqlBackend(base::Runtime& runtime, std::unique_ptr<StateSource> source, const OpenOptions& options)
    : runtime_(runtime),
      read_only_(options.read_only),
      source_(std::move(source)),
      guarantees_(source_->guarantees()),
      watcher_(runtime, *source_, [this](std::string_view key, base::Deadline deadline, const std::stop_token& stop) {
        return find_turns(key, deadline, stop);
      }) {
  const auto state = source_->get(runtime.in(options.patience));
  if (read_only_) return;
  if (state->tables().has_quick()) {
    grants_ = static_cast<std::uint32_t>(runtime.random() % kGrantsPerTidying);  // Of many short users one tidies up.
  } else {
    tidy_up("");
  }
}

base::Duration SqlBackend::time_left(base::Deadline deadline) {
  const auto left = deadline.is_never() ? sql::kNoTimeout : deadline.left(runtime_.now());
  if (left == base::Duration::zero()) throw Error(Code::timeout, "the deadline passed before the request was made");
  return left;
}

std::shared_ptr<const State> SqlBackend::state_to_write(base::Deadline deadline) {
  if (read_only_) throw Error(Code::misuse, "the state of the locks was opened for reading");
  return source_->get(deadline);
}

// Runs unit(Request&) in a transaction that excludes all other writers of the key, and commits it.
template <typename Unit>
auto SqlBackend::write(const State& state, std::string_view key, base::Deadline deadline, Unit&& unit) {
  const auto left = time_left(deadline);
  sql::TransactOptions options{.isolation = state.tables().isolation(), .timeout = left, .retry = kReruns};
  if (left != sql::kNoTimeout) options.retry.total_limit = left;
  return sql::transact(state.database(), options, [&](sql::Transaction& tx) {
    Request request{tx, state.tables(), state.tables().enter(tx, key), state.presence()};
    return unit(request);
  });
}

// The same for one statement that is committed by itself.
template <typename Call>
auto SqlBackend::quick(const State& state, base::Deadline deadline, Call&& call) {
  decltype(call(std::declval<sql::Connection&>())) done{};
  if (!state.tables().has_quick()) return done;
  const base::RetryObserver nobody;
  const std::stop_token never;
  base::RetryState reruns(runtime_, kReruns, never, nobody);
  for (;;) {
    try {
      auto connection = state.database().connect(deadline);
      if (!deadline.is_never()) connection.set_statement_timeout(time_left(deadline));
      return call(connection);
    } catch (const Error& error) {
      if (error.disposition() != Disposition::rerun_unit || !reruns.again(error)) throw;
    }
    reruns.pause();
  }
}

Attempt SqlBackend::try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) {
  const auto state = state_to_write(deadline);
  Attempt done;
  done.token = quick(*state, deadline, [&](sql::Connection& on) { return state->tables().quick_grant(on, claim); });
  done.granted = done.token.has_value();
  if (!done.granted && queue == Queue::no && state->tables().has_quick()) {
    if (auto refused = refusal(*state, claim, deadline)) return *refused;
  }
  if (!done.granted) {
    done = write(*state, claim.key, deadline, [&](Request& request) { return attempt(request, claim, queue); });
  }
  if (done.granted && ++grants_ % kGrantsPerTidying == 0) tidy_up(claim.key);
  return done;
}

// Refuses without writing, where one look shows that nothing is free; a transaction tells otherwise.
std::optional<Attempt> SqlBackend::refusal(const State& state, const Claim& claim, base::Deadline deadline) {
  auto connection = state.database().connect(deadline);
  if (!deadline.is_never()) connection.set_statement_timeout(time_left(deadline));
  const auto rows = state.tables().look(connection, claim.key);
  const auto place = rows.find_waiter(claim.id);
  const auto agrees = [&](const KeyRows::Row& row) { return row.permits == claim.permits; };
  if (rows.is_turn_of(place, claim.permits) || place < rows.waiters.size() || rows.find_holder(claim.id) != nullptr ||
      !std::ranges::all_of(rows.holders, agrees) || !std::ranges::all_of(rows.waiters, agrees)) {
    return std::nullopt;
  }
  return Attempt{.granted = false, .token = std::nullopt, .retry_at = rows.next_expiry(place)};
}

Attempt SqlBackend::attempt(Request& request, const Claim& claim, Queue queue) {
  auto& [tx, tables, now, presence] = request;
  auto rows = tables.read(tx, claim.key, now);
  tables.sweep(tx, claim.key, rows, now);
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
  const auto* mine = rows.find_holder(claim.id);
  if (mine != nullptr && tables.extend(tx, claim, claim.owner, now)) {
    return {.granted = true, .token = FencingToken{mine->token}};
  }
  const auto place = rows.find_waiter(claim.id);
  const bool has_place = place < rows.waiters.size();
  if (rows.is_turn_of(place, claim.permits)) {
    if (has_place) tables.drop_waiter(tx, claim.key, claim.id);
    const bool alone = rows.holders.empty() && rows.waiters.size() == (has_place ? 1U : 0U);
    return {.granted = true, .token = tables.grant(tx, claim, now, alone)};
  }
  if (queue == Queue::yes) {
    tables.enqueue(tx, claim, presence == nullptr ? 0 : presence->mine(), has_place, now);
  }
  return {.granted = false, .token = std::nullopt, .retry_at = rows.next_expiry(place)};
}

void SqlBackend::wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) {
  watcher_.wait(claim, deadline, stop);
}

void SqlBackend::renew(const Claim& claim, base::Deadline deadline) {
  const auto state = state_to_write(deadline);
  if (quick(*state, deadline, [&](sql::Connection& on) { return state->tables().quick_extend(on, claim); })) return;
  write(*state, claim.key, deadline, [&](Request& request) {
    auto& [tx, tables, now, presence] = request;
    const auto lease = tables.find_lease(tx, claim.key, claim.id, now);
    if (!lease || lease->over || (claim.token && claim.token->value != lease->token)) throw lease_lost(claim.key);
    check_owner(claim.owner, lease->owner, claim.key);
    if (!tables.extend(tx, claim, lease->owner, now)) throw lease_lost(claim.key);
  });
}

void SqlBackend::release(const Claim& claim, base::Deadline deadline) {
  const auto state = state_to_write(deadline);
  if (quick(*state, deadline, [&](sql::Connection& on) { return state->tables().quick_drop(on, claim); })) return;
  write(*state, claim.key, deadline, [&](Request& request) {
    auto& [tx, tables, now, presence] = request;
    bool dropped = false;
    if (const auto lease = tables.find_lease(tx, claim.key, claim.id, now)) {
      check_owner(claim.owner, lease->owner, claim.key);
      if (!claim.token || claim.token->value == lease->token) dropped = tables.drop_lease(tx, claim.key, claim.id);
    } else if (const auto owner = tables.find_waiter(tx, claim.key, claim.id)) {
      check_owner(claim.owner, *owner, claim.key);
      dropped = tables.drop_waiter(tx, claim.key, claim.id);
    }
    end(request, claim.key, dropped);
  });
  watcher_.look(claim.key, deadline);
}

std::vector<KeyState> SqlBackend::snapshot(std::optional<std::string_view> key, base::Deadline deadline) {
  std::shared_ptr<const State> state;
  const auto read = [&]() -> std::vector<KeyState> {
    state.reset();
    time_left(deadline);
    state = source_->get(deadline);
    if (state == nullptr) return {};
    auto connection = state->database().connect(deadline);
    Presence::Look look(state->presence());
    return state->tables().states(connection, key, deadline, [&](std::int64_t byte) { return look.gone(byte); });
  };
  return read_undisturbed(read, [&] { return state == nullptr || state->still_holds(); });
}

std::size_t SqlBackend::break_claims(std::string_view key, std::span<const base::Uuid> claims,
                                     base::Deadline deadline) {
  const auto state = state_to_write(deadline);
  const auto broken = write(*state, key, deadline, [&](Request& request) {
    std::size_t count = 0;
    for (const auto& claim : claims) {
      const bool held = request.tables.drop_lease(request.tx, key, claim);
      const bool waited = request.tables.drop_waiter(request.tx, key, claim);
      count += held || waited ? 1U : 0U;
    }
    end(request, key, count != 0);
    return count;
  });
  watcher_.look(key, deadline);
  return broken;
}

// A request that was to take something away. One that came too late leaves the key as it was.
void SqlBackend::end(Request& request, std::string_view key, bool dropped) {
  if (dropped) {
    request.tables.leave(request.tx, key);
  } else {
    request.tx.rollback();
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
    request.tables.drop_waiter(request.tx, key, waiter.claim);
    rows.drop_waiter(place);
  }
}

std::vector<base::Uuid> SqlBackend::find_turns(std::string_view key, base::Deadline deadline,
                                               const std::stop_token& stop) {
  const auto state = source_->get(deadline);
  auto connection = state->database().connect(deadline, stop);
  connection.set_statement_timeout(time_left(deadline));
  const auto rows = state->tables().look(connection, key);
  Presence::Look look(state->presence());
  std::vector<base::Uuid> turns;
  for (const auto& waiter : rows.waiters) {
    if (!rows.is_turn_of(turns.size(), waiter.permits)) break;
    if (!look.gone(waiter.presence)) turns.push_back(waiter.claim);
  }
  return turns;
}

// Nothing depends on it: what fails is left to the next one. In a big table each goes on where the last one stopped,
// and the first one begins `near` a key of its own, so that short users do not all look at the same keys.
void SqlBackend::tidy_up(std::string_view near) {
  const base::Deadline deadline = runtime_.in(kTidyPatience);
  const auto left = [&] { return std::max(deadline.left(runtime_.now()), base::Duration(1ms)); };
  try {
    const auto state = source_->get(deadline);
    state->tables().sweep_all(state->database(), left());
    std::string at(near);
    {
      const base::LocalGuard guard(mutex_);
      if (tidied_to_) at = *std::exchange(tidied_to_, std::nullopt);  // Nothing holds up the next one twice.
    }
    do {
      at = state->tables().forget_some(state->database(), at, left());
    } while (!at.empty() && !deadline.passed(runtime_.now()));
    const base::LocalGuard guard(mutex_);
    tidied_to_ = at;
  } catch (const Error&) {
  }
}

}  // namespace tidelock::lock

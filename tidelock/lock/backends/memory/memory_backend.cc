#include "tidelock/lock/backends/memory/memory_backend.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/lock/owner.h"
#include "tidelock/lock/refusals.h"

namespace tidelock::lock {
namespace {

constexpr std::size_t kIdleKept = 1024;  // Entries of keys that nobody uses.

}  // namespace

MemoryBackend::MemoryBackend(base::Runtime& runtime)
    : runtime_(runtime),
      guarantees_{.fencing_tokens = true,
                  .fifo = true,
                  .waiters_visible = true,
                  .whose_clock = "this machine's boot clock",
                  .note = "Holds between the tasks of one process; its locks end with it."},
      wall_offset_(runtime.wall_now().time_since_epoch() - runtime.now().time_since_epoch()),
      sweep_at_(2 * kIdleKept) {}

Attempt MemoryBackend::try_acquire(const Claim& claim, Queue queue, base::Deadline) {
  const auto now = runtime_.now();
  const base::LocalGuard guard(mutex_);
  auto* entry = find(claim.key);
  if (entry == nullptr) {
    if (entries_.size() >= sweep_at_) sweep_all(now);
    entry = &entries_[std::string(claim.key)];
    ++idle_;
  }
  if (entry->idle()) {
    --idle_;
    entry->permits = claim.permits;
    return grant(*entry, claim, now);
  }

  sweep(*entry, now);
  if (entry->idle()) entry->permits = claim.permits;
  if (entry->permits != claim.permits) {
    const auto& other = entry->held != 0 ? entry->holders[0].owner : entry->waiters[0].owner;
    throw permits_differ(claim.key, entry->permits, other, claim.permits, claim.owner);
  }
  if (auto* holder = entry->find_holder(claim.id)) {
    holder->owner = claim.owner;
    holder->expires = std::max(holder->expires, now + claim.ttl);
    return {.granted = true, .token = holder->token};
  }
  const auto place = entry->find_waiter(claim.id);
  if (entry->is_turn_of(place)) {
    if (place < entry->waiters.size())
      entry->waiters.erase(entry->waiters.begin() + static_cast<std::ptrdiff_t>(place));
    return grant(*entry, claim, now);
  }
  Attempt refused;
  for (std::size_t i = 0; i < entry->held; ++i) {
    refused.retry_at = std::min(refused.retry_at, entry->holders[i].expires);
  }
  for (std::size_t i = 0; i < place; ++i) refused.retry_at = std::min(refused.retry_at, entry->waiters[i].expires);
  if (queue == Queue::yes) enqueue(*entry, claim, place, now);
  return refused;
}

void MemoryBackend::wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) {
  std::shared_ptr<base::Signal> turn;
  std::uint64_t seen = 0;
  {
    const base::LocalGuard guard(mutex_);
    const auto* entry = find(claim.key);
    if (entry == nullptr) return;
    const auto place = entry->find_waiter(claim.id);
    if (place == entry->waiters.size() || entry->is_turn_of(place)) return;
    turn = entry->waiters[place].turn;
    seen = turn->count();
  }
  turn->wait(seen, deadline, stop);
}

void MemoryBackend::renew(const Claim& claim, base::Deadline) {
  const auto now = runtime_.now();
  const base::LocalGuard guard(mutex_);
  auto* entry = find(claim.key);
  auto* holder = entry == nullptr ? nullptr : entry->find_holder(claim.id);
  if (holder == nullptr || holder->expires <= now || (claim.token && *claim.token != holder->token)) {
    throw lease_lost(claim.key);
  }
  if (!acts_for(claim.owner, holder->owner)) throw not_holder(claim.key, holder->owner, claim.owner);
  holder->expires = std::max(holder->expires, now + claim.ttl);
}

void MemoryBackend::release(const Claim& claim, base::Deadline) {
  const base::LocalGuard guard(mutex_);
  auto* entry = find(claim.key);
  if (entry == nullptr || entry->idle()) return;
  if (auto* holder = entry->find_holder(claim.id)) {
    if (!acts_for(claim.owner, holder->owner)) throw not_holder(claim.key, holder->owner, claim.owner);
    if (claim.token && *claim.token != holder->token) return;
    entry->drop_holder(static_cast<std::size_t>(holder - entry->holders.data()));
  } else if (const auto place = entry->find_waiter(claim.id); place < entry->waiters.size()) {
    const auto& owner = entry->waiters[place].owner;
    if (!acts_for(claim.owner, owner)) throw not_holder(claim.key, owner, claim.owner);
    entry->waiters.erase(entry->waiters.begin() + static_cast<std::ptrdiff_t>(place));
  } else {
    return;
  }
  wake_next(*entry);
  if (entry->idle()) note_idle();
}

std::vector<KeyState> MemoryBackend::snapshot(std::optional<std::string_view> key, base::Deadline) {
  const auto now = runtime_.now();
  const auto& identity = runtime_.identity();
  std::vector<KeyState> states;
  const base::LocalGuard guard(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (entry.idle() || (key && *key != name)) continue;
    const auto state_of = [&, &name = name, &entry = entry](const auto& who) {
      return ClaimState{.key = name,
                        .id = who.id,
                        .owner = who.owner,
                        .host = identity.host,
                        .pid = identity.pid,
                        .token = std::nullopt,
                        .since = wall_time(who.since),
                        .expires_in = who.expires - now,
                        .permits = entry.permits};
    };
    auto& state = states.emplace_back(KeyState{.key = name, .holders = {}, .waiters = {}});
    for (std::size_t i = 0; i < entry.held; ++i) {
      state.holders.push_back(state_of(entry.holders[i]));
      state.holders.back().token = entry.holders[i].token;
    }
    std::sort(state.holders.begin(), state.holders.end(), [](auto& a, auto& b) { return a.token < b.token; });
    for (const auto& waiter : entry.waiters) state.waiters.push_back(state_of(waiter));
  }
  std::sort(states.begin(), states.end(), [](auto& a, auto& b) { return a.key < b.key; });
  return states;
}

std::size_t MemoryBackend::break_claims(std::string_view key, std::span<const base::Uuid> claims, base::Deadline) {
  const auto now = runtime_.now();
  const base::LocalGuard guard(mutex_);
  auto* entry = find(key);
  if (entry == nullptr || entry->idle()) return 0;
  std::size_t broken = 0;
  for (const auto& claim : claims) {
    if (auto* holder = entry->find_holder(claim)) {
      broken += holder->expires > now ? 1U : 0U;
      entry->drop_holder(static_cast<std::size_t>(holder - entry->holders.data()));
    }
    broken += std::erase_if(entry->waiters, [&](const auto& waiter) { return waiter.id == claim; });
  }
  wake_next(*entry);
  if (entry->idle()) note_idle();
  return broken;
}

MemoryBackend::Holder* MemoryBackend::Entry::find_holder(const base::Uuid& id) {
  for (std::size_t i = 0; i < held; ++i) {
    if (holders[i].id == id) return &holders[i];
  }
  return nullptr;
}

std::size_t MemoryBackend::Entry::find_waiter(const base::Uuid& id) const {
  const auto at = std::find_if(waiters.begin(), waiters.end(), [&](const auto& waiter) { return waiter.id == id; });
  return static_cast<std::size_t>(at - waiters.begin());
}

void MemoryBackend::Entry::drop_holder(std::size_t index) {
  --held;
  if (index != held) std::swap(holders[index], holders[held]);
}

Attempt MemoryBackend::grant(Entry& entry, const Claim& claim, base::Instant now) {
  last_token_ = std::max(last_token_ + 1, wall_time(now).time_since_epoch().count());
  if (entry.held == entry.holders.size()) entry.holders.emplace_back();
  auto& holder = entry.holders[entry.held++];
  holder.id = claim.id;
  holder.owner = claim.owner;
  holder.token = {last_token_};
  holder.since = now;
  holder.expires = now + claim.ttl;
  return {.granted = true, .token = holder.token};
}

void MemoryBackend::enqueue(Entry& entry, const Claim& claim, std::size_t place, base::Instant now) {
  if (place == entry.waiters.size()) {
    entry.waiters.push_back({.id = claim.id,
                             .owner = {},
                             .since = now,
                             .expires = now,
                             .turn = runtime_.make_signal("the turn for " + base::quoted(claim.key))});
  }
  entry.waiters[place].owner = claim.owner;
  entry.waiters[place].expires = now + claim.place_ttl();
}

MemoryBackend::Entry* MemoryBackend::find(std::string_view key) {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void MemoryBackend::sweep(Entry& entry, base::Instant now) {
  bool changed = false;
  for (std::size_t i = entry.held; i-- > 0;) {
    if (entry.holders[i].expires > now) continue;
    entry.drop_holder(i);
    changed = true;
  }
  changed |= std::erase_if(entry.waiters, [&](const auto& waiter) { return waiter.expires <= now; }) != 0;
  if (changed) wake_next(entry);
}

void MemoryBackend::wake_next(Entry& entry) {
  for (std::size_t i = 0; i < entry.waiters.size() && entry.is_turn_of(i); ++i) entry.waiters[i].turn->notify_all();
}

// Keeps some idle entries for their memory; when there are too many, and more than those in use, all of them go.
void MemoryBackend::note_idle() {
  ++idle_;
  if (idle_ <= kIdleKept || idle_ < entries_.size() - idle_) return;
  std::erase_if(entries_, [](const auto& entry) { return entry.second.idle(); });
  idle_ = 0;
}

// What lapsed and was never asked for again goes away; the cost is that of the entries made since the last time.
void MemoryBackend::sweep_all(base::Instant now) {
  for (auto& [key, entry] : entries_) sweep(entry, now);
  std::erase_if(entries_, [](const auto& entry) { return entry.second.idle(); });
  idle_ = 0;
  sweep_at_ = 2 * std::max(kIdleKept, entries_.size());
}

base::WallTime MemoryBackend::wall_time(base::Instant moment) const {
  return base::WallTime(std::chrono::duration_cast<base::WallTime::duration>(moment.time_since_epoch() + wall_offset_));
}

}  // namespace tidelock::lock

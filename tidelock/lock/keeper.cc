#include "tidelock/lock/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/text.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kFarewell = 1s;
// Parts of the time that a lease is of use:
constexpr int kRenewalsPerUse = 3;
constexpr int kPatiencesPerUse = 10;  // The least time that one renewal is given.
constexpr int kPausesPerUse = 30;     // After a renewal that failed.
constexpr base::Duration kLeastUse = 1ms;

// Says that somebody else may hold the key by now, or that nobody can tell any more.
bool leaves_no_proof(Code code) {
  return code == Code::lease_lost || code == Code::not_holder || code == Code::corrupt || code == Code::not_a_database;
}

}  // namespace

struct Keeper::State {
  State(Semaphore& kept, const Lease& first, AtEnd at_the_end, Renewed tell, base::Duration ahead)
      : semaphore(kept),
        runtime(kept.runtime()),
        at_end(at_the_end),
        length(kept.options().ttl - kept.options().margin),
        lead(ahead),
        use(std::max(length - lead, kLeastUse)),
        on_renewed(std::move(tell)),
        changed(runtime.make_signal("a renewal of " + base::quoted(kept.key()))),
        lease(first) {}

  // Waits for the expiry and nothing else, so that no hanging call can hide it.
  void watch() {
    const auto stop = ended.get_token();
    while (!stop.stop_requested()) {
      const auto seen = changed->count();
      const auto expires = current().expires;
      if (runtime.now() >= expires) return lose_by_expiry();
      changed->wait(seen, expires, stop);
    }
  }

  void renew() {
    const auto stop = ended.get_token();
    auto next = renewal_time();
    while (runtime.sleep_until(next, stop)) {
      const auto now = runtime.now();
      const auto held = current();
      const auto patience = std::max((held.expires - lead - now) / 2, use / kPatiencesPerUse);
      try {
        take(semaphore.renew(held, std::min(held.expires, now + patience)));
        next = renewal_time();
      } catch (const Error& error) {
        note_failure(error.what());
        if (leaves_no_proof(error.code())) {
          if (!current().valid(runtime.now())) return lose_by_expiry();
          return lose(Error(Code::lease_lost, fmt::format("lost the lease on {}: {}", name(), error.what())), false);
        }
        next = runtime.now() + use / kPausesPerUse;
      }
    }
  }

  Lease current() {
    const base::LocalGuard guard(mutex);
    return lease;
  }

  // Counted from when the last good renewal was sent.
  base::Instant renewal_time() { return current().expires - length + use / kRenewalsPerUse; }

  void take(const Lease& renewed) {
    {
      const base::LocalGuard guard(mutex);
      // Once expired it stays lost: the work may have seen it.
      if (lost || !lease.valid(runtime.now())) return;
      lease = renewed;
      last_failure.clear();
    }
    changed->notify_all();
    if (on_renewed) on_renewed(renewed);
  }

  void note_failure(const char* what) {
    const base::LocalGuard guard(mutex);
    last_failure = what;
  }

  void lose_by_expiry() {
    std::string why;
    {
      const base::LocalGuard guard(mutex);
      why = last_failure.empty() ? "no renewal was answered in time" : "the last renewal failed: " + last_failure;
    }
    lose(Error(Code::lease_lost, fmt::format("the lease on {} expired: {}", name(), why)), true);
  }

  void lose(Error why, bool by_expiry) {
    {
      const base::LocalGuard guard(mutex);
      if (lost) return;
      lost = std::move(why);
      expired = by_expiry;
    }
    lost_stop.request_stop();
    ended.request_stop();
  }

  void end() {
    ended.request_stop();
    renewer.join();
    watcher.join();
  }

  std::string name() const { return base::quoted(semaphore.key()); }

  Semaphore& semaphore;
  base::Runtime& runtime;
  const AtEnd at_end;
  const base::Duration length;  // Of a lease, for its holder.
  const base::Duration lead;
  const base::Duration use;  // Within which it has to be renewed.
  const Renewed on_renewed;
  const std::unique_ptr<base::Signal> changed;

  base::LocalMutex mutex;
  Lease lease TIDELOCK_GUARDED_BY(mutex);
  std::optional<Error> lost TIDELOCK_GUARDED_BY(mutex);
  bool expired TIDELOCK_GUARDED_BY(mutex) = false;  // Why it is lost.
  std::string last_failure TIDELOCK_GUARDED_BY(mutex);
  bool released = false;

  std::stop_source lost_stop;  // For the holder.
  std::stop_source ended;      // For the tasks below.
  base::Task watcher;
  base::Task renewer;
};

Keeper::Keeper(Semaphore& semaphore, const Lease& lease, AtEnd at_end, Renewed renewed, base::Duration lead)
    : state_(std::make_unique<State>(semaphore, lease, at_end, std::move(renewed), lead)) {
  auto* state = state_.get();
  if (!lease.valid(state->runtime.now())) {
    state->lose_by_expiry();
    return;
  }
  state->watcher = state->runtime.spawn("watch of " + state->name(), [state](auto) { state->watch(); });
  try {
    state->renewer = state->runtime.spawn("renewal of " + state->name(), [state](auto) { state->renew(); });
  } catch (...) {  // The watcher is not to wait for the end of a lease that nobody keeps.
    state->ended.request_stop();
    throw;
  }
}

Keeper::~Keeper() {
  try {
    state_->end();
    if (state_->at_end == AtEnd::release && !state_->released) {
      state_->semaphore.release(lease(), state_->runtime.in(kFarewell));
    }
  } catch (...) {  // The lease expires by itself.
  }
}

std::stop_token Keeper::stop_token() const { return state_->lost_stop.get_token(); }

std::optional<Error> Keeper::lost() const {
  const base::LocalGuard guard(state_->mutex);
  return state_->lost;
}

bool Keeper::lost_by_expiry() const {
  const base::LocalGuard guard(state_->mutex);
  return state_->expired;
}

bool Keeper::still_held() const {
  const base::LocalGuard guard(state_->mutex);
  return !state_->released && !state_->lost && state_->lease.valid(state_->runtime.now());
}

Lease Keeper::lease() const { return state_->current(); }

void Keeper::release(base::Deadline deadline) {
  state_->end();
  state_->semaphore.release(lease(), deadline);
  const base::LocalGuard guard(state_->mutex);
  state_->released = true;
}

}  // namespace tidelock::lock

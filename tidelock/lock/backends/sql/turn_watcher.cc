#include "tidelock/lock/backends/sql/turn_watcher.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "tidelock/base/backoff.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kLookEvery = 1s;        // At the latest, although nothing was heard.
constexpr base::Duration kBlindLook = 50ms;      // Where nothing can be heard, after somebody came or got a turn, …
constexpr base::Duration kBlindLookMax = 400ms;  // … and twice as long each time, up to this.
constexpr base::Duration kRest = 1ms;            // After a look: of many commits in a row not each is looked at.
constexpr base::Duration kKept = 10s;            // What is heard with, when nobody waits any more.
constexpr base::Duration kPatience = 1s;         // With the state, until it is open.
constexpr base::Duration kLookPatience = 5s;     // With the database, for a watch, and for one look where nobody wants
                                                 // to be told sooner.

}  // namespace

struct TurnWatcher::Waiter {
  std::string key;
  base::Uuid claim;
  std::unique_ptr<base::Signal> turn;
};

// While it lives, the waiter is woken when it is its turn.
class TurnWatcher::Registration {
 public:
  Registration(TurnWatcher& watcher, Waiter& waiter) : watcher_(watcher), waiter_(waiter) {
    bool first = false;
    {
      const base::LocalGuard guard(watcher.mutex_);
      watcher.waiters_.push_back(&waiter);
      first = !std::exchange(watcher.started_, true);
    }
    if (first) {
      try {
        watcher.task_ =
            watcher.runtime_.spawn("watch of locks", [&watcher](const std::stop_token& stop) { watcher.run(stop); });
      } catch (...) {  // The next one tries again.
        const base::LocalGuard guard(watcher.mutex_);
        std::erase(watcher.waiters_, &waiter);
        watcher.started_ = false;
        throw;
      }
    } else {
      watcher.arrived_->notify_all();
    }
  }
  ~Registration() {
    const base::LocalGuard guard(watcher_.mutex_);
    std::erase(watcher_.waiters_, &waiter_);
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  TurnWatcher& watcher_;
  Waiter& waiter_;
};

TurnWatcher::TurnWatcher(base::Runtime& runtime, StateSource& source, FindTurns find_turns)
    : runtime_(runtime),
      source_(source),
      find_turns_(std::move(find_turns)),
      arrived_(runtime.make_signal("somebody who waits for a lock")) {}

void TurnWatcher::wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) {
  Waiter waiter{.key = std::string(claim.key),
                .claim = claim.id,
                .turn = runtime_.make_signal("the turn for " + base::quoted(claim.key))};
  const Registration registration(*this, waiter);
  const auto seen = waiter.turn->count();
  look(claim.key, deadline, stop);  // From here on a change is seen by the watch.
  waiter.turn->wait(seen, deadline, stop);
}

bool TurnWatcher::look(std::string_view key, base::Deadline deadline, const std::stop_token& stop) {
  {
    const base::LocalGuard guard(mutex_);
    if (std::ranges::find(waiters_, key, &Waiter::key) == waiters_.end()) return false;
  }
  std::optional<std::vector<base::Uuid>> turns;
  try {
    turns = find_turns_(key, std::min(deadline, runtime_.in(kLookPatience)), stop);
  } catch (const Error&) {
  }
  const base::LocalGuard guard(mutex_);
  for (auto* waiter : waiters_) {
    if (waiter->key != key) continue;
    if (!turns || std::ranges::find(*turns, waiter->claim) != turns->end()) waiter->turn->notify_all();
  }
  return true;
}

void TurnWatcher::run(const std::stop_token& stop) {
  runtime_.context().reset();  // It serves every waiter, not the unit of work that happened to start it.
  std::shared_ptr<const State> watched;
  std::unique_ptr<Changes> changes;  // Goes before the state that it is of.
  auto next_look = runtime_.now();
  auto blind_look = kBlindLook;
  while (!stop.stop_requested()) {
    const auto seen = arrived_->count();
    if (keys().empty()) {
      if (arrived_->wait(seen, runtime_.in(changes == nullptr ? base::Duration::max() : kKept), stop)) {
        blind_look = kBlindLook;
        next_look = std::min(next_look, in_about(blind_look));
        continue;
      }
      changes = nullptr;  // It may hold a connection.
      watched = nullptr;
      continue;
    }
    std::optional<std::string> changed;
    try {
      auto state = source_.get(runtime_.in(kPatience));
      if (state != watched || changes == nullptr) {
        changes = nullptr;
        watched = std::move(state);
        changes = watched->watch(runtime_.in(kLookPatience), stop);
        if (changes != nullptr) {
          look_at_all(stop);  // At what was committed before there was a watch.
          next_look = in_about(kLookEvery);
        }
      }
      if (changes != nullptr) changed = changes->wait(next_look, stop);
    } catch (const Error&) {  // The state cannot be opened now, or is not there any more.
      changes = nullptr;
    }
    if (changes == nullptr && arrived_->wait(seen, next_look, stop)) {
      blind_look = kBlindLook;
      next_look = std::min(next_look, in_about(blind_look));
      continue;
    }
    if (stop.stop_requested()) break;
    if (changed && runtime_.now() < next_look) {
      if (!look(*changed, base::Deadline::never(), stop)) continue;  // Nobody here waits for it.
    } else {
      look_at_all(stop);
      next_look = in_about(changes != nullptr ? kLookEvery : blind_look);
      if (changes == nullptr) blind_look = std::min(2 * blind_look, kBlindLookMax);
    }
    runtime_.sleep_for(kRest, stop);
  }
}

void TurnWatcher::look_at_all(const std::stop_token& stop) {
  for (const auto& key : keys()) look(key, base::Deadline::never(), stop);
}

std::vector<std::string> TurnWatcher::keys() {
  std::set<std::string> keys;
  const base::LocalGuard guard(mutex_);
  for (const auto* waiter : waiters_) keys.insert(waiter->key);
  return {keys.begin(), keys.end()};
}

base::Instant TurnWatcher::in_about(base::Duration most) {
  return runtime_.now() + base::jittered(most, runtime_.random());
}

}  // namespace tidelock::lock

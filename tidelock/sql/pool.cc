#include "tidelock/sql/pool.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tidelock/base/duration.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;

// While others wait: how long a task may go on taking the connection that it gave back, and how soon it has to come.
constexpr base::Duration kTurn = 2ms;
constexpr base::Duration kComeBack = 50us;
// The same for a task whose connection went to another, which may have run in its stead: it is expected the next time.
constexpr base::Duration kComeBackAfterOthers = 200us;
// When it is next looked whether it did: after a part of the time since a connection last lay idle, within these.
constexpr base::Duration kLookSoonest = 1ms;
constexpr base::Duration kLookLatest = 16ms;
constexpr int kLookPart = 16;
// Who waited for this long is not overtaken any more.
constexpr base::Duration kOvertakenFor = 20ms;
// Among how many it is looked for the connection that a task had, and for the task.
constexpr std::size_t kLookBack = 64;
// What a task that was waited for in vain costs, in tasks that came, and how much those can earn.
constexpr int kMistake = 16;
constexpr int kCreditMost = 128;

// See pass_over().
constexpr base::Duration kGenerationLasts = 1s;

// A session of a server is looked at when it is handed out, to see whether it is still there, unless it just was.
constexpr base::Duration kSeenFor = 200us;
// One that was idle for so long is asked besides, and answers within this time.
constexpr base::Duration kAskAfter = 30s;
constexpr base::Duration kAnswerWithin = 5s;
// Who has less time than this takes it as it is: no answer would say only that there was no time for one.
constexpr base::Duration kTimeToAnswer = 100ms;

// A session that was not opened in time counts against the server when it had this long.
constexpr base::Duration kPatience = 1s;
constexpr base::Duration kLookAtProbes = 5ms;

// Short, so that a server that was restarted is found soon.
base::CircuitBreakerOptions breaker_options() {
  base::CircuitBreakerOptions options;
  options.sliding_window_size = 10;
  options.minimum_number_of_calls = 5;
  options.wait_duration_in_open_state = 500ms;
  options.permitted_number_of_calls_in_half_open_state = 2;
  return options;
}

}  // namespace

Pool::Pool(base::Runtime& runtime, std::unique_ptr<Driver> driver, DatabaseOptions options, std::string name)
    : runtime_(runtime),
      driver_(std::move(driver)),
      dialect_(driver_->dialect()),
      options_(std::move(options)),
      name_(std::move(name)),
      breaker_(dialect_.is_server ? std::make_unique<base::CircuitBreaker>(runtime, name_, breaker_options())
                                  : nullptr),
      well_since_(runtime.now()) {
  slots_.reserve(options_.max_connections);
  for (std::size_t i = 0; i < options_.max_connections; ++i) {
    slots_.push_back(std::make_unique<Slot>(*this, i + 1, options_.statement_cache));
  }
  kept_.reserve(slots_.size());
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) idle_.push_back(slot->get());
}

Pool::~Pool() { observe(nullptr); }

Link& Pool::lend(Slot& slot, std::uint64_t task, base::Instant now) {
  slot.task = task;
  slot.since = now;
  slot.lease = next_number();
  slot.link.start_lease(slot.lease);
  ++in_use_;
  if (measures_) [[unlikely]]
    report();
  return slot.link;
}

void Pool::report() {
  measures_->in_use.set(static_cast<double>(in_use_));
  measures_->idle.set(static_cast<double>(idle_.end() - first_open_idle()) + static_cast<double>(kept_.size()));
}

void Pool::measure(base::Metrics& metrics) {
  const auto connections = [&](const char* state) {
    return metrics.gauge("tidelock_sql_pool_connections", "Connections of the pool, by what they do.",
                         {{"database", name_}, {"state", state}});
  };
  const auto retired = [&](const char* reason) {
    return metrics.counter("tidelock_sql_pool_retired_total", "Connections that were closed, by why.",
                           {{"database", name_}, {"reason", reason}});
  };
  Measures measures{
      .in_use = connections("in_use"),
      .idle = connections("idle"),
      .timeouts = metrics.counter("tidelock_sql_pool_timeouts_total",
                                  "Calls that got no connection of the pool in time.", {{"database", name_}}),
      .opened =
          metrics.counter("tidelock_sql_pool_opened_total", "Connections that were opened.", {{"database", name_}}),
      .broken = retired("broken"),
      .old = retired("old"),
      .unused = retired("unused"),
      .waits = metrics.histogram("tidelock_sql_pool_wait_seconds",
                                 "How long those waited who did not get a connection of the pool at once.",
                                 {{"database", name_}})};
  if (breaker_ != nullptr) breaker_->measure(metrics);
  const base::LocalGuard guard(mutex_);
  measures_ = std::move(measures);
  report();
}

Link& Pool::checkout(std::optional<base::Deadline> deadline, const std::stop_token& stop) {
  const auto task = runtime_.current_task();
  const auto now = runtime_.now();
  const auto until = deadline ? *deadline : base::later(now, options_.checkout_timeout);
  Slot* slot = nullptr;
  Waiter* waiter = nullptr;
  {
    const base::LocalGuard guard(mutex_);
    if (next_generation_ && now >= *next_generation_) [[unlikely]]
      begin_generation(now);
    slot = take_idle(task, now);
    if (slot == nullptr) [[unlikely]] {
      slot = take_kept(task, now);
      if (slot != nullptr && !slot->link.is_passed_over()) return slot->link;  // As good as it was a moment ago.
      if (slot == nullptr) {
        pass_on_overdue(now);
        slot = take_idle(task, now);
      }
      if (slot == nullptr) waiter = &enqueue(task, now);
    }
  }
  if (waiter != nullptr) slot = &wait(*waiter, until, stop);
  if (dialect_.is_server || !slot->link.is_open()) [[unlikely]]
    make_ready(*slot, dialect_.is_server && !deadline ? base::Deadline::never() : until, stop);
  return slot->link;
}

// The one that the task gave back itself just now, or the one used last: one core's caches have what both sides need.
Pool::Slot* Pool::take_idle(std::uint64_t task, base::Instant now) {
  if (idle_.empty()) return nullptr;
  auto chosen = std::prev(idle_.end());
  const auto latest = static_cast<std::ptrdiff_t>(std::min(idle_.size(), kLookBack));
  for (auto each = idle_.rbegin(); each != idle_.rbegin() + latest; ++each) {
    if (!(*each)->link.is_open() || now - (*each)->idle_since > kTurn) break;
    if ((*each)->task != task) continue;
    chosen = std::prev(each.base());
    break;
  }
  auto& slot = **chosen;
  idle_.erase(chosen);
  slot.turn_since = now;
  slot.comes_back = false;
  lend(slot, task, now);
  return &slot;
}

// What the task gave back a moment ago: its turn goes on.
Pool::Slot* Pool::take_kept(std::uint64_t task, base::Instant now) {
  const auto own = std::ranges::find(kept_, task, &Slot::task);
  if (own == kept_.end() || now - (*own)->kept_since > kComeBack) return nullptr;
  auto& slot = **own;
  kept_.erase(own);
  come_back(task, now);
  lend(slot, task, now);
  return &slot;
}

// Where others wait: for its task, which is expected straight back.
bool Pool::keep(Slot& slot, base::Instant now) noexcept {
  pass_on_overdue(now);
  const bool expected = slot.comes_back && watcher_ != nullptr && now - slot.turn_since < kTurn && slot.link.is_open();
  departures_[slot.task % departures_.size()] = {slot.task, &slot, now, expected};
  if (!expected) return false;
  const bool pays = credit_ >= 0;
  credit_ = std::max(credit_ - kMistake, -kCreditMost);  // Until it comes.
  if (!pays) return false;
  slot.kept_since = last_kept_ = now;
  kept_.push_back(&slot);
  return true;
}

// After what the task gave back while others waited, if that was a moment ago.
Pool::Return Pool::come_back(std::uint64_t task, base::Instant now) {
  auto& left = departures_[task % departures_.size()];
  if (left.task != task || now > base::later(left.at, kTurn)) return {};
  const bool straight = now - left.at <= (left.expected ? kComeBack : kComeBackAfterOthers);
  if (left.expected && straight) credit_ = std::min(credit_ + kMistake + 1, kCreditMost);
  return {std::exchange(left, {}).slot, straight};
}

// What its tasks did not come back for in time.
void Pool::pass_on_overdue(base::Instant now) noexcept {
  while (!kept_.empty() && now - kept_.front()->kept_since > kComeBack) {
    auto& slot = *kept_.front();
    kept_.erase(kept_.begin());
    pass_on_kept(slot, now);
  }
}

void Pool::pass_on_kept(Slot& slot, base::Instant now) noexcept {
  if (now - slot.kept_since > kLookSoonest) well_since_ = now;  // It should have been noticed sooner.
  if (auto* const woken = pass_on(slot)) woken->notify_all();
}

// Seldom where all goes well: each look wakes a task. What lies idle meanwhile is a small part of what was in use.
base::Instant Pool::next_look(base::Instant now) const {
  return base::later(now, std::clamp((now - well_since_) / kLookPart, kLookSoonest, kLookLatest));
}

// From time to time, as long as something was kept in the last turn.
void Pool::watch(Waiter& watcher, base::Instant now) {
  const base::LocalGuard guard(mutex_);
  pass_on_overdue(now);
  if (watcher_ == &watcher && kept_.empty() && now - last_kept_ >= kTurn) watcher_ = nullptr;
  watcher.look_at = watcher_ == &watcher ? base::Deadline(next_look(now)) : base::Deadline::never();
}

// Nobody would notice that a task does not come back.
void Pool::end_watch() noexcept {
  watcher_ = nullptr;
  const auto now = runtime_.now();
  for (auto* const slot : kept_) pass_on_kept(*slot, now);
  kept_.clear();
  if (measures_) [[unlikely]]
    report();
}

// A session that is worth handing out: the one it has, or a new one.
void Pool::make_ready(Slot& slot, base::Deadline until, const std::stop_token& stop) {
  close_if_spent(slot, until, stop);
  if (slot.link.is_open()) return;
  try {
    open(slot, until, stop);
  } catch (...) {
    put_back(slot);
    throw;
  }
  if (dialect_.is_server) {
    // Not all that were opened together are old together.
    const auto tenth = static_cast<std::uint64_t>(options_.max_lifetime.count() / 10);
    const auto earlier = base::Duration(static_cast<std::int64_t>(tenth == 0 ? 0 : runtime_.random() % tenth));
    slot.seen_at = runtime_.now();
    slot.old_at = base::later(slot.seen_at, options_.max_lifetime - earlier);
  }
  count(&Measures::opened);
}

// While probes are under way it waits for them: they decide.
base::CircuitBreaker::Permit Pool::permit_to_open(base::Deadline until, const std::stop_token& stop) {
  for (;;) {
    if (auto permit = breaker_->try_acquire()) return *std::move(permit);
    if (breaker_->state() != base::BreakerState::half_open || until.passed(runtime_.now())) return breaker_->acquire();
    if (!runtime_.sleep_for(kLookAtProbes, stop)) {
      throw Error(Code::cancelled, "stopped while it waited for the server of " + name_);
    }
  }
}

// A server that is down is asked by a probe now and then, not by every task that wants a connection.
void Pool::open(Slot& slot, base::Deadline until, const std::stop_token& stop) {
  if (breaker_ == nullptr) return slot.link.open(until, stop);
  auto permit = permit_to_open(until, stop);
  const auto begun = runtime_.now();
  try {
    slot.link.open(until, stop);
    permit.success();
  } catch (const Error& error) {
    // A caller without patience says nothing about the server.
    const bool impatient = error.code() == Code::timeout && runtime_.now() - begun < kPatience;
    permit.end(impatient ? base::Verdict::ignored : base::default_verdict(error), error.what());
    throw;
  }
}

// Sessions of a server: too old, passed over, hung up by the server, or idle for so long that it is asked.
void Pool::close_if_spent(Slot& slot, base::Deadline until, const std::stop_token& stop) noexcept {
  if (!dialect_.is_server || !slot.link.is_open()) return;
  const auto now = runtime_.now();
  const auto answers = [&] {
    return slot.link.answers(std::min(until, base::Deadline(base::later(now, kAnswerWithin))), stop);
  };
  const auto ask = [&] { return now - slot.idle_since >= kAskAfter && !until.passed(base::later(now, kTimeToAnswer)); };
  if (now >= slot.old_at) {
    count(&Measures::old);
  } else if (slot.link.is_passed_over()) {
    count(&Measures::broken);
  } else if (now - slot.seen_at <= kSeenFor) {
    return;
  } else if (slot.link.has_hung_up() || (ask() && !answers())) {
    count(&Measures::broken);
  } else {
    slot.seen_at = now;
    return;
  }
  slot.link.close();
}

void Pool::count(base::Counter Measures::*what) noexcept {
  const base::LocalGuard guard(mutex_);
  if (measures_) ((*measures_).*what).add();
}

std::vector<Pool::Slot*>::iterator Pool::first_open_idle() noexcept {
  return std::ranges::partition_point(idle_, [](const Slot* slot) { return !slot->link.is_open(); });
}

Pool::Slot* Pool::take_unused(base::Instant now) noexcept {
  const auto first = first_open_idle();
  if (first == idle_.end() || now - (*first)->idle_since < options_.max_idle) return nullptr;
  auto* const slot = *first;
  idle_.erase(first);
  return slot;
}

// Sessions that nobody has needed for long, from this one on; the one used last stays.
void Pool::close_unused(Slot* slot, base::Instant now) noexcept {
  while (slot != nullptr) {
    slot->link.close();
    base::Signal* woken = nullptr;
    {
      const base::LocalGuard guard(mutex_);
      if (measures_) measures_->unused.add();
      woken = pass_on(*slot);
      slot = take_unused(now);
      if (measures_) report();
    }
    if (woken != nullptr) woken->notify_all();
  }
}

Pool::Waiter& Pool::enqueue(std::uint64_t task, base::Instant now) {
  if (spare_waiters_.empty()) {
    all_waiters_.push_back(std::make_unique<Waiter>());
    all_waiters_.back()->signal = runtime_.make_signal("a connection of " + name_);
    spare_waiters_.reserve(all_waiters_.size());  // So that none is lost for want of memory when it is put back.
    spare_waiters_.push_back(all_waiters_.back().get());
  }
  auto& waiter = *spare_waiters_.back();
  waiters_.push_back(&waiter);
  spare_waiters_.pop_back();
  waiter.task = task;
  waiter.since = now;
  waiter.last = come_back(task, now);
  waiter.look_at = base::Deadline::never();
  if (waiter.last.straight && watcher_ == nullptr) {
    watcher_ = &waiter;
    if (now - last_kept_ > kLookLatest) well_since_ = now;
    last_kept_ = now;
    waiter.look_at = next_look(now);
  }
  waiter.granted.store(nullptr, std::memory_order_relaxed);
  ++waited_;
  return waiter;
}

Pool::Slot& Pool::wait(Waiter& waiter, base::Deadline deadline, const std::stop_token& stop) {
  try {
    for (;;) {
      const auto seen = waiter.signal->count();
      if (waiter.granted.load(std::memory_order_acquire) != nullptr) break;
      const bool told = waiter.signal->wait(seen, std::min(deadline, waiter.look_at), stop);
      if (stop.stop_requested()) break;
      if (told) continue;
      const auto now = runtime_.now();
      if (deadline.passed(now)) break;
      watch(waiter, now);
    }
  } catch (...) {  // A World stops the task.
    if (auto* const slot = leave(waiter)) put_back(*slot);
    throw;
  }
  if (auto* const slot = leave(waiter)) return *slot;
  if (stop.stop_requested()) throw Error(Code::cancelled, "stopped while it waited for a connection of " + name_);
  throw_exhausted();
}

Pool::Slot* Pool::leave(Waiter& waiter) {
  const base::LocalGuard guard(mutex_);
  const auto now = runtime_.now();
  if (waiter.granted.load(std::memory_order_relaxed) == nullptr) {  // It takes what others are waited for with.
    if (watcher_ == &waiter) end_watch();
    pass_on_overdue(now);
  }
  auto* const granted = waiter.granted.load(std::memory_order_relaxed);
  if (granted != nullptr) {
    granted->turn_since = now;
  } else {
    std::erase(waiters_, &waiter);
  }
  spare_waiters_.push_back(&waiter);
  return granted;
}

void Pool::throw_exhausted() {
  const auto now = runtime_.now();
  const base::LocalGuard guard(mutex_);
  if (measures_) measures_->timeouts.add();
  const Slot* oldest = slots_.front().get();
  for (const auto& slot : slots_) {
    if (slot->lease != 0 && (oldest->lease == 0 || slot->since < oldest->since)) oldest = slot.get();
  }
  const auto held = oldest->lease == 0
                        ? std::string()
                        : "; connection " + std::to_string(oldest->link.id()) + " is held longest, by task " +
                              std::to_string(oldest->task) + " for " + base::format_duration(now - oldest->since);
  throw Error(Code::timeout, "all " + std::to_string(slots_.size()) + " connections of " + name_ + " are taken" + held +
                                 ": give connections back sooner, or raise max_connections");
}

void Pool::give_back(Link& link) noexcept {
  if (!link.end_lease()) {
    {
      const base::LocalGuard guard(mutex_);
      slot_of(link).lease = 0;  // Nobody cancels a session that is being closed.
    }
    link.close();
    count(&Measures::broken);
  }
  put_back(slot_of(link));
}

void Pool::expire(Link& link) noexcept {
  const base::LocalGuard guard(mutex_);
  slot_of(link).lease = 0;
}

void Pool::put_back(Slot& slot) noexcept {
  base::Instant now;
  base::Signal* woken = nullptr;
  Slot* unused = nullptr;
  {
    const base::LocalGuard guard(mutex_);
    now = runtime_.now();  // In here, so that kept_ is in the order of time.
    slot.idle_since = now;
    slot.lease = 0;
    --in_use_;
    if (waiters_.empty() || !keep(slot, now)) woken = pass_on(slot);
    if (dialect_.is_server) unused = take_unused(now);
    if (measures_) [[unlikely]]
      report();
  }
  if (woken != nullptr) woken->notify_all();
  close_unused(unused, now);
}

// Who waits longest. As long as that is short, who had this connection last goes before others that had one.
Pool::Waiter& Pool::take_waiter(const Slot& slot, base::Instant now) noexcept {
  auto chosen = waiters_.begin();
  if (now - (*chosen)->since < kOvertakenFor) {
    const auto end = chosen + static_cast<std::ptrdiff_t>(std::min(waiters_.size(), kLookBack));
    const auto found = std::find_if(
        chosen, end, [&](const Waiter* each) { return each->last.had == nullptr || each->last.had == &slot; });
    if (found != end && (*found)->last.had == &slot) chosen = found;
  }
  auto& waiter = **chosen;
  waiters_.erase(chosen);
  return waiter;
}

// To who is next in line, or to the idle ones.
base::Signal* Pool::pass_on(Slot& slot) noexcept {
  if (!waiters_.empty()) {
    const auto now = runtime_.now();
    auto& waiter = take_waiter(slot, now);
    if (measures_) measures_->waits.observe(now - waiter.since);
    lend(slot, waiter.task, now);
    slot.comes_back = waiter.last.straight;
    if (watcher_ == &waiter) end_watch();
    waiter.granted.store(&slot, std::memory_order_release);
    return waiter.signal.get();
  }
  if (slot.link.is_open()) {
    idle_.push_back(&slot);
  } else {
    idle_.insert(idle_.begin(), &slot);
  }
  return nullptr;
}

void Pool::cancel(Link& link, std::uint64_t lease) noexcept {
  const base::LocalGuard guard(mutex_);
  if (slot_of(link).lease == lease && link.is_open()) link.cancel();
}

Database::PoolState Pool::state() const {
  const base::LocalGuard guard(mutex_);
  Database::PoolState state{.open = 0, .in_use = 0, .waiting = waiters_.size(), .waited = waited_};
  for (const auto& slot : slots_) {
    if (slot->lease != 0) ++state.in_use;
  }
  state.open = state.in_use + kept_.size();
  for (const auto* slot : idle_) {
    if (slot->link.is_open()) ++state.open;
  }
  return state;
}

void Pool::pass_over(std::uint64_t generation) noexcept {
  const auto now = runtime_.now();
  const base::LocalGuard guard(mutex_);
  if (generation != generation_) return;
  if (generation_began_ && now - *generation_began_ < kGenerationLasts) {
    next_generation_ = *generation_began_ + kGenerationLasts;
  } else {
    begin_generation(now);
  }
}

void Pool::begin_generation(base::Instant now) {
  ++generation_;
  generation_began_ = now;
  next_generation_.reset();
}

void Pool::observe(std::shared_ptr<Observer> observer) {
  if (observer != nullptr) observer->on_observed();
  Observer* before = nullptr;
  {
    const base::LocalGuard guard(mutex_);
    before = observer_.exchange(observer.get(), std::memory_order_acq_rel);
    if (observer != nullptr) observers_.push_back(std::move(observer));
  }
  if (before != nullptr) before->on_removed();
}

}  // namespace tidelock::sql

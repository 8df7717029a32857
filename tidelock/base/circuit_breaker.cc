#include "tidelock/base/circuit_breaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <vector>

#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

constexpr std::size_t kLargestWindow = 100'000;
constexpr BreakerState kStates[] = {BreakerState::closed,   BreakerState::open,         BreakerState::half_open,
                                    BreakerState::disabled, BreakerState::metrics_only, BreakerState::forced_open};

double percent(std::uint64_t part, std::uint64_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void check(bool right, const std::string& breaker, std::string_view what) {
  if (!right) throw Error(Code::invalid_argument, fmt::format("circuit breaker {}: {}", base::quoted(breaker), what));
}

CircuitBreakerOptions checked(CircuitBreakerOptions options, const std::string& name) {
  const auto is_rate = [](double rate) { return rate > 0 && rate <= 100; };
  const auto is_size = [](std::size_t size) { return size >= 1 && size <= kLargestWindow; };
  check(is_rate(options.failure_rate_threshold), name, "failure_rate_threshold must be above 0 and at most 100 %");
  check(is_rate(options.slow_call_rate_threshold), name, "slow_call_rate_threshold must be above 0 and at most 100 %");
  check(is_size(options.sliding_window_size), name, "sliding_window_size must be 1 to 100000");
  check(options.minimum_number_of_calls >= 1, name, "minimum_number_of_calls must be 1 or more");
  check(is_size(options.permitted_number_of_calls_in_half_open_state), name,
        "permitted_number_of_calls_in_half_open_state must be 1 to 100000");
  check(options.slow_call_duration_threshold > Duration::zero(), name,
        "slow_call_duration_threshold must be longer than 0s");
  check(options.wait_duration_in_open_state > Duration::zero(), name,
        "wait_duration_in_open_state must be longer than 0s");
  check(options.max_wait_duration_in_half_open_state >= Duration::zero(), name,
        "max_wait_duration_in_half_open_state must not be negative");
  check(options.max_probe_duration > Duration::zero(), name, "max_probe_duration must be longer than 0s");
  check(options.verdict != nullptr, name, "verdict must be a function");
  return options;
}

}  // namespace

std::string_view name(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half_open";
    case BreakerState::disabled:
      return "disabled";
    case BreakerState::metrics_only:
      return "metrics_only";
    case BreakerState::forced_open:
      return "forced_open";
  }
  std::terminate();
}

Verdict default_verdict(const Error& error) {
  switch (error.code()) {
    case Code::unavailable:
    case Code::timeout:
    case Code::connection_lost:
    case Code::unknown_outcome:
    case Code::io_error:
    case Code::disk_full:
    case Code::corrupt:
    case Code::internal:
      return Verdict::failure;
    case Code::cancelled:
      return Verdict::ignored;
    case Code::invalid_argument:
    case Code::unsupported:
    case Code::misuse:
    case Code::not_found:
    case Code::already_exists:
    case Code::permission_denied:
    case Code::read_only:
    case Code::read_only_server:
    case Code::not_a_database:
    case Code::newer_schema:
    case Code::statement_invalid:
    case Code::constraint_violation:
    case Code::too_large:
    case Code::lease_lost:
    case Code::fenced:
    case Code::not_holder:
    case Code::permits_differ:
    case Code::database_locked:
    case Code::serialization_failure:
    case Code::stale_version:
    case Code::deadlock:
      return Verdict::success;
  }
  std::terminate();
}

// Declared before the guard of the mutex, so that it ends after it.
class CircuitBreaker::Changes {
 public:
  explicit Changes(const CircuitBreaker& breaker) : tell_(breaker.options_.on_state_transition) {}
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;
  ~Changes() {
    for (const auto& [from, to] : changes_) tell_(from, to);
  }
  void add(BreakerState from, BreakerState to) {
    if (tell_ && from != to) changes_.emplace_back(from, to);
  }

 private:
  const std::function<void(BreakerState, BreakerState)>& tell_;
  std::vector<std::pair<BreakerState, BreakerState>> changes_;
};

CircuitBreaker::Permit::Permit(Permit&& other) noexcept
    : breaker_(std::exchange(other.breaker_, nullptr)),
      number_(other.number_),
      epoch_(other.epoch_),
      begun_(other.begun_) {}

void CircuitBreaker::Permit::end(Verdict verdict, std::string_view why) noexcept {
  if (auto* const breaker = std::exchange(breaker_, nullptr)) breaker->end(number_, epoch_, begun_, verdict, why);
}

CircuitBreaker::CircuitBreaker(Runtime& runtime, std::string name, CircuitBreakerOptions options)
    : runtime_(runtime),
      name_(std::move(name)),
      options_(checked(std::move(options), name_)),
      since_(runtime.now()),
      window_(options_.sliding_window_type, options_.sliding_window_size) {}

std::optional<CircuitBreaker::Permit> CircuitBreaker::try_acquire() {
  const auto now = runtime_.now();
  Changes changes(*this);
  const LocalGuard guard(mutex_);
  return admit(now, changes);
}

CircuitBreaker::Permit CircuitBreaker::acquire() {
  const auto now = runtime_.now();
  Changes changes(*this);
  const LocalGuard guard(mutex_);
  auto permit = admit(now, changes);
  if (!permit) throw Error(Code::unavailable, refusal(now));
  return *std::move(permit);
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::admit(Instant now, Changes& changes) {
  settle(now, changes);
  bool permitted = state_ != BreakerState::open && state_ != BreakerState::forced_open;
  if (state_ == BreakerState::half_open) {
    permitted = window_.total(now).calls + probes_.size() < options_.permitted_number_of_calls_in_half_open_state;
  }
  if (!permitted) {
    ++not_permitted_;
    if (measures_) measures_->not_permitted.add();
    return std::nullopt;
  }
  const auto number = ++last_number_;
  if (state_ == BreakerState::half_open) probes_.emplace(number, now);
  return Permit(*this, number, epoch_, now);
}

void CircuitBreaker::end(std::uint64_t number, std::uint64_t epoch, Instant begun, Verdict verdict,
                         std::string_view why) noexcept {
  const auto now = runtime_.now();
  const bool slow = verdict != Verdict::ignored && now - begun > options_.slow_call_duration_threshold;
  Changes changes(*this);
  const LocalGuard guard(mutex_);
  if (measures_) {
    measures_->calls.at(verdict).add();
    if (slow) measures_->slow.add();
  }
  settle(now, changes);
  if (epoch != epoch_) return;
  if (state_ == BreakerState::half_open && probes_.erase(number) == 0) return;  // It was given up.
  if (verdict == Verdict::ignored || state_ == BreakerState::disabled) return;
  if (verdict == Verdict::failure && !why.empty()) last_failure_ = why;
  count(verdict == Verdict::failure, slow, now, changes);
}

void CircuitBreaker::settle(Instant now, Changes& changes) {
  if (state_ == BreakerState::open && now >= later(since_, options_.wait_duration_in_open_state)) {
    enter(BreakerState::half_open, now, changes);
  }
  if (state_ != BreakerState::half_open) return;
  while (!probes_.empty() && now >= later(probes_.begin()->second, options_.max_probe_duration)) {
    probes_.erase(probes_.begin());  // Numbers rise with time: the first began first.
    last_failure_ = fmt::format("a probe did not end in {}", format_duration(options_.max_probe_duration));
    count(true, true, now, changes);
    if (state_ != BreakerState::half_open) return;
  }
  const auto limit = options_.max_wait_duration_in_half_open_state;
  if (limit != Duration::zero() && now >= later(since_, limit)) enter(BreakerState::open, now, changes);
}

void CircuitBreaker::count(bool failed, bool slow, Instant now, Changes& changes) {
  window_.add(failed, slow, now);
  if (state_ != BreakerState::closed && state_ != BreakerState::half_open) return;
  const auto& tally = window_.total(now);
  if (!has_enough(tally)) return;
  if (is_bad(tally)) {
    enter(BreakerState::open, now, changes);
  } else if (state_ == BreakerState::half_open) {
    enter(BreakerState::closed, now, changes);
  }
}

void CircuitBreaker::enter(BreakerState state, Instant now, Changes& changes) {
  changes.add(state_, state);
  state_ = state;
  since_ = now;
  ++epoch_;
  probes_.clear();
  not_permitted_ = 0;
  if (state == BreakerState::half_open) {
    window_ = CallWindow(SlidingWindowType::count_based, options_.permitted_number_of_calls_in_half_open_state);
  } else if (state != BreakerState::open && state != BreakerState::forced_open) {
    window_ = CallWindow(options_.sliding_window_type, options_.sliding_window_size);
  }
  if (state == BreakerState::closed) last_failure_.clear();
  if (measures_) show_state();
}

bool CircuitBreaker::has_enough(const CallTally& tally) const {
  auto wanted = options_.minimum_number_of_calls;
  if (state_ == BreakerState::open) return tally.calls > 0;  // There were enough to open it.
  if (state_ == BreakerState::half_open) {
    wanted = std::min(wanted, options_.permitted_number_of_calls_in_half_open_state);
  } else if (options_.sliding_window_type == SlidingWindowType::count_based) {
    wanted = std::min(wanted, options_.sliding_window_size);
  }
  return tally.calls >= wanted;
}

bool CircuitBreaker::is_bad(const CallTally& tally) const {
  return percent(tally.failed, tally.calls) >= options_.failure_rate_threshold ||
         percent(tally.slow, tally.calls) >= options_.slow_call_rate_threshold;
}

std::string CircuitBreaker::refusal(Instant now) {
  auto text = fmt::format("circuit breaker {} ", base::quoted(name_));
  if (state_ == BreakerState::forced_open) return text + "was opened by hand; the call was not made";
  if (state_ == BreakerState::half_open) {
    text += fmt::format("is half open and its {} probes are under way; the call was not made", probes_.size());
  } else {
    const auto left = later(since_, options_.wait_duration_in_open_state) - now;
    text += fmt::format("is open for another {}; the call was not made",
                        format_duration(std::chrono::ceil<std::chrono::milliseconds>(left)));
    const auto& tally = window_.total(since_);
    if (tally.calls != 0) {
      text += fmt::format("; of the last {} calls {} failed and {} were slow", tally.calls, tally.failed, tally.slow);
    }
  }
  if (!last_failure_.empty()) text += fmt::format("; the last failure: {}", last_failure_);
  return text;
}

void CircuitBreaker::transition_to(BreakerState state) {
  const auto now = runtime_.now();
  Changes changes(*this);
  const LocalGuard guard(mutex_);
  window_ = CallWindow(options_.sliding_window_type, options_.sliding_window_size);
  last_failure_.clear();
  enter(state, now, changes);
}

CircuitBreaker::Report CircuitBreaker::report() {
  const auto now = runtime_.now();
  Changes changes(*this);
  const LocalGuard guard(mutex_);
  settle(now, changes);
  const auto& tally = window_.total(state_ == BreakerState::open ? since_ : now);
  Report report{.state = state_,
                .failure_rate = {},
                .slow_call_rate = {},
                .window = tally,
                .not_permitted_calls = not_permitted_};
  if (has_enough(tally)) {
    report.failure_rate = percent(tally.failed, tally.calls);
    report.slow_call_rate = percent(tally.slow, tally.calls);
  }
  return report;
}

void CircuitBreaker::measure(Metrics& metrics) {
  const auto calls = [&](const char* kind) {
    return metrics.counter("tidelock_circuitbreaker_calls_total",
                           "Calls that passed the circuit breaker, by their end.", {{"name", name_}, {"kind", kind}});
  };
  Measures measures{.states = {},
                    .calls = {{Verdict::success, calls("successful")},
                              {Verdict::failure, calls("failed")},
                              {Verdict::ignored, calls("ignored")}},
                    .slow = metrics.counter("tidelock_circuitbreaker_slow_calls_total",
                                            "Calls that took longer than the threshold.", {{"name", name_}}),
                    .not_permitted = metrics.counter("tidelock_circuitbreaker_not_permitted_calls_total",
                                                     "Calls that the circuit breaker refused.", {{"name", name_}})};
  for (const auto state : kStates) {
    measures.states.emplace(state, metrics.gauge("tidelock_circuitbreaker_state", "1 for the state it is in, else 0.",
                                                 {{"name", name_}, {"state", std::string(base::name(state))}}));
  }
  const LocalGuard guard(mutex_);
  measures_ = std::move(measures);
  show_state();
}

void CircuitBreaker::show_state() {
  for (auto& [state, gauge] : measures_->states) gauge.set(state == state_ ? 1 : 0);
}

}  // namespace tidelock::base

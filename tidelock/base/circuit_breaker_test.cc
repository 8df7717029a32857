#include "tidelock/base/circuit_breaker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/real_runtime.h"
#include "tidelock/base/retry.h"
#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using testing::error_text;

CircuitBreakerOptions small() {
  return {.sliding_window_size = 4, .minimum_number_of_calls = 4, .permitted_number_of_calls_in_half_open_state = 2};
}

void succeed(CircuitBreaker& breaker, int times = 1) {
  for (int i = 0; i < times; ++i) breaker.acquire().success();
}
void fail(CircuitBreaker& breaker, int times = 1) {
  for (int i = 0; i < times; ++i) breaker.acquire().failure("connection refused");
}

WORLD_TEST(CircuitBreaker, HasTheDefaultsOfResilience4j) {
  CircuitBreaker breaker(runtime, "server");
  fail(breaker, 50);
  succeed(breaker, 49);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  EXPECT_FALSE(breaker.report().failure_rate);
  succeed(breaker);  // The hundredth.
  EXPECT_EQ(breaker.report().failure_rate, 50.0);
  EXPECT_EQ(breaker.state(), BreakerState::open);
  runtime.sleep_for(60s);
  std::vector<CircuitBreaker::Permit> probes;
  for (int i = 0; i < 10; ++i) probes.push_back(breaker.acquire());
  EXPECT_FALSE(breaker.try_acquire());
}

WORLD_TEST(CircuitBreaker, OpensWhenTheFailureRateReachesTheThreshold) {
  CircuitBreaker breaker(runtime, "server", small());
  succeed(breaker, 3);
  fail(breaker);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  EXPECT_EQ(breaker.report().failure_rate, 25.0);
  fail(breaker);  // Two of the last four.
  EXPECT_EQ(breaker.state(), BreakerState::open);
  EXPECT_EQ(breaker.report().failure_rate, 50.0);
  EXPECT_FALSE(breaker.try_acquire());
  EXPECT_EQ(breaker.report().not_permitted_calls, 1U);
}

WORLD_TEST(CircuitBreaker, ARefusalSaysWhyAndForHowLongAndMayBeRetried) {
  CircuitBreaker breaker(runtime, "prices", small());
  fail(breaker, 4);
  runtime.sleep_for(20s);
  EXPECT_EQ(error_text([&] { breaker.call([] {}); }),
            "circuit breaker \"prices\" is open for another 40s; the call was not made; of the last 4 calls 4 failed "
            "and 0 were slow; the last failure: connection refused");
  EXPECT_THROW_CODE(breaker.call([] {}), Code::unavailable);
  const RetryPolicy patient{.max_attempts = 3, .backoff = BackoffOptions::fixed(20s)};
  EXPECT_EQ(retry(runtime, patient, {}, [&] { return breaker.call([] { return 7; }); }), 7);
}

WORLD_TEST(CircuitBreaker, OpensWhenTooManyCallsAreSlow) {
  auto options = small();
  options.slow_call_rate_threshold = 50;
  options.slow_call_duration_threshold = 1s;
  CircuitBreaker breaker(runtime, "server", options);
  const auto take = [&](Duration duration) { breaker.call([&] { runtime.sleep_for(duration); }); };
  take(1s);  // Not longer than the threshold.
  take(1s);
  take(1s + 1ns);
  EXPECT_EQ(breaker.report().window, (CallTally{.calls = 3, .slow = 1}));
  take(2s);
  EXPECT_EQ(breaker.state(), BreakerState::open);
  EXPECT_EQ(breaker.report().slow_call_rate, 50.0);
}

WORLD_TEST(CircuitBreaker, ProbesThatGoWellCloseItAndTheWindowStartsAnew) {
  CircuitBreaker breaker(runtime, "server", small());
  fail(breaker, 4);
  runtime.sleep_for(60s - 1ns);
  EXPECT_EQ(breaker.state(), BreakerState::open);
  runtime.sleep_for(1ns);
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
  auto one = breaker.acquire();
  auto two = breaker.acquire();
  EXPECT_EQ(error_text([&] { breaker.acquire().success(); }),
            "circuit breaker \"server\" is half open and its 2 probes are under way; the call was not made; the last "
            "failure: connection refused");
  one.success();
  EXPECT_FALSE(breaker.try_acquire());
  two.success();
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  fail(breaker, 3);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
}

WORLD_TEST(CircuitBreaker, ProbesThatFailOpenItForAnotherWait) {
  CircuitBreaker breaker(runtime, "server", small());
  fail(breaker, 4);
  runtime.sleep_for(60s);
  succeed(breaker);
  fail(breaker);
  EXPECT_EQ(breaker.state(), BreakerState::open);
  runtime.sleep_for(59s);
  EXPECT_FALSE(breaker.try_acquire());
  runtime.sleep_for(1s);
  EXPECT_TRUE(breaker.try_acquire());
}

WORLD_TEST(CircuitBreaker, AProbeThatNeverEndsIsGivenUpAndCountsAsFailed) {
  CircuitBreaker breaker(runtime, "server", small());
  fail(breaker, 4);
  runtime.sleep_for(60s);
  auto hung = breaker.acquire();
  auto other = breaker.acquire();
  runtime.sleep_for(30s);
  other.success();
  runtime.sleep_for(30s - 1ns);
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
  runtime.sleep_for(1ns);
  EXPECT_EQ(breaker.state(), BreakerState::open);  // One of two failed.
  EXPECT_NE(error_text([&] { breaker.acquire().success(); }).find("a probe did not end in 1m"), std::string::npos);
  runtime.sleep_for(60s);
  hung.success();  // Too late to count: it belongs to the probes before.
  EXPECT_EQ(breaker.report().window.calls, 0U);
  succeed(breaker, 2);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
}

WORLD_TEST(CircuitBreaker, AProbeThatIsDroppedWithoutAWordLeavesItsPlaceToAnother) {
  CircuitBreaker breaker(runtime, "server", small());
  fail(breaker, 4);
  runtime.sleep_for(60s);
  {
    const auto one = breaker.acquire();
    auto two = breaker.acquire();
    const auto moved = std::move(two);
    EXPECT_FALSE(breaker.try_acquire());
  }
  succeed(breaker, 2);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
}

WORLD_TEST(CircuitBreaker, MayBeToldHowLongToBeHalfOpen) {
  auto options = small();
  options.max_wait_duration_in_half_open_state = 5s;
  CircuitBreaker breaker(runtime, "server", options);
  fail(breaker, 4);
  runtime.sleep_for(60s);
  succeed(breaker);
  runtime.sleep_for(5s - 1ns);
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
  runtime.sleep_for(1ns);
  EXPECT_EQ(breaker.state(), BreakerState::open);
}

WORLD_TEST(CircuitBreaker, ACallThatBeganBeforeTheStateChangedDoesNotCount) {
  CircuitBreaker breaker(runtime, "server", small());
  auto late = breaker.acquire();
  auto later_still = breaker.acquire();
  fail(breaker, 4);
  late.success();
  EXPECT_EQ(breaker.report().window.calls, 4U);
  runtime.sleep_for(60s);
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
  later_still.failure();
  EXPECT_EQ(breaker.report().window.calls, 0U);
  EXPECT_EQ(breaker.state(), BreakerState::half_open);
}

WORLD_TEST(CircuitBreaker, ATimeWindowForgetsWhatIsOlder) {
  auto options = small();
  options.sliding_window_type = SlidingWindowType::time_based;
  options.sliding_window_size = 10;  // Seconds.
  CircuitBreaker breaker(runtime, "server", options);
  const Instant whole(std::chrono::ceil<std::chrono::seconds>(runtime.now().time_since_epoch()));  // Parts are seconds.
  runtime.sleep_until(whole);
  fail(breaker, 3);
  runtime.sleep_until(whole + 10s - 1ns);
  EXPECT_EQ(breaker.report().window.calls, 3U);
  runtime.sleep_until(whole + 10s);
  EXPECT_EQ(breaker.report().window.calls, 0U);
  fail(breaker, 3);
  runtime.sleep_for(9s);
  fail(breaker);
  EXPECT_EQ(breaker.state(), BreakerState::open);
}

WORLD_TEST(CircuitBreaker, AnErrorThatIsAnAnswerIsNoFailure) {
  CircuitBreaker breaker(runtime, "server", small());
  const auto answer = [&](Code code) { breaker.call([&] { throw Error(code, "no"); }); };
  for (const auto code : {Code::constraint_violation, Code::serialization_failure, Code::statement_invalid}) {
    EXPECT_THROW_CODE(answer(code), code);
  }
  EXPECT_THROW_CODE(answer(Code::cancelled), Code::cancelled);  // Says nothing.
  EXPECT_EQ(breaker.report().window, (CallTally{.calls = 3}));
  EXPECT_THROW_CODE(answer(Code::connection_lost), Code::connection_lost);
  EXPECT_EQ(breaker.report().window, (CallTally{.calls = 4, .failed = 1}));
  EXPECT_THROW(breaker.call([] { throw std::runtime_error("broken"); }), std::runtime_error);
  EXPECT_EQ(breaker.state(), BreakerState::open);
  EXPECT_NE(error_text([&] { breaker.acquire().success(); }).find("the last failure: broken"), std::string::npos);
}

WORLD_TEST(CircuitBreaker, TheVerdictIsTheCallersToChoose) {
  auto options = small();
  options.verdict = [](const Error& error) {
    return error.code() == Code::not_found ? Verdict::failure : Verdict::ignored;
  };
  CircuitBreaker breaker(runtime, "server", options);
  for (int i = 0; i < 4; ++i) {
    EXPECT_THROW_CODE(breaker.call([] { throw Error(Code::unavailable, "down"); }), Code::unavailable);
    EXPECT_THROW_CODE(breaker.call([] { throw Error(Code::not_found, "gone"); }), Code::not_found);
  }
  EXPECT_EQ(breaker.state(), BreakerState::open);
}

WORLD_TEST(CircuitBreaker, PassesOnWhatACallReturns) {
  CircuitBreaker breaker(runtime, "server");
  int value = 1;
  breaker.call([&] { value = 2; });
  int& reference = breaker.call([&]() -> int& { return value; });
  EXPECT_EQ(&reference, &value);
  EXPECT_EQ(*breaker.call([] { return std::make_unique<int>(5); }), 5);
}

WORLD_TEST(CircuitBreaker, ForcedStatesStayUntilTheyAreTakenBack) {
  CircuitBreaker breaker(runtime, "server", small());
  breaker.transition_to(BreakerState::disabled);
  fail(breaker, 9);
  EXPECT_EQ(breaker.report().window.calls, 0U);
  breaker.transition_to(BreakerState::metrics_only);
  fail(breaker, 9);
  EXPECT_EQ(breaker.state(), BreakerState::metrics_only);
  EXPECT_EQ(breaker.report().failure_rate, 100.0);
  breaker.transition_to(BreakerState::forced_open);
  runtime.sleep_for(24h);
  EXPECT_EQ(error_text([&] { breaker.acquire().success(); }),
            "circuit breaker \"server\" was opened by hand; the call was not made");
  breaker.transition_to(BreakerState::closed);
  fail(breaker, 3);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
  breaker.transition_to(BreakerState::open);
  EXPECT_EQ(error_text([&] { breaker.acquire().success(); }),
            "circuit breaker \"server\" is open for another 1m; the call was not made");
  breaker.transition_to(BreakerState::half_open);
  succeed(breaker, 2);
  EXPECT_EQ(breaker.state(), BreakerState::closed);
}

WORLD_TEST(CircuitBreaker, EveryChangeOfStateIsTold) {
  std::string story;
  auto options = small();
  CircuitBreaker* looked_at = nullptr;
  options.on_state_transition = [&](BreakerState from, BreakerState to) {
    story += std::string(name(from)) + ">" + std::string(name(to)) + " ";
    EXPECT_EQ(looked_at->state(), to);  // It may be asked from there.
  };
  CircuitBreaker breaker(runtime, "server", options);
  looked_at = &breaker;
  fail(breaker, 4);
  runtime.sleep_for(60s);
  succeed(breaker, 2);
  breaker.transition_to(BreakerState::closed);
  breaker.transition_to(BreakerState::disabled);
  EXPECT_EQ(story, "closed>open open>half_open half_open>closed closed>disabled ");
}

WORLD_TEST(CircuitBreaker, KeepsMetrics) {
  CircuitBreaker breaker(runtime, "server", small());
  Metrics metrics;
  breaker.measure(metrics);
  succeed(breaker);
  fail(breaker, 3);
  breaker.try_acquire();
  const auto text = metrics.text();
  const auto has = [&](const std::string& line) { return text.find(line + "\n") != std::string::npos; };
  EXPECT_TRUE(has(R"(tidelock_circuitbreaker_state{name="server",state="open"} 1)")) << text;
  EXPECT_TRUE(has(R"(tidelock_circuitbreaker_state{name="server",state="closed"} 0)")) << text;
  EXPECT_TRUE(has(R"(tidelock_circuitbreaker_calls_total{kind="failed",name="server"} 3)")) << text;
  EXPECT_TRUE(has(R"(tidelock_circuitbreaker_calls_total{kind="successful",name="server"} 1)")) << text;
  EXPECT_TRUE(has(R"(tidelock_circuitbreaker_not_permitted_calls_total{name="server"} 1)")) << text;
}

WORLD_TEST(CircuitBreaker, RefusesOptionsThatMakeNoSense) {
  const auto make = [&](auto&& change) {
    CircuitBreakerOptions options;
    change(options);
    CircuitBreaker breaker(runtime, "server", options);
  };
  EXPECT_EQ(error_text([&] { make([](auto& o) { o.failure_rate_threshold = 0; }); }),
            "circuit breaker \"server\": failure_rate_threshold must be above 0 and at most 100 %");
  EXPECT_THROW_CODE(make([](auto& o) { o.slow_call_rate_threshold = 100.5; }), Code::invalid_argument);
  EXPECT_THROW_CODE(make([](auto& o) { o.sliding_window_size = 0; }), Code::invalid_argument);
  EXPECT_THROW_CODE(make([](auto& o) { o.minimum_number_of_calls = 0; }), Code::invalid_argument);
  EXPECT_THROW_CODE(make([](auto& o) { o.permitted_number_of_calls_in_half_open_state = 0; }), Code::invalid_argument);
  EXPECT_THROW_CODE(make([](auto& o) { o.wait_duration_in_open_state = 0s; }), Code::invalid_argument);
  EXPECT_THROW_CODE(make([](auto& o) { o.max_probe_duration = 0s; }), Code::invalid_argument);
  EXPECT_THROW_CODE(make([](auto& o) { o.max_wait_duration_in_half_open_state = -1s; }), Code::invalid_argument);
  EXPECT_THROW_CODE(make([](auto& o) { o.verdict = nullptr; }), Code::invalid_argument);
}

// The rules once more, as plainly as they can be written: every call is kept, every rate is counted from scratch.
class PlainBreaker {
 public:
  explicit PlainBreaker(const CircuitBreakerOptions& options) : options_(options) {}

  BreakerState state(Instant now) {
    settle(now);
    return state_;
  }
  bool permits(Instant now) {
    settle(now);
    return state_ == BreakerState::closed ||
           (state_ == BreakerState::half_open &&
            ended_.size() + probes_.size() < options_.permitted_number_of_calls_in_half_open_state);
  }
  int begin(int call, Instant now) {
    if (state_ == BreakerState::half_open) probes_.emplace_back(call, now);
    return epoch_;
  }
  void end(int call, int epoch, Verdict verdict, Duration took, Instant now) {
    settle(now);
    if (epoch != epoch_) return;
    if (state_ == BreakerState::half_open &&
        std::erase_if(probes_, [&](const auto& probe) { return probe.first == call; }) == 0) {
      return;
    }
    if (verdict != Verdict::ignored) {
      count(verdict == Verdict::failure, took > options_.slow_call_duration_threshold, now);
    }
  }

 private:
  struct Ended {
    bool failed;
    bool slow;
    std::int64_t second;
  };
  static std::int64_t second_of(Instant now) { return now.time_since_epoch() / 1s; }
  void enter(BreakerState state, Instant now) {
    state_ = state;
    since_ = now;
    ++epoch_;
    ended_.clear();
    probes_.clear();
  }
  void settle(Instant now) {
    if (state_ == BreakerState::open && now >= since_ + options_.wait_duration_in_open_state) {
      enter(BreakerState::half_open, now);
    }
    while (state_ == BreakerState::half_open && !probes_.empty() &&
           now >= probes_.front().second + options_.max_probe_duration) {
      probes_.pop_front();
      count(true, true, now);
    }
  }
  void count(bool failed, bool slow, Instant now) {
    ended_.push_back({failed, slow, second_of(now)});
    const auto size = options_.sliding_window_size;
    std::size_t calls = 0;
    std::size_t bad = 0;
    std::size_t late = 0;
    for (std::size_t i = 0; i < ended_.size(); ++i) {
      if (state_ == BreakerState::closed && options_.sliding_window_type == SlidingWindowType::time_based
              ? ended_[i].second + static_cast<std::int64_t>(size) <= second_of(now)
              : state_ == BreakerState::closed && i + size < ended_.size()) {
        continue;
      }
      ++calls;
      bad += ended_[i].failed ? 1 : 0;
      late += ended_[i].slow ? 1 : 0;
    }
    auto wanted = options_.minimum_number_of_calls;
    if (state_ == BreakerState::half_open) {
      wanted = std::min(wanted, options_.permitted_number_of_calls_in_half_open_state);
    } else if (options_.sliding_window_type == SlidingWindowType::count_based) {
      wanted = std::min(wanted, size);
    }
    if (calls < wanted) return;
    const auto reaches = [&](std::size_t part, double rate) {
      return 100.0 * static_cast<double>(part) / static_cast<double>(calls) >= rate;
    };
    if (reaches(bad, options_.failure_rate_threshold) || reaches(late, options_.slow_call_rate_threshold)) {
      enter(BreakerState::open, now);
    } else if (state_ == BreakerState::half_open) {
      enter(BreakerState::closed, now);
    }
  }

  const CircuitBreakerOptions& options_;
  BreakerState state_ = BreakerState::closed;
  Instant since_{};
  int epoch_ = 0;
  std::vector<Ended> ended_;
  std::deque<std::pair<int, Instant>> probes_;
};

CircuitBreakerOptions random_options(world::Random& random) {
  return {.failure_rate_threshold = static_cast<double>((1 + random.below(100))),
          .slow_call_rate_threshold = static_cast<double>((1 + random.below(100))),
          .slow_call_duration_threshold = 1s * (1 + random.below(5)),
          .sliding_window_type = random.below(2) == 0 ? SlidingWindowType::count_based : SlidingWindowType::time_based,
          .sliding_window_size = 1 + random.below(12),
          .minimum_number_of_calls = 1 + random.below(12),
          .wait_duration_in_open_state = 1s * (1 + random.below(20)),
          .permitted_number_of_calls_in_half_open_state = 1 + random.below(5),
          .max_probe_duration = 1s * (1 + random.below(10))};
}

TEST(CircuitBreaker, DoesWhatThePlainRulesSay) {
  std::uint64_t changes = 0;
  const auto seeds = world::for_seeds(world::long_seeds(300), [&](world::World& world) {
    world.run([&](Runtime& runtime) {
      auto& random = world.random();
      const auto options = random_options(random);
      CircuitBreaker breaker(runtime, "server", options);
      PlainBreaker plain(options);
      struct Call {
        CircuitBreaker::Permit permit;
        int epoch;
        Instant begun;
      };
      std::map<int, Call> calls;
      auto state = BreakerState::closed;
      for (int step = 0; step < 300; ++step) {
        const auto what = random.below(10);
        if (what < 5) {
          const bool permits = plain.permits(runtime.now());
          auto permit = breaker.try_acquire();
          ASSERT_EQ(permit.has_value(), permits) << "step " << step;
          if (permit) {
            calls.emplace(step, Call{*std::move(permit), plain.begin(step, runtime.now()), runtime.now()});
          }
        } else if (what < 9 && !calls.empty()) {
          const auto call = std::next(calls.begin(), random.below(static_cast<std::uint32_t>(calls.size())));
          const auto verdict = static_cast<Verdict>(random.below(3));
          plain.end(call->first, call->second.epoch, verdict, runtime.now() - call->second.begun, runtime.now());
          call->second.permit.end(verdict);
          calls.erase(call);
        } else {
          runtime.sleep_for(1ms * random.below(4000));
        }
        ASSERT_EQ(breaker.state(), plain.state(runtime.now())) << "step " << step;
        changes += std::exchange(state, breaker.state()) != breaker.state() ? 1 : 0;
      }
    });
  });
  EXPECT_GT(changes, 3 * seeds) << "the runs go through many states";
}

// A server that is up and down for random times; a call that meets it down fails, hangs for long, or is forgotten.
TEST(CircuitBreaker, SparesADownServerAndNeverStaysHalfOpen) {
  std::uint64_t refused = 0;
  const auto seeds = world::for_seeds(world::long_seeds(100), [&](world::World& world) {
    world.run([&](Runtime& runtime) {
      CircuitBreaker breaker(runtime, "server",
                             {.sliding_window_size = 10,
                              .minimum_number_of_calls = 5,
                              .wait_duration_in_open_state = 5s,
                              .permitted_number_of_calls_in_half_open_state = 3,
                              .max_probe_duration = 10s});
      bool up = true;
      int probes = 0;  // Under way, and not yet given up.
      const auto call_once = [&] {
        auto permit = breaker.try_acquire();
        if (!permit) {
          ++refused;
          return;
        }
        const bool is_probe = breaker.state() == BreakerState::half_open;
        if (is_probe) {
          ++probes;
          EXPECT_LE(probes, 3);
        }
        const auto begun = runtime.now();
        if (!up && world.random().chance(0.3)) {
          runtime.sleep_for(9s + 999ms);  // Hangs.
        } else {
          runtime.sleep_for(10ms);
        }
        if (is_probe) --probes;
        EXPECT_LT(runtime.now() - begun, 10s);
        if (world.random().chance(0.05)) return;  // Forgotten.
        up ? permit->success() : permit->failure();
      };
      {
        std::vector<Task> callers;
        for (int i = 0; i < 6; ++i) {
          callers.push_back(runtime.spawn("caller", [&](const std::stop_token& stop) {
            while (runtime.sleep_for(world.random().between({10ms, 800ms}), stop)) call_once();
          }));
        }
        for (int change = 0; change < 20; ++change) {
          runtime.sleep_for(world.random().between({1s, 40s}));
          up = !up;
        }
        up = true;
        runtime.sleep_for(10s + 5s + 10s);  // The last one that hangs, the wait, probes.
        EXPECT_EQ(breaker.state(), BreakerState::closed);
      }
    });
  });
  EXPECT_GT(refused, 100 * seeds);
}

TEST(CircuitBreaker, TasksOfARealRuntimeMayShareOne) {
  const auto runtime = std::make_unique<RealRuntime>();
  CircuitBreaker breaker(*runtime, "server",
                         {.sliding_window_size = 50,
                          .minimum_number_of_calls = 20,
                          .wait_duration_in_open_state = 1us,
                          .permitted_number_of_calls_in_half_open_state = 3});
  std::atomic<std::uint64_t> ended = 0;
  Metrics metrics;
  breaker.measure(metrics);
  {
    std::vector<Task> callers;
    for (int i = 0; i < 4; ++i) {
      callers.push_back(runtime->spawn("caller", [&](const std::stop_token&) {
        for (int call = 0; call < 5000; ++call) {
          if (auto permit = breaker.try_acquire()) {
            ++ended;
            call % 3 == 0 ? permit->success() : permit->failure("no");
          }
        }
      }));
    }
    for (auto& caller : callers) caller.join();
  }
  const auto report = breaker.report();
  EXPECT_LE(report.window.failed, report.window.calls);
  double counted = 0;
  for (const auto* kind : {"successful", "failed"}) {
    counted +=
        metrics
            .counter("tidelock_circuitbreaker_calls_total", "Calls that passed the circuit breaker, by their end.",
                     {{"name", "server"}, {"kind", kind}})
            .value();
  }
  EXPECT_EQ(counted, static_cast<double>(ended.load()));
}

}  // namespace
}  // namespace tidelock::base

// Tests that run in a World, for GoogleTest.
//
//   WORLD_TEST(Queue, HandsOutInOrder) { ... }  // `world`, `runtime`, `files` in scope; the body is a task, nothing
//   sleeps. TEST(Queue, NeverLosesAnItem) { for_seeds(200, [](World& world) { ... }); }
//   EXPECT_THROW_CODE(queue.take(), Code::timeout);
//
// Environment: TIDELOCK_SEED runs that seed only; TIDELOCK_SOAK_SECONDS goes on with new seeds for so long;
// TIDELOCK_TRACE=n prints the last n lines of the story of a run that failed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/world/sanitizer.h"
#include "tidelock/world/world.h"

namespace tidelock::world {

inline std::optional<std::uint64_t> number_from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

inline WorldOptions test_options() {
  WorldOptions options;
  options.trace_log = number_from_environment("TIDELOCK_TRACE").value_or(0);
  return options;
}

// Runs fn(seed); false, with the seed printed, when it failed. An exception is a failure.
template <typename Fn>
bool passes_with_seed(std::uint64_t seed, Fn&& fn) {
  const auto failed = [] {
    const auto* result = ::testing::UnitTest::GetInstance()->current_test_info()->result();
    return result->Failed();
  };
  if (failed()) return false;
  try {
    fn(seed);
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  } catch (const Crashed&) {
    ADD_FAILURE() << "used a process that was killed";
  }
  if (failed()) std::cout << "Seed " << seed << ": run again with TIDELOCK_SEED=" << seed << " TIDELOCK_TRACE=200\n";
  return !failed();
}

template <typename Fn>
bool passes_in_world(std::uint64_t seed, Fn&& fn) {
  World world(seed, test_options());
  const bool passed = passes_with_seed(seed, [&](std::uint64_t) { fn(world); });
  if (!passed) std::cout << world.trace_log();
  return passed;
}

// Calls fn(seed), or fn(world) with a World of that seed, for seeds 1 to count; stops at the first that fails. Returns
// how many passed: what is expected of many seeds together cannot be expected of one.
template <typename Fn>
std::uint64_t for_seeds(std::uint64_t count, Fn&& fn) {
  const auto passes = [&](std::uint64_t seed) {
    if constexpr (std::invocable<Fn&, World&>) {
      return passes_in_world(seed, fn);
    } else {
      return passes_with_seed(seed, fn);
    }
  };
  if (const auto seed = number_from_environment("TIDELOCK_SEED")) return passes(*seed) ? 1 : 0;
  std::uint64_t done = 0;
  if (const auto seconds = number_from_environment("TIDELOCK_SOAK_SECONDS")) {
    const auto begin = std::chrono::steady_clock::now();
    const auto first = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    while (std::chrono::steady_clock::now() - begin < std::chrono::seconds(*seconds) && passes(first + done)) ++done;
    std::cout << done << " seeds passed\n";
  } else {
    while (done < count && passes(1 + done)) ++done;
  }
  return done;
}

// How many seeds of a long simulation a test runs. A sanitizer slows it down many times, and looks at what the code
// does to memory, which most seeds do alike; or at what threads do to each other, of which a World has but one.
// `at_least`: as many as something needs that does not happen in every World.
constexpr std::uint64_t long_seeds(std::uint64_t count, std::uint64_t at_least = 1) {
#if defined(TIDELOCK_ASAN) || defined(TIDELOCK_TSAN)
  return std::max((count + 19) / 20, at_least);
#else
  return std::max(count, at_least);
#endif
}

inline void run_world_test(const std::function<void(World&)>& body) {
  const auto seed = number_from_environment("TIDELOCK_SEED").value_or(1);
  passes_in_world(seed, [&](World& world) { world.run([&] { body(world); }); });
}

template <typename Fn>
::testing::AssertionResult throws_code(Code expected, const char* statement, Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    if (error.code() == expected) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << statement << " throws " << name(error.code()) << " (" << error.what()
                                         << "), not " << name(expected);
  } catch (const std::exception& error) {
    return ::testing::AssertionFailure() << statement << " throws another exception: " << error.what();
  }
  return ::testing::AssertionFailure() << statement << " throws nothing, not " << name(expected);
}

}  // namespace tidelock::world

// The statement throws tidelock::Error with this code.
#define EXPECT_THROW_CODE(statement, code)                                                                      \
  GTEST_AMBIGUOUS_ELSE_BLOCKER_                                                                                 \
  if (const ::testing::AssertionResult tidelock_result = ::tidelock::world::throws_code(code, #statement, [&] { \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wunused-result\"") statement;         \
        _Pragma("GCC diagnostic pop")                                                                           \
      })) {                                                                                                     \
  } else                                                                                                        \
    ADD_FAILURE() << tidelock_result.message()

// A test whose body is the main task of a World; a returning ASSERT ends it.
#define WORLD_TEST(suite, name)                                                                                    \
  static void suite##_##name##_InWorld(::tidelock::world::World& world, ::tidelock::base::Runtime& runtime,        \
                                       ::tidelock::base::Files& files);                                            \
  TEST(suite, name) {                                                                                              \
    ::tidelock::world::run_world_test(                                                                             \
        [](::tidelock::world::World& world) { suite##_##name##_InWorld(world, world.runtime(), world.files()); }); \
  }                                                                                                                \
  static void suite##_##name##_InWorld([[maybe_unused]] ::tidelock::world::World& world,                           \
                                       [[maybe_unused]] ::tidelock::base::Runtime& runtime,                        \
                                       [[maybe_unused]] ::tidelock::base::Files& files)

// What benchmarks measure with: clocks, the median, and two ways of doing one thing in turns.
#pragma once

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace tidelock::bench {

// What a body took.
struct Took {
  double wall_s;
  double process_s;  // Of the processor, by all threads of this process.
  double thread_s;   // Of the processor, by this thread: other work on the machine counts for less than by the wall.
  double sleeps;     // How often threads of this process went to sleep.
};

inline double now_s(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

inline double sleeps() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_nvcsw);
}

template <typename Body>
Took measure(Body&& body) {
  const double slept = sleeps();
  const double wall = now_s(CLOCK_MONOTONIC);
  const double process = now_s(CLOCK_PROCESS_CPUTIME_ID);
  const double thread = now_s(CLOCK_THREAD_CPUTIME_ID);
  body();
  return {.wall_s = now_s(CLOCK_MONOTONIC) - wall,
          .process_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - process,
          .thread_s = now_s(CLOCK_THREAD_CPUTIME_ID) - thread,
          .sleeps = sleeps() - slept};
}

// Measures two bodies, the second one first every other time: what the first leaves in the caches serves both alike.
class Turns {
 public:
  template <typename First, typename Second>
  std::pair<Took, Took> operator()(First&& first, Second&& second) {
    swapped_ = !swapped_;
    if (!swapped_) {
      const auto took = measure(first);
      return {took, measure(second)};
    }
    const auto took = measure(second);
    return {measure(first), took};
  }

 private:
  bool swapped_ = true;
};

// The upper one of two in the middle. Not of nothing.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace tidelock::bench

// How fast a World switches between tasks, with the trace hash on. The floor is Boost.Context's bare switch.
#include "tidelock/world/world.h"

#include <benchmark/benchmark.h>

#include <boost/context/fiber.hpp>
#include <chrono>

namespace tidelock::world {
namespace {

constexpr int kRounds = 100'000;

WorldOptions endless() { return {.step_limit = UINT64_MAX, .step_limit_at_once = UINT64_MAX, .buggify = false}; }

void count_steps(benchmark::State& state, std::uint64_t steps) {
  state.SetItemsProcessed(static_cast<std::int64_t>(steps));
}

// Items are switches.
void bare_context_switch(benchmark::State& state) {
  bool done = false;
  boost::context::fiber other([&](boost::context::fiber&& back) {
    while (!done) back = std::move(back).resume();
    return std::move(back);
  });
  for (auto _ : state) other = std::move(other).resume();
  done = true;
  other = std::move(other).resume();
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(bare_context_switch);

// Items are switches: two tasks (or more) that yield to each other.
void yield(benchmark::State& state) {
  std::uint64_t steps = 0;
  for (auto _ : state) {
    World world(1, endless());
    world.run([&](base::Runtime& runtime) {
      std::vector<base::Task> tasks;
      for (int i = 0; i < state.range(0); ++i) {
        tasks.push_back(runtime.spawn("yielder", [&](const std::stop_token&) {
          for (int round = 0; round < kRounds; ++round) runtime.yield();
        }));
      }
    });
    steps += world.steps();
  }
  count_steps(state, steps);
}
BENCHMARK(yield)->Arg(2)->Arg(100);

// Items are switches: two tasks that hand a turn to each other by a signal.
void signal_ping_pong(benchmark::State& state) {
  std::uint64_t steps = 0;
  for (auto _ : state) {
    World world(1, endless());
    world.run([&](base::Runtime& runtime) {
      const auto turned = runtime.make_signal("turned");
      int turn = 0;
      const auto play = [&](int me) {
        for (int round = 0; round < kRounds; ++round) {
          auto seen = turned->count();
          while (turn != me) {
            turned->wait(seen, base::Deadline::never());
            seen = turned->count();
          }
          turn = 1 - me;
          turned->notify_all();
        }
      };
      auto other = runtime.spawn("other", [&](const std::stop_token&) { play(1); });
      play(0);
      other.join();
    });
    steps += world.steps();
  }
  count_steps(state, steps);
}
BENCHMARK(signal_ping_pong);

// Items are sleeps of a hundred tasks.
void sleep(benchmark::State& state) {
  std::uint64_t steps = 0;
  for (auto _ : state) {
    World world(1, endless());
    world.run([&](base::Runtime& runtime) {
      std::vector<base::Task> tasks;
      for (int i = 0; i < 100; ++i) {
        tasks.push_back(runtime.spawn("sleeper", [&, i](const std::stop_token&) {
          for (int round = 0; round < kRounds / 100; ++round) runtime.sleep_for(std::chrono::microseconds(100 + i));
        }));
      }
    });
    steps += world.steps();
  }
  count_steps(state, steps);
}
BENCHMARK(sleep);

// Items are tasks, spawned and joined.
void spawn_and_join(benchmark::State& state) {
  for (auto _ : state) {
    World world(1, endless());
    world.run([&](base::Runtime& runtime) {
      for (int i = 0; i < kRounds; ++i) runtime.spawn("task", [](const std::stop_token&) {}).join();
    });
  }
  state.SetItemsProcessed(kRounds * state.iterations());
}
BENCHMARK(spawn_and_join);

// Items are writes of one page.
void file_write(benchmark::State& state) {
  for (auto _ : state) {
    World world(1, endless());
    world.machine().disk().options().takes_time = state.range(0) != 0;
    world.run([&](base::Runtime&) {
      const auto file = world.files().open("/x", base::OpenMode::create);
      const std::vector<std::byte> page(4096);
      for (int i = 0; i < kRounds; ++i) file->write_at(static_cast<std::uint64_t>(i % 256) * 4096, page);
    });
  }
  state.SetItemsProcessed(kRounds * state.iterations());
}
BENCHMARK(file_write)->ArgName("takes_time")->Arg(0)->Arg(1);

// Items are Worlds that are made, run one task and end: what a seed costs before it does anything.
void make_a_world(benchmark::State& state) {
  std::uint64_t seed = 1;
  for (auto _ : state) {
    World world(seed++);
    world.run([] {});
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(make_a_world);

}  // namespace
}  // namespace tidelock::world

BENCHMARK_MAIN();

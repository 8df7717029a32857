// What the suites of this folder share: three processes of one machine that reach one arbiter over lines that can fail.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tidelock/lock/conformance/arbiters.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/lock/testing/faulty_backend.h"
#include "tidelock/world/testing.h"
#include "tidelock/world/world.h"

namespace tidelock::lock::conformance {

using namespace std::chrono_literals;
using testing::Fault;

inline constexpr base::Duration kInstant = 20ms;  // What takes less was waited for, not polled for.

inline LeaseOptions usual_options() { return {.ttl = 10s, .margin = 1s, .owner = {}}; }

// A process, its line to the arbiter, and a mutex that all processes share.
struct Party {
  Party(Arbiter& arbiter, world::Process& where)
      : process(where),
        backend(arbiter.connect(where)),
        line(*backend, where),
        mutex(line, where, "x", usual_options()) {}

  base::Deadline soon() { return process.in(5s); }
  std::optional<Lease> try_acquire() { return mutex.try_acquire(soon()); }
  std::optional<Lease> acquire() { return mutex.acquire(process.in(10min)); }
  void release(const Lease& lease) { mutex.release(lease, soon()); }
  Semaphore semaphore(std::uint32_t permits) { return {line, process, "s", permits, usual_options()}; }

  world::Process& process;
  std::unique_ptr<Backend> backend;
  testing::FaultyBackend line;
  Mutex mutex;
};

class LockConformance : public ::testing::TestWithParam<ArbiterCase> {
 protected:
  // The body of a test: runs as a task of the World.
  void run(const std::function<void()>& body) {
    world::passes_in_world(world::number_from_environment("TIDELOCK_SEED").value_or(1), [&](world::World& world) {
      world_ = &world;
      world.run([&] {
        arbiter_ = GetParam().make(world);
        alice_.emplace(*arbiter_, world.process("alice"));
        bob_.emplace(*arbiter_, world.process("bob"));
        carol_.emplace(*arbiter_, world.process("carol"));
        try {
          body();
        } catch (...) {
          take_down();
          throw;
        }
        take_down();
      });
    });
  }

  world::World& the_world() { return *world_; }
  Party& alice() { return *alice_; }
  Party& bob() { return *bob_; }
  Party& carol() { return *carol_; }
  base::Instant now() { return world_->machine().now(); }
  void advance(base::Duration time) { world_->runtime().sleep_for(time); }
  base::Task spawn(Party& party, std::function<void()> body) {
    return party.process.spawn("test", [body = std::move(body)](auto) { body(); });
  }
  // Holders and waiters of every key, as carol sees them.
  std::vector<KeyState> snapshot() { return carol().backend->snapshot(std::nullopt, carol().soon()); }

  void take_down() {
    carol_.reset();
    bob_.reset();
    alice_.reset();
    arbiter_.reset();
  }

  world::World* world_ = nullptr;
  std::unique_ptr<Arbiter> arbiter_;
  std::optional<Party> alice_;
  std::optional<Party> bob_;
  std::optional<Party> carol_;
};

}  // namespace tidelock::lock::conformance

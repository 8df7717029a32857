// What the suites of this folder share: three processes that reach one arbiter over lines that can fail.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tidelock/lock/conformance/arbiters.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/lock/testing/faulty_backend.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock::conformance {

using namespace std::chrono_literals;
using testing::Fault;

inline LeaseOptions usual_options() { return {.ttl = 10s, .margin = 1s, .owner = {}}; }

// A process, its line to the arbiter, and a mutex that all processes share.
struct Party {
  Party(Stage& where, std::string_view who)
      : stage(where),
        name(who),
        process(where.process(who)),
        backend(where.connect(who)),
        line(*backend, process),
        mutex(line, process, "x", usual_options()) {}

  base::Deadline soon() { return process.in(5s); }
  std::optional<Lease> try_acquire() { return mutex.try_acquire(soon()); }
  std::optional<Lease> acquire() { return mutex.acquire(process.in(10min)); }
  void release(const Lease& lease) { mutex.release(lease, soon()); }
  Semaphore semaphore(std::uint32_t permits) { return {line, process, "s", permits, usual_options()}; }

  void pause() { stage.pause(name); }
  void resume() { stage.resume(name); }
  void crash() { stage.crash(name); }

  Stage& stage;
  const std::string name;
  base::Runtime& process;
  std::unique_ptr<Backend> backend;
  testing::FaultyBackend line;
  Mutex mutex;
};

class LockConformance : public ::testing::TestWithParam<ArbiterCase> {
 protected:
  static void TearDownTestSuite() {
    for (const auto& [name, close] : open_) close();
    open_.clear();
  }
  void SetUp() override { TIDELOCK_NEEDS(GetParam().unavailable); }

  // The body of a test: runs as the main task of a stage.
  void run(const std::function<void()>& body) {
    open_[GetParam().name] = GetParam().close;
    GetParam().run([&](Stage& stage) {
      stage_ = &stage;
      alice_.emplace(stage, "alice");
      bob_.emplace(stage, "bob");
      carol_.emplace(stage, "carol");
      std::exception_ptr error;  // Taking down waits, which a handler must not do in a World.
      try {
        body();
      } catch (...) {
        error = std::current_exception();
      }
      carol_.reset();
      bob_.reset();
      alice_.reset();
      if (error) std::rethrow_exception(error);
    });
  }
  // The same, where processes can be stopped.
  void run_stopping(const std::function<void()>& body) {
    if (const auto& why = GetParam().no_stopping; !why.empty()) GTEST_SKIP() << why;
    run(body);
  }

  Stage& stage() { return *stage_; }
  Party& alice() { return *alice_; }
  Party& bob() { return *bob_; }
  Party& carol() { return *carol_; }
  base::Duration instant() const { return GetParam().instant; }
  base::Instant now() { return stage_->now(); }
  void advance(base::Duration time) { stage_->advance(time); }
  base::Task spawn(Party& party, std::function<void()> body) {
    return party.process.spawn("test", [body = std::move(body)](auto) { body(); });
  }
  // Holders and waiters of every key, as carol sees them.
  std::vector<KeyState> snapshot() { return carol().backend->snapshot(std::nullopt, carol().soon()); }

 private:
  static inline std::map<std::string, std::function<void()>> open_;  // What the suite is to close.
  Stage* stage_ = nullptr;
  std::optional<Party> alice_;
  std::optional<Party> bob_;
  std::optional<Party> carol_;
};

}  // namespace tidelock::lock::conformance

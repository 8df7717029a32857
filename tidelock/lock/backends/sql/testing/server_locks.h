// For tests of locks on a real server, each on a database of its own; skipped without one.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/lock/backends/sql/state_server.h"
#include "tidelock/lock/conformance/live_database.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/sql/testing/needs.h"

namespace tidelock::lock::testing {

using namespace std::chrono_literals;

// server_live_test.cc instantiates it for each kind of server that is compiled in.
class ServerLocks : public ::testing::TestWithParam<conformance::ServerKind> {
 protected:
  void SetUp() override {
    TIDELOCK_NEEDS_VARIABLE(GetParam().variable);
    place_.emplace(runtime_, files_, GetParam());
  }

  std::unique_ptr<SqlBackend> open(const OpenOptions& options = {}) {
    return std::make_unique<SqlBackend>(runtime_, files_, place_->url(), options);
  }
  base::Deadline soon() { return runtime_.in(10s); }
  LeaseOptions owner(const std::string& name) { return {.ttl = 10s, .margin = 1s, .owner = name}; }
  // As backends do from time to time, but to the end. Returns how many times it looked at some keys.
  int tidy(base::Duration timeout) {
    StateServer source(runtime_, files_, place_->url(), {}, GetParam().clock);
    const auto state = source.get(soon());
    state->tables().sweep_all(state->database(), timeout);
    int looks = 0;
    std::string at;
    do {
      at = state->tables().forget_some(state->database(), at, timeout);
      ++looks;
    } while (!at.empty());
    return looks;
  }
  // Until so many wait for the key, for a while.
  void until_waiting(Backend& backend, std::string_view key, std::size_t count) {
    const auto deadline = runtime_.in(20s);
    for (;;) {
      const auto keys = backend.snapshot(key, soon());
      if (!keys.empty() && keys.front().waiters.size() == count) return;
      ASSERT_FALSE(deadline.passed(runtime_.now())) << "nobody waits";
      runtime_.yield();
    }
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::optional<conformance::LiveDatabase> place_;
};

}  // namespace tidelock::lock::testing

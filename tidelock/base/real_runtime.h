// The Runtime of a real program: threads, and the kernel's clocks and entropy.
//
// Only the top of a program makes one (main, or a test of real things); everything below takes a Runtime&.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/base/runtime.h"

namespace tidelock::base {

// Thread-safe. A task is a thread, with every signal blocked that is sent to the process: the program's own threads
// handle those. Task number 0 is the program's main thread; a thread that the program started itself has a number too.
class RealRuntime final : public Runtime {
 public:
  struct Options {
    // The seed of random(); from the kernel when empty. One seed gives one sequence to each thread, in the order in
    // which the threads first ask.
    std::optional<std::uint64_t> random_seed;
  };

  // Errors: invalid_argument when TIDELOCK_OWNER is set and is not an owner id; unsupported without /proc.
  RealRuntime();
  explicit RealRuntime(Options options);

  Instant now() override;  // CLOCK_BOOTTIME.
  WallTime wall_now() override;
  bool sleep_until(Instant moment, const std::stop_token& stop = {}) override;
  void yield() override;
  std::uint64_t random() override;
  std::unique_ptr<Signal> make_signal(std::string_view name) override;
  // Error: unavailable when the system has no thread left.
  [[nodiscard]] Task spawn(std::string name, std::function<void(std::stop_token)> body) override;
  std::uint64_t current_task() override;
  std::shared_ptr<const ContextFrame>& context() override;
  const Identity& identity() override { return identity_; }

 private:
  std::uint64_t id_;    // Tells this runtime from an earlier one at the same address.
  std::uint64_t seed_;  // Of random().
  std::atomic<std::uint64_t> random_streams_{0};
  Identity identity_;
};

// An owner id as TIDELOCK_OWNER holds it: a UUID, which may be followed by one of . : / - and up to 960 more letters,
// digits, those and _. Returns it with the UUID in lower case. Error: invalid_argument.
std::string parse_owner(std::string_view text);

}  // namespace tidelock::base

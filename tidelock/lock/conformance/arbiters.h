// The backends that the suites in this folder run on: in a World where that is possible, on a live server where not.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/lock/backend.h"

namespace tidelock::lock::conformance {

// Where a test is run: processes of one machine that reach one arbiter, and the time that passes for all of them. Time
// passes only while everybody waits.
class Stage {
 public:
  virtual ~Stage() = default;

  virtual base::Runtime& process(std::string_view name) = 0;
  // The arbiter, as this process reaches it.
  virtual std::unique_ptr<Backend> connect(std::string_view process) = 0;
  // It forgets everything, while its users hold it open.
  virtual void lose_state() = 0;

  virtual base::Instant now() = 0;
  virtual void advance(base::Duration time) = 0;
  virtual void step_wall_clock(base::Duration by) = 0;  // Of the machine, and of the arbiter.

  // Only where processes can be stopped.
  virtual void pause(std::string_view process);
  virtual void resume(std::string_view process);
  virtual void crash(std::string_view process);
};

struct ArbiterCase {
  std::string name;
  std::function<void(const std::function<void(Stage&)>& body)> run;
  std::function<void()> close = [] {};  // After the last run.
  std::string unavailable{};            // Why it cannot be tested here; empty: it can.
  std::string no_stopping{};            // Why its processes cannot be paused and killed; empty: they can.
  base::Duration instant = std::chrono::milliseconds(20);  // A waiter that is served takes less.

  friend std::ostream& operator<<(std::ostream& out, const ArbiterCase& arbiter) { return out << arbiter.name; }
};

std::vector<ArbiterCase> arbiters();

}  // namespace tidelock::lock::conformance

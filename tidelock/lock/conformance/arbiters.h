// The backends that the suites in this folder run on, each inside a World.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tidelock/lock/backend.h"
#include "tidelock/world/world.h"

namespace tidelock::lock::conformance {

// An arbiter and what can happen to it.
class Arbiter {
 public:
  virtual ~Arbiter() = default;
  // As this process reaches it.
  virtual std::unique_ptr<Backend> connect(world::Process& process) = 0;
  // It forgets everything, while its users hold it open.
  virtual void lose_state() = 0;
};

struct ArbiterCase {
  std::string name;
  std::function<std::unique_ptr<Arbiter>(world::World&)> make;
  friend std::ostream& operator<<(std::ostream& out, const ArbiterCase& arbiter) { return out << arbiter.name; }
};

std::vector<ArbiterCase> arbiters();

}  // namespace tidelock::lock::conformance

// Starting programs as services, behind an interface: a World has no processes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

#include "tidelock/base/process.h"
#include "tidelock/base/time.h"
#include "tidelock/pipeline/pipeline.h"

namespace tidelock::pipeline {

// One program and all that it starts. Destroying it ends them at once. Used by one task at a time, except for `output`.
class RunningService {
 public:
  virtual ~RunningService() = default;
  virtual std::int64_t pid() const = 0;
  // How the program ended, once nothing of it is left; empty at the deadline or when `stop` is requested.
  // Errors: as ServiceHost::start(), for what shows only then.
  virtual std::optional<base::ExitStatus> wait(base::Deadline deadline, const std::stop_token& stop) = 0;
  // SIGTERM now, SIGKILL after its stop_timeout. Returns at once.
  virtual void end() = 0;
};

// Thread-safe.
class ServiceHost {
 public:
  using Output = std::function<void(std::string_view line)>;  // Called by another task, until the service is destroyed.

  virtual ~ServiceHost() = default;
  // Errors: not_found, permission_denied, invalid_argument, unavailable: see base::ChildProcess.
  virtual std::unique_ptr<RunningService> start(const Service& service, Output output) = 0;
};

}  // namespace tidelock::pipeline

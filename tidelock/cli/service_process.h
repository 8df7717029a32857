// Services as processes, each below a guard that ends it when this program is gone.
#pragma once

#include <memory>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/pipeline/service_host.h"

namespace tidelock::cli {

// For the program `tidelock` only: the guards are processes of its own executable. Each service has a session and a
// process group of its own, so that the terminal's keys are this program's alone. Thread-safe. Borrows both.
class ServiceProcesses final : public pipeline::ServiceHost {
 public:
  ServiceProcesses(base::Runtime& runtime, base::Files& files) : runtime_(runtime), files_(files) {}
  std::unique_ptr<pipeline::RunningService> start(const pipeline::Service& service, Output output) override;

 private:
  base::Runtime& runtime_;
  base::Files& files_;
};

}  // namespace tidelock::cli

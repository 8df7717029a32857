// Publishes the replicas of a pipeline.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "tidelock/pipeline/pipeline.h"
#include "tidelock/replica/publisher.h"
#include "tidelock/toolkit/toolkit.h"

namespace tidelock::pipeline {

// Thread-safe. Borrows toolkit and pipeline.
class Publishing {
 public:
  Publishing(Toolkit& toolkit, const Pipeline& pipeline) : toolkit_(toolkit), pipeline_(pipeline) {}

  // owner: the Database of this process that has the master open. Returns what to say about it: "version 42". Errors:
  // those of replica::Publisher.
  std::string publish(const Replica& replica, sql::Database& owner, const std::stop_token& stop);

 private:
  Toolkit& toolkit_;
  const Pipeline& pipeline_;
};

}  // namespace tidelock::pipeline

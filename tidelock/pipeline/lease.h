// A pipeline is run by one process at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/mutex.h"

namespace tidelock::pipeline {

// Code::already_exists: the message names the process that runs the pipeline.
class AlreadyRuns : public Error {
 public:
  explicit AlreadyRuns(std::string message) : Error(Code::already_exists, std::move(message)) {}
};

// The lock `pipeline/<name>` in the state, renewed until the end. Used by one task.
class PipelineLease {
 public:
  // Whether there is a process of this number on this machine. A lease that a dead one left is taken over at once.
  using Alive = std::function<bool(std::int64_t pid)>;

  // While another process runs the pipeline: told who it is, each time that it is another one.
  struct Wait {
    std::function<void(const std::string& who)> say;
    std::stop_token stop;
  };

  // Without `wait`: error AlreadyRuns while another process runs it. With it: waits until that one ends or its lease
  // expires; error cancelled when `stop` is requested. Errors: also those of the arbiter.
  PipelineLease(lock::Backend& locks, base::Runtime& runtime, const std::string& pipeline, const Alive& alive,
                const std::optional<Wait>& wait = std::nullopt);

  std::stop_token lost_token() const { return keeper_->stop_token(); }
  std::optional<Error> lost() const { return keeper_->lost(); }

 private:
  std::optional<lock::Lease> take(lock::Backend& locks, base::Runtime& runtime, const Alive& alive, std::string& who);

  lock::Mutex mutex_;
  std::optional<lock::Keeper> keeper_;
};

// Frees the runs, slots and replicas that processes of this machine held or waited for which are no more, so that their
// runs can be continued at once. Fencing tokens keep out one that is only out of sight. What `tidelock lock run` holds
// is left to expire: the guard may still be ending its command. Errors: those of the arbiter.
void free_leases_of_the_dead(lock::Backend& locks, base::Runtime& runtime, const PipelineLease::Alive& alive);

}  // namespace tidelock::pipeline

// A pipeline is run by one process at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/base/retry.h"
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

// Whether a state that said so may do later what it was asked, and the pipeline waits for it: it is locked or full, its
// server out of reach, or a standby that is about to take over.
inline bool worth_waiting(const Error& error) {
  return error.disposition() != Disposition::permanent || base::may_pass(error.code());
}

// What is known about the processes that have leases in the state.
struct Processes {
  std::function<bool(std::int64_t pid)> alive;  // Whether there is one of this number on this machine.
  // Nobody else uses the state, so that the leases of a process that is gone may be taken at once. Otherwise host names
  // and process numbers may be those of another machine or container, and only the end of a lease tells.
  bool of_one_machine = true;
};

// The lock `pipeline/<name>` in the state, renewed until the end. Used by one task.
class PipelineLease {
 public:
  // Told what is waited for, each time that it is something else: the process that runs the pipeline, or the arbiter.
  using StandBy = std::function<void(const std::string& why)>;

  // Without `stand_by`: error AlreadyRuns while another process runs it; one that seems to be gone is given the rest of
  // its lease. With it: waits until that one ends or its lease expires, and while the arbiter is out of reach. Errors:
  // cancelled when `stop` is requested meanwhile; those of the arbiter (with `stand_by`, those not worth waiting).
  PipelineLease(lock::Backend& locks, base::Runtime& runtime, const std::string& pipeline, const Processes& processes,
                const std::stop_token& stop, const StandBy& stand_by = nullptr);

  std::stop_token lost_token() const { return keeper_->stop_token(); }
  std::optional<Error> lost() const { return keeper_->lost(); }

 private:
  std::optional<lock::Lease> take(lock::Backend& locks, base::Runtime& runtime, const Processes& processes,
                                  const std::stop_token& stop, const StandBy& stand_by);

  lock::Mutex mutex_;
  const std::string pipeline_;
  std::string said_;     // Of what is waited for.
  bool waited_ = false;  // For one that seems to be gone.
  std::optional<lock::Keeper> keeper_;
};

// Frees the runs, slots and replicas that processes of this machine held or waited for which are no more, so that their
// runs can be continued at once. Fencing tokens keep out one that is only out of sight. What `tidelock lock run` holds
// is left to expire: the guard may still be ending its command. So is everything in a state of several machines.
// Errors: those of the arbiter.
void free_leases_of_the_dead(lock::Backend& locks, base::Runtime& runtime, const Processes& processes);

}  // namespace tidelock::pipeline

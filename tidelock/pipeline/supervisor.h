// Keeps a pipeline going: starts what is due, continues what was interrupted, looks after the services.
//
//   pipeline::Supervisor supervisor(pipeline, {.toolkit = toolkit, …});
//   const auto summary = supervisor.run(drain, hurry);
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/batch/run.h"
#include "tidelock/pipeline/market_clock.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/pipeline/progress.h"
#include "tidelock/pipeline/service_host.h"
#include "tidelock/pipeline/summary.h"
#include "tidelock/toolkit/toolkit.h"

namespace tidelock::pipeline {

// What a Supervisor needs from the program around it. Borrowed.
struct Surroundings {
  Toolkit& toolkit;
  ServiceHost& services;
  // Publishes a replica, whose master `owner` has open, and tells what to say about it: "version 42".
  std::function<std::string(const Replica& replica, sql::Database& owner, const std::stop_token& stop)> publish;
  // Whether there is a process of this number on this machine.
  std::function<bool(std::int64_t pid)> process_alive;
  Say say;  // What happens.
};

struct SupervisorOptions {
  std::optional<Replay> replay{};  // Empty: the real time.
  // While another process runs the pipeline: wait, and take over when it ends or dies. Else: error AlreadyRuns.
  bool standby = false;
};

// Used by one task. Borrows the pipeline and the surroundings.
class Supervisor {
 public:
  // Opens nothing yet.
  Supervisor(const Pipeline& pipeline, Surroundings surroundings, SupervisorOptions options = {});
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Until `drain` is requested, or a replay has come to its end. Draining: no further run begins, those that go on end
  // after their chunk (the next process continues them), the services are stopped, the lease is freed. `hurry`: runs
  // end at once, with what they had not committed undone, and the services are not waited for.
  //
  // In a replay the market stands still until jobs with "@first" are complete, and while a run lags half a day behind.
  // Errors: AlreadyRuns (lease.h); lease_lost; already_exists (the state is of another replay); of opening the state:
  // not_a_database, corrupt, newer_schema, … Failures of runs and services are none.
  Summary run(const std::stop_token& drain, const std::stop_token& hurry = {});

  // Runs one job now, and what it triggers; without services. What another process takes up of it, is waited for.
  // Errors: not_found for such a job; those of the state.
  Summary run_once(const std::string& job, const std::stop_token& drain, const std::stop_token& hurry = {});
  // The same for a run that failed, was stopped or interrupted: continues it. Errors: not_found for such a run;
  // already_exists when it is complete, was never to be, or another process executes it.
  Summary resume(batch::RunId run, const std::stop_token& drain, const std::stop_token& hurry = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidelock::pipeline

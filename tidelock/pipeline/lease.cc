#include "tidelock/pipeline/lease.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/log.h"
#include "tidelock/base/text.h"

namespace tidelock::pipeline {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kPatienceWithArbiter = 10s;
constexpr base::Duration kLookAgain = 2s;  // Whether the process that has the pipeline still lives.

std::optional<lock::ClaimState> holder(lock::Backend& locks, base::Runtime& runtime, const std::string& key) {
  for (const auto& state : locks.snapshot(key, runtime.in(kPatienceWithArbiter))) {
    if (!state.holders.empty()) return state.holders.front();
  }
  return std::nullopt;
}

}  // namespace

PipelineLease::PipelineLease(lock::Backend& locks, base::Runtime& runtime, const std::string& pipeline,
                             const Processes& processes, const std::stop_token& stop, const StandBy& stand_by)
    : mutex_(locks, runtime, "pipeline/" + pipeline), pipeline_(pipeline) {
  for (;;) {
    std::string why;
    try {
      if (const auto lease = take(locks, runtime, processes, stop, stand_by)) {
        keeper_.emplace(mutex_, *lease);
        return;
      }
    } catch (const Error& error) {
      if (!stand_by || !worth_waiting(error)) throw;
      why = fmt::format("the state: {}", error.what());
    }
    if (!why.empty()) {  // Not in the handler: a task must not be switched while it handles an exception.
      if (why != said_) stand_by(said_ = why);
      runtime.sleep_for(kLookAgain, stop);
    }
    if (stop.stop_requested()) {
      throw Error(Code::cancelled,
                  fmt::format("pipeline {} was told to stop while it stood by", base::quoted(pipeline_)));
    }
  }
}

// One try; empty when it is worth another one.
std::optional<lock::Lease> PipelineLease::take(lock::Backend& locks, base::Runtime& runtime, const Processes& processes,
                                               const std::stop_token& stop, const StandBy& stand_by) {
  if (auto lease = mutex_.try_acquire(runtime.in(kPatienceWithArbiter))) return lease;
  const auto first = holder(locks, runtime, mutex_.key());
  // One with this process's number and another owner was before it, as in a container that was started again.
  const auto& me = runtime.identity();
  const bool was_me = first && first->pid == me.pid && !first->owner.starts_with(me.owner);
  const bool seems_gone = first && first->host == me.host && (was_me || !processes.alive(first->pid));
  const bool may_break = seems_gone && processes.of_one_machine;
  if (may_break) locks.break_claims(mutex_.key(), std::array{first->id}, runtime.in(kPatienceWithArbiter));
  if (!first || may_break) {
    if (auto lease = mutex_.try_acquire(runtime.in(kPatienceWithArbiter))) return lease;
  }
  const auto who =
      first ? fmt::format("process {} on {} since {}", first->pid, first->host, base::format_wall_time(first->since))
            : std::string("another process");
  if (stand_by) {
    if (const auto why = "the pipeline is run by " + who; why != said_) stand_by(said_ = why);
    return mutex_.acquire(runtime.in(kLookAgain), stop);
  }
  if (seems_gone && !std::exchange(waited_, true))
    return mutex_.acquire(runtime.in(first->expires_in + kLookAgain), stop);
  throw AlreadyRuns(fmt::format("pipeline {} is run by {}", base::quoted(pipeline_), who));
}

void free_leases_of_the_dead(lock::Backend& locks, base::Runtime& runtime, const Processes& processes) {
  if (!processes.of_one_machine) return;
  const auto keys = locks.snapshot(std::nullopt, runtime.in(kPatienceWithArbiter));
  const auto is_dead = [&](const lock::ClaimState& claim) {
    return claim.host == runtime.identity().host && !processes.alive(claim.pid);
  };
  std::set<std::int64_t> dead;  // That executed runs.
  for (const auto& key : keys) {
    if (!key.key.starts_with("run/")) continue;
    for (const auto& claim : key.holders) {
      if (is_dead(claim)) dead.insert(claim.pid);
    }
  }
  const auto free_all = [&](const std::string& key, const std::vector<lock::ClaimState>& claims) {
    for (const auto& claim : claims) {
      if (!is_dead(claim) || !dead.contains(claim.pid)) continue;
      locks.release(
          {.key = key, .id = claim.id, .owner = claim.owner, .permits = claim.permits, .ttl = {}, .token = {}},
          runtime.in(kPatienceWithArbiter));
    }
  };
  for (const auto& key : keys) {
    const auto is_of = [&](std::string_view kind) { return key.key.starts_with(kind); };
    if (!is_of("run/") && !is_of("group/") && !is_of("job/") && !is_of("replica/")) continue;
    free_all(key.key, key.holders);
    free_all(key.key, key.waiters);
  }
}

}  // namespace tidelock::pipeline

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

constexpr base::Duration kPatience = 10s;  // With the arbiter.
constexpr base::Duration kLookAgain = 2s;  // Whether the process that has the pipeline still lives.

std::optional<lock::ClaimState> holder(lock::Backend& locks, base::Runtime& runtime, const std::string& key) {
  for (const auto& state : locks.snapshot(key, runtime.in(kPatience))) {
    if (!state.holders.empty()) return state.holders.front();
  }
  return std::nullopt;
}

}  // namespace

PipelineLease::PipelineLease(lock::Backend& locks, base::Runtime& runtime, const std::string& pipeline,
                             const Processes& processes, const std::stop_token& stop, const StandBy& stand_by)
    : mutex_(locks, runtime, "pipeline/" + pipeline) {
  std::string said;
  bool waited = false;
  for (;;) {
    auto lease = mutex_.try_acquire(runtime.in(kPatience));
    const auto first = lease ? std::nullopt : holder(locks, runtime, mutex_.key());
    const bool seems_gone = first && first->host == runtime.identity().host && !processes.alive(first->pid);
    if (seems_gone && processes.of_one_machine) {
      locks.break_claims(mutex_.key(), std::array{first->id}, runtime.in(kPatience));
    }
    if (!lease && (!first || (seems_gone && processes.of_one_machine))) {
      lease = mutex_.try_acquire(runtime.in(kPatience));
    }
    const auto who =
        first ? fmt::format("process {} on {} since {}", first->pid, first->host, base::format_wall_time(first->since))
              : std::string("another process");
    if (!lease && stand_by) {
      if (who != said) stand_by(said = who);
      lease = mutex_.acquire(runtime.in(kLookAgain), stop);
    } else if (!lease && seems_gone && !std::exchange(waited, true)) {
      lease = mutex_.acquire(runtime.in(first->expires_in + kLookAgain), stop);
    } else if (!lease) {
      throw AlreadyRuns(fmt::format("pipeline {} is run by {}", base::quoted(pipeline), who));
    }
    if (lease) {
      keeper_.emplace(mutex_, *lease);
      return;
    }
    if (stop.stop_requested()) {
      throw Error(Code::cancelled, fmt::format("pipeline {} was run by {} all the time", base::quoted(pipeline), who));
    }
  }
}

void free_leases_of_the_dead(lock::Backend& locks, base::Runtime& runtime, const Processes& processes) {
  if (!processes.of_one_machine) return;
  const auto keys = locks.snapshot(std::nullopt, runtime.in(kPatience));
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
          runtime.in(kPatience));
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

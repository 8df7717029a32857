#include "tidelock/batch/holders.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "tidelock/base/process_info.h"

namespace tidelock::batch {

using std::chrono::seconds;

std::string described(sql::Database& state, const lock::ClaimState& claim) {
  auto connection = state.connect();
  // Only a holder has a token; a run learns its claim when it gets the slot.
  auto rows = claim.token
                  ? connection.query("select id, job from tidelock_run where slot_claim = ?", claim.id.to_string())
                  : connection.query(
                        "select id, job from tidelock_run where owner = ? and status = 'waiting' "
                        "order by id desc limit 1",
                        claim.owner);
  if (rows.next()) return fmt::format("run {} of {}", rows.row().get<std::int64_t>(0), rows.row().get<std::string>(1));
  const bool here = claim.host == state.runtime().identity().host;
  const auto command = here ? base::process_command_line(static_cast<pid_t>(claim.pid)) : "";
  return fmt::format("process {} on {}{}", claim.pid, claim.host, command.empty() ? "" : " (" + command + ")");
}

namespace {
bool is_held(const lock::ClaimState& holder) { return holder.expires_in > base::Duration::zero(); }
}  // namespace

std::set<std::string> held_keys(lock::Backend& locks, base::Deadline deadline) {
  std::set<std::string> keys;
  for (const auto& key : locks.snapshot(std::nullopt, deadline)) {
    if (std::ranges::any_of(key.holders, is_held)) keys.insert(key.key);
  }
  return keys;
}

std::vector<std::string> slot_holders(sql::Database& state, lock::Backend& locks, std::string_view key) {
  std::vector<std::string> result;
  for (const auto& found : locks.snapshot(key, state.runtime().in(seconds(10)))) {
    for (const auto& holder : found.holders) {
      if (is_held(holder)) result.push_back(described(state, holder));
    }
  }
  return result;
}

}  // namespace tidelock::batch

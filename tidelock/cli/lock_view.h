// Locks as they are shown: a table for people, JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/lock/backend.h"

namespace tidelock::cli {

// What is printed besides the locks themselves.
struct ViewContext {
  std::string state;   // The URL, as it may be shown.
  base::WallTime now;  // For "3m ago".
};

// One line a lock. "no locks are held or waited for" when there are none.
std::string lock_table(const std::vector<lock::KeyState>& locks, const ViewContext& context);
// Every holder and waiter of one lock.
std::string lock_details(const lock::KeyState& state, const ViewContext& context);

// {"state":…,"locks":[…]}; docs/cli.md describes the fields.
std::string locks_json(const std::vector<lock::KeyState>& locks, const ViewContext& context);
// One of those, with "state". A lock that nobody holds or waits for has no holders and no waiters.
std::string lock_json(const lock::KeyState& state, const ViewContext& context);

// As lock_json() of the lock as it was before, with "broken": whether it was taken from its holders.
std::string break_json(const lock::KeyState& before, bool broken, const ViewContext& context);

// "host:pid"; safe for a terminal.
std::string holder_name(const lock::ClaimState& claim);
// "2024-11-22T15:08:03Z".
std::string utc(base::WallTime time);
// The two largest units: "1h30m", "4s", "250ms".
std::string rough(base::Duration duration);

}  // namespace tidelock::cli

// Who holds a slot, for people.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/lock/backend.h"
#include "tidelock/sql/database.h"

namespace tidelock::batch {

// "run 12 of close_day", or for foreign programs "process 4711 on host (python3 load.py)". Empty when nobody does.
std::vector<std::string> slot_holders(sql::Database& state, lock::Backend& locks, std::string_view key);

// Keys that somebody holds. An expired lease may still be listed by the arbiter, and counts no more.
std::set<std::string> held_keys(lock::Backend& locks, base::Deadline deadline);

// One holder or waiter of a slot.
std::string described(sql::Database& state, const lock::ClaimState& claim);

}  // namespace tidelock::batch

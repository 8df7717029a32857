// Who keeps an SQLite database locked.
#pragma once

#include <string>

#include "tidelock/sql/backends/sqlite/place.h"

namespace tidelock::sql::sqlite {

// The other processes that hold what SQLITE_BUSY waits for, in words: process 123 ("python3 job.py"). Empty when there
// is none (any more) or it is not known, as in a World. Asks the system: for an error, not for each call.
std::string lock_holders(const Place& place);

}  // namespace tidelock::sql::sqlite

// SQLite's online backup of one file to another.
#pragma once

#include <stop_token>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"

namespace tidelock::replica::sqlite {

// `copy` is an empty file. Not synced. Waits for a writer that keeps the master locked. Errors: database_locked after
// `patience`, cancelled, not_a_database, corrupt, disk_full, …
void backup(base::Runtime& runtime, const base::Path& master, const base::Path& copy, base::Duration patience,
            const std::stop_token& stop);

}  // namespace tidelock::replica::sqlite

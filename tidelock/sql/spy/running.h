// The statements that run now, to report those that run for long.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/sql/spy/sink.h"

namespace tidelock::sql::spy {

// Thread-safe.
class RunningStatements {
 public:
  explicit RunningStatements(base::Duration interval) : interval_(interval) {}

  // `execution`: StatementEvent::execution.
  void started(const void* execution, RecordPtr record, base::Instant at) TIDELOCK_EXCLUDES(mutex_);
  void ended(const void* execution) TIDELOCK_EXCLUDES(mutex_);

  struct Due {
    RecordPtr record;
    base::Duration elapsed;
  };
  // Those that have run for another whole interval since they were last reported.
  std::vector<Due> due(base::Instant now) TIDELOCK_EXCLUDES(mutex_);
  // When to ask again; a statement that starts later is not due before.
  base::Instant next(base::Instant now) TIDELOCK_EXCLUDES(mutex_);

 private:
  struct Entry {
    RecordPtr record;
    base::Instant started;
    std::int64_t reports = 0;
  };
  const base::Duration interval_;
  base::LocalMutex mutex_;
  std::map<const void*, Entry> entries_ TIDELOCK_GUARDED_BY(mutex_);  // By execution.
};

}  // namespace tidelock::sql::spy

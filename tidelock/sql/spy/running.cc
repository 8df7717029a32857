#include "tidelock/sql/spy/running.h"

#include <algorithm>
#include <utility>

namespace tidelock::sql::spy {

void RunningStatements::started(const void* execution, RecordPtr record, base::Instant at) {
  const base::LocalGuard guard(mutex_);
  entries_.insert_or_assign(execution, Entry{std::move(record), at});
}

void RunningStatements::ended(const void* execution) {
  const base::LocalGuard guard(mutex_);
  entries_.erase(execution);
}

std::vector<RunningStatements::Due> RunningStatements::due(base::Instant now) {
  std::vector<Due> found;
  const base::LocalGuard guard(mutex_);
  for (auto& [key, entry] : entries_) {
    const auto intervals = (now - entry.started) / interval_;
    if (intervals <= entry.reports) continue;
    entry.reports = intervals;
    found.push_back({entry.record, now - entry.started});
  }
  return found;
}

base::Instant RunningStatements::next(base::Instant now) {
  const base::LocalGuard guard(mutex_);
  auto next = base::later(now, interval_);
  for (const auto& [key, entry] : entries_) {
    next = std::min(next, base::later(entry.started, interval_ * (entry.reports + 1)));
  }
  return next;
}

}  // namespace tidelock::sql::spy

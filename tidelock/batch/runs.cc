#include "tidelock/batch/runs.h"

#include <fmt/format.h>

#include "tidelock/base/error.h"
#include "tidelock/batch/holders.h"
#include "tidelock/batch/run_record.h"
#include "tidelock/batch/state_tables.h"
#include "tidelock/sql/transact.h"

namespace tidelock::batch {
Runs::Runs(sql::Database& state) : state_(state) { prepare_state(state); }

std::optional<RunId> Runs::queue(const NewRun& run) {
  auto connection = state_.connect();
  return insert_run(connection, run, RunStatus::queued, "");
}

std::optional<RunId> Runs::record(const NewRun& run, RunStatus status, const std::string& reason) {
  auto connection = state_.connect();
  return insert_run(connection, run, status, reason);
}

std::vector<Pending> Runs::pending(lock::Backend& locks, base::Deadline deadline) {
  std::vector<std::pair<std::string, Pending>> open;
  {
    auto connection = state_.connect();
    for (const auto row : connection.query("select uuid, id, job, status, cause, scheduled_us from tidelock_run where "
                                           "status in ('queued', 'waiting', 'running', 'interrupted') order by id")) {
      open.emplace_back(
          row.get<std::string>(0),
          Pending{row.get<RunId>(1), row.get<std::string>(2), parse_run_status(row.get<std::string_view>(3)),
                  parse_cause(row.get<std::string_view>(4)), from_us(row.get<std::int64_t>(5))});
    }
  }
  std::vector<Pending> result;
  if (open.empty()) return result;
  // Looked at after the rows: a run that ends in between is no longer held, and is over.
  const auto held = held_keys(locks, deadline);
  for (auto& [uuid, run] : open) {
    if (!held.contains(run_key(uuid))) result.push_back(std::move(run));
  }
  return result;
}

bool Runs::request_stop(RunId id) {
  return sql::transact(state_, [&](sql::Transaction& tx) {
    const auto status = tx.maybe<std::string>("select status from tidelock_run where id = ?", id);
    if (!status) throw Error(Code::not_found, fmt::format("there is no run {}", id));
    if (tx.execute("update tidelock_run set status = 'stopped', ended_us = ?, reason = 'stopped before it began' where "
                   "id = ? and status in ('queued', 'interrupted')",
                   in_us(state_.runtime().wall_now()), id) > 0) {
      return true;
    }
    return tx.execute("update tidelock_run set stop_requested = 1 where id = ? and status in ('waiting', 'running')",
                      id) > 0;
  });
}

std::int64_t Runs::forget(base::WallTime before) {
  return sql::transact(state_, [&](sql::Transaction& tx) {
    constexpr std::string_view kOld =
        "select id from tidelock_run where status in ('completed', 'skipped', 'missed') and checkpoints = 0 and "
        "ended_us < ?";
    for (const auto* part : {"tidelock_step where run", "tidelock_skip where run", "tidelock_event where run"}) {
      tx.execute(fmt::format("delete from {} in ({})", part, kOld), in_us(before));
    }
    return tx.execute(fmt::format("delete from tidelock_run where id in ({})", kOld), in_us(before));
  });
}

}  // namespace tidelock::batch

#include "tidelock/batch/runs.h"

#include <fmt/format.h>

#include <functional>
#include <set>

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

std::optional<RunId> Runs::unfinished(std::string_view key) {
  return state_.maybe<RunId>(
      fmt::format("select id from tidelock_run where once_key = ? and status in ({})", kUnfinished), key);
}

std::optional<RunId> Runs::record(const NewRun& run, RunStatus status, const std::string& reason) {
  auto connection = state_.connect();
  return insert_run(connection, run, status, reason);
}

std::vector<Pending> Runs::pending(lock::Backend& locks, base::Deadline deadline) {
  std::vector<std::pair<std::string, Pending>> open;
  {
    auto connection = state_.connect();
    for (const auto row :
         connection.query(fmt::format("select uuid, id, job, status, cause, scheduled_us from tidelock_run where "
                                      "status in ({}) order by id",
                                      kUnfinished))) {
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

bool Runs::stop_if_dead(RunId id, lock::Backend& locks, base::Deadline deadline) {
  std::string uuid;
  std::int64_t token = 0;
  {
    auto connection = state_.connect();
    auto rows =
        connection.query("select uuid, token from tidelock_run where id = ? and status in ('waiting', 'running')", id);
    if (!rows.next()) return false;
    uuid = rows.row().get<std::string>(0);
    token = rows.row().get<std::int64_t>(1);
  }
  if (held_keys(locks, deadline).contains(run_key(uuid))) return false;
  // Whoever takes it over meanwhile writes his token.
  return state_.execute(
             "update tidelock_run set status = 'stopped', ended_us = ?, reason = 'stopped after its process had died' "
             "where id = ? and token = ? and status in ('waiting', 'running')",
             in_us(state_.runtime().wall_now()), id, token) > 0;
}

bool Runs::request_stop(RunId id, lock::Backend& locks, base::Deadline deadline) {
  if (stop_if_dead(id, locks, deadline)) return true;
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

std::size_t Runs::forget(std::string_view job, base::WallTime before) {
  return sql::transact(state_, [&](sql::Transaction& tx) {
    // A step that triggers is repeated when its run goes on, and finds by its key what it has queued already.
    std::set<std::string, std::less<>> unfinished;
    for (const auto row :
         tx.query("select uuid from tidelock_run where status not in ('completed', 'skipped', 'missed')")) {
      unfinished.insert(row.get<std::string>(0));
    }
    std::vector<RunId> old;
    for (const auto row :
         tx.query("select id, once_key, cause from tidelock_run where job = ? and status in ('completed', 'skipped', "
                  "'missed') and checkpoints = 0 and cause <> 'first' and ended_us < ? and "
                  "id < (select max(id) from tidelock_run where job = ?) order by id limit ?",
                  job, in_us(before), job, kForgetMost * 10)) {
      if (old.size() == kForgetMost) continue;
      const auto key = row.get<std::optional<std::string>>(1).value_or("");
      if (parse_cause(row.get<std::string_view>(2)) == Cause::trigger && unfinished.contains(triggered_by(key))) {
        continue;
      }
      old.push_back(row.get<RunId>(0));
    }
    for (const auto id : old) {
      for (const auto* part : {"tidelock_step where run", "tidelock_skip where run", "tidelock_event where run",
                               "tidelock_run where id"}) {
        tx.execute(fmt::format("delete from {} = ?", part), id);
      }
    }
    return old.size();
  });
}

}  // namespace tidelock::batch

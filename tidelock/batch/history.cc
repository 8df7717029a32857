#include "tidelock/batch/history.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/batch/holders.h"
#include "tidelock/batch/run_record.h"
#include "tidelock/batch/state_tables.h"

namespace tidelock::batch {
namespace {

using std::chrono::seconds;

constexpr std::string_view kSummary =
    "select run.id, job, run.status, cause, caused_by, scheduled_us, queued_us, run.started_us, run.ended_us, "
    "executions, reason, host, pid, uuid, coalesce(sum(rows_read), 0), coalesce(sum(rows_written), 0), "
    "coalesce(sum(rows_skipped), 0), coalesce(sum(rows_passed_over), 0) "
    "from tidelock_run as run left join tidelock_step as step on step.run = run.id ";

std::optional<base::WallTime> moment(const sql::Row& row, std::size_t column) {
  const auto us = row.get<std::optional<std::int64_t>>(column);
  return us ? std::optional(from_us(*us)) : std::nullopt;
}

// The number, and what is not in the summary: whether it says that somebody executes it.
std::pair<std::string, RunSummary> summary(const sql::Row& row) {
  RunSummary run;
  run.id = row.get<RunId>(0);
  run.job = row.get<std::string>(1);
  run.status = parse_run_status(row.get<std::string_view>(2));
  run.cause = parse_cause(row.get<std::string_view>(3));
  run.caused_by = row.get<std::string>(4);
  run.scheduled = *moment(row, 5);
  run.queued = *moment(row, 6);
  run.started = moment(row, 7);
  run.ended = moment(row, 8);
  run.executions = row.get<int>(9);
  run.reason = row.get<std::string>(10);
  run.host = row.get<std::string>(11);
  run.pid = row.get<std::int64_t>(12);
  run.rows_read = row.get<std::uint64_t>(14);
  run.rows_written = row.get<std::uint64_t>(15);
  run.rows_skipped = row.get<std::uint64_t>(16);
  run.rows_passed_over = row.get<std::uint64_t>(17);
  return {row.get<std::string>(13), run};
}

// Who says that he waits or runs, and holds no lease, has died.
std::vector<RunSummary> with_the_dead(std::vector<std::pair<std::string, RunSummary>> found, lock::Backend& locks,
                                      base::Deadline deadline) {
  const auto held = held_keys(locks, deadline);
  std::vector<RunSummary> result;
  for (auto& [uuid, run] : found) {
    const bool says_alive = run.status == RunStatus::waiting || run.status == RunStatus::running;
    run.held = held.contains(run_key(uuid));
    run.died = says_alive && !run.held;
    result.push_back(std::move(run));
  }
  return result;
}

std::vector<StepState> steps_of(sql::Executor& state, RunId id) {
  std::vector<StepState> steps;
  for (const auto row : state.query(
           "select name, kind, status, attempts, rows_read, rows_written, rows_skipped, rows_passed_over, commits, "
           "rollbacks, started_us, ended_us, error from tidelock_step where run = ? order by place",
           id)) {
    steps.push_back({.name = row.get<std::string>(0),
                     .kind = row.get<std::string>(1),
                     .status = row.get<std::string>(2),
                     .attempts = row.get<int>(3),
                     .rows_read = row.get<std::uint64_t>(4),
                     .rows_written = row.get<std::uint64_t>(5),
                     .rows_skipped = row.get<std::uint64_t>(6),
                     .rows_passed_over = row.get<std::uint64_t>(7),
                     .commits = row.get<std::uint64_t>(8),
                     .rollbacks = row.get<std::uint64_t>(9),
                     .started = moment(row, 10),
                     .ended = moment(row, 11),
                     .error = row.get<std::string>(12)});
  }
  return steps;
}

std::vector<Skip> skips_of(sql::Executor& state, RunId id) {
  std::vector<Skip> skips;
  for (const auto row :
       state.query("select coalesce(tidelock_step.name, ''), position, tidelock_skip.place, record, "
                   "tidelock_skip.error from tidelock_skip left join tidelock_step on "
                   "tidelock_step.run = tidelock_skip.run and tidelock_step.place = tidelock_skip.step "
                   "where tidelock_skip.run = ? order by tidelock_skip.step, position",
                   id)) {
    skips.push_back({row.get<std::string>(0), row.get<std::uint64_t>(1), row.get<std::string>(2),
                     row.get<std::string>(3), row.get<std::string>(4)});
  }
  return skips;
}

std::vector<Event> events_of(sql::Executor& state, RunId id) {
  std::vector<Event> events;
  for (const auto row :
       state.query("select at_us, step, level, text from tidelock_event where run = ? order by id", id)) {
    events.push_back(
        {from_us(row.get<std::int64_t>(0)), row.get<std::string>(1), row.get<std::string>(2), row.get<std::string>(3)});
  }
  return events;
}

}  // namespace

History::History(sql::Database& state, lock::Backend& locks) : state_(state), locks_(locks) { prepare_state(state); }

std::vector<RunSummary> History::list(const HistoryFilter& filter) {
  std::vector<std::pair<std::string, RunSummary>> found;
  std::string sql(kSummary);
  std::vector<sql::ValueView> values;
  if (filter.job) {
    sql += "where job = ? ";
    values.push_back(sql::to_view(*filter.job));
  }
  if (filter.cause) {
    sql += values.empty() ? "where cause = ? " : "and cause = ? ";
    values.push_back(sql::to_view(name(*filter.cause)));
  }
  if (filter.died) {  // They are few; which they are the arbiter tells.
    sql += fmt::format("{} run.status in ('waiting', 'running') ", values.empty() ? "where" : "and");
  } else if (filter.status) {
    sql += values.empty() ? "where run.status = ? " : "and run.status = ? ";
    values.push_back(sql::to_view(name(*filter.status)));
  }
  sql += "group by run.id order by run.id desc ";
  if (!filter.died) {
    sql += "limit ?";
    values.push_back(sql::to_view(filter.limit));
  }
  {
    auto connection = state_.connect();
    for (const auto row : connection.query_values(sql, values)) found.push_back(summary(row));
  }
  auto runs = with_the_dead(std::move(found), locks_, state_.runtime().in(seconds(10)));
  if (filter.died) std::erase_if(runs, [](const auto& run) { return !run.died; });
  if (runs.size() > filter.limit) runs.resize(filter.limit);
  return runs;
}

RunSummary History::find(RunId id) {
  std::vector<std::pair<std::string, RunSummary>> found;
  {
    auto connection = state_.connect();
    for (const auto row : connection.query(fmt::format("{}where run.id = ? group by run.id", kSummary), id)) {
      found.push_back(summary(row));
    }
  }
  if (found.empty()) throw Error(Code::not_found, fmt::format("there is no run {}", id));
  return with_the_dead(std::move(found), locks_, state_.runtime().in(seconds(10))).front();
}

RunDetails History::show(RunId id) {
  RunDetails details;
  details.run = find(id);
  auto connection = state_.connect();
  details.steps = steps_of(connection, id);
  details.skips = skips_of(connection, id);
  details.events = events_of(connection, id);
  return details;
}

std::vector<Waiting> History::waiting() {
  std::vector<Waiting> result;
  for (const auto& key : locks_.snapshot(std::nullopt, state_.runtime().in(seconds(10)))) {
    if (!key.key.starts_with("group/") && !key.key.starts_with("job/")) continue;
    std::vector<std::string> holders;
    for (const auto& holder : key.holders) {
      if (holder.expires_in > base::Duration::zero()) holders.push_back(described(state_, holder));
    }
    for (const auto& waiter : key.waiters) {
      result.push_back({.key = key.key, .who = described(state_, waiter), .since = waiter.since, .holders = holders});
    }
  }
  return result;
}

History::Totals History::totals() {
  auto connection = state_.connect();
  auto rows = connection.query(
      "select count(case when executions > 0 then 1 end), count(waited_us), "
      "count(case when status = 'failed' then 1 end), count(case when status = 'skipped' then 1 end), "
      "count(case when status = 'missed' then 1 end), "
      "(select coalesce(sum(rows_written), 0) from tidelock_step), "
      "(select coalesce(sum(rows_skipped), 0) from tidelock_step) from tidelock_run");
  rows.next();
  const auto count = [&](std::size_t column) { return rows.row().get<std::uint64_t>(column); };
  return {.runs = count(0),
          .slot_waits = count(1),
          .rows_written = count(5),
          .rows_skipped = count(6),
          .failed = count(2),
          .skipped = count(3),
          .missed = count(4)};
}

History::Recent History::since(base::WallTime moment) {
  auto connection = state_.connect();
  auto rows = connection.query(
      "select count(case when status = 'missed' and queued_us >= ? then 1 end), count(case when waited_us >= ? then 1 "
      "end) from tidelock_run",
      in_us(moment), in_us(moment));
  rows.next();
  return {.missed = rows.row().get<std::uint64_t>(0), .slot_waits = rows.row().get<std::uint64_t>(1)};
}

}  // namespace tidelock::batch

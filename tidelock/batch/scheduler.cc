#include "tidelock/batch/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "tidelock/batch/run_record.h"
#include "tidelock/batch/state_tables.h"
#include "tidelock/sql/row_lock.h"
#include "tidelock/sql/text_form.h"
#include "tidelock/sql/transact.h"
#include "tidelock/sql/upsert.h"

namespace tidelock::batch {
namespace {

using base::WallTime;

// Of one job at once: a job due each second that nobody ran for a month is not worth millions of rows.
constexpr std::size_t kMomentsMax = 1000;

std::string in_words(WallTime moment) { return fmt::format("{}Z", sql::format_timestamp(moment, 'T').view()); }

// The moments in (after, until]: the last kMomentsMax of them, and how many came before.
struct Moments {
  Moments(const Schedule& schedule, WallTime after, WallTime until) {
    for (auto next = schedule.next(after); next && *next <= until; next = schedule.next(*next)) {
      all.push_back(*next);
    }
    left_out = all.size() - std::min(all.size(), kMomentsMax);
    if (left_out > 0) last_left_out = all[left_out - 1];
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(left_out));
  }
  std::vector<WallTime> all;
  std::size_t left_out = 0;
  WallTime last_left_out{};
};

NewRun scheduled_run(const Job& job, WallTime moment) {
  return {.job = job.name,
          .cause = Cause::schedule,
          .scheduled = moment,
          .caused_by = job.schedule->text(),
          .key = schedule_key(job.name, moment)};
}

// Which of the moments are run: from this one on. The others were missed.
std::size_t first_to_run(const Job& job, const std::vector<WallTime>& moments, WallTime late) {
  if (job.missed == Missed::all) return 0;
  const auto in_time = static_cast<std::size_t>(std::ranges::lower_bound(moments, late) - moments.begin());
  return job.missed == Missed::once ? std::min(in_time, moments.size() - 1) : in_time;
}

}  // namespace

Scheduler::Scheduler(std::span<const Job> jobs, sql::Database& state, SchedulerOptions options)
    : state_(state), options_(options) {
  prepare_state(state);
  for (const auto& job : jobs) {
    if (job.first) first_.push_back(&job);
    if (job.schedule) scheduled_.push_back(&job);
  }
}

std::vector<Due> Scheduler::decide(WallTime now) {
  std::vector<Due> due;
  for (const auto* job : scheduled_) {
    if (!decided_until(*job)) {
      const sql::Upsert begun{
          .table = "tidelock_schedule", .columns = {"job", "decided_us"}, .key = {"job"}, .update = {}};
      state_.execute(sql::upsert_statement(state_.dialect(), begun), job->name, in_us(options_.begin.value_or(now)));
    }
  }
  if (!first_jobs_done(now, due)) return due;
  for (const auto* job : scheduled_) decide(*job, now, due);
  std::ranges::stable_sort(due, {}, &Due::scheduled);
  return due;
}

bool Scheduler::first_jobs_done(WallTime now, std::vector<Due>& due) {
  bool done = true;
  for (const auto* job : first_) {
    const auto key = job->name + "@first";
    auto connection = state_.connect();
    const auto moment = std::min(options_.begin.value_or(now), now);
    const auto id = insert_run(
        connection, {.job = job->name, .cause = Cause::first, .scheduled = moment, .caused_by = "@first", .key = key},
        RunStatus::queued, "");
    if (id) due.push_back({*id, job->name, moment});
    done =
        connection.one<std::string>("select status from tidelock_run where once_key = ?", key) == "completed" && done;
  }
  return done;
}

std::optional<WallTime> Scheduler::decided_until(const Job& job) const {
  const auto us = state_.maybe<std::int64_t>("select decided_us from tidelock_schedule where job = ?", job.name);
  return us ? std::optional(from_us(*us)) : std::nullopt;
}

void Scheduler::decide(const Job& job, WallTime now, std::vector<Due>& due) {
  const auto next = job.schedule->next(*decided_until(job));
  if (!next || *next > now) return;
  std::vector<Due> mine;
  sql::transact(state_, [&](sql::Transaction& tx) {
    mine.clear();
    // Whoever decides for this job at the same time comes before or after, as on SQLite.
    const auto lock = tx.dialect().row_locks.for_update ? sql::for_update(tx) : std::string();
    const auto until =
        from_us(tx.one<std::int64_t>("select decided_us from tidelock_schedule where job = ?" + lock, job.name));
    const Moments moments(*job.schedule, until, now);
    if (moments.all.empty()) return;  // Another process was faster.
    const auto looked = "; the next look was at " + in_words(now);
    if (moments.left_out > 0) {
      insert_run(tx, scheduled_run(job, moments.last_left_out), RunStatus::missed,
                 fmt::format("nobody was there at this and {} earlier moments{}", moments.left_out - 1, looked));
    }
    const auto run_from =
        first_to_run(job, moments.all, now - std::chrono::ceil<std::chrono::microseconds>(options_.tolerance));
    for (std::size_t i = 0; i < moments.all.size(); ++i) {
      const auto run = scheduled_run(job, moments.all[i]);
      if (i < run_from) {
        insert_run(tx, run, RunStatus::missed, "nobody was there" + looked);
      } else if (const auto id = insert_run(tx, run, RunStatus::queued, "")) {
        mine.push_back({*id, job.name, run.scheduled});
      }
    }
    tx.execute("update tidelock_schedule set decided_us = ? where job = ?", in_us(moments.all.back()), job.name);
  });
  due.insert(due.end(), mine.begin(), mine.end());
}

std::optional<WallTime> Scheduler::next(WallTime now) const {
  std::optional<WallTime> earliest;
  for (const auto* job : first_) {
    if (state_.maybe<std::string>("select status from tidelock_run where once_key = ?", job->name + "@first") !=
        "completed") {
      return std::nullopt;
    }
  }
  for (const auto* job : scheduled_) {
    const auto moment = job->schedule->next(decided_until(*job).value_or(options_.begin.value_or(now)));
    if (moment && (!earliest || *moment < *earliest)) earliest = moment;
  }
  return earliest;
}

std::vector<Upcoming> upcoming(std::span<const Job> jobs, WallTime after, std::size_t count) {
  std::vector<Upcoming> result;
  for (const auto& job : jobs) {
    if (!job.schedule) continue;
    auto moment = job.schedule->next(after);
    for (std::size_t i = 0; i < count && moment; ++i, moment = job.schedule->next(*moment)) {
      result.push_back({*moment, job.name});
    }
  }
  std::ranges::stable_sort(result, {}, &Upcoming::at);
  result.resize(std::min(result.size(), count));
  return result;
}

}  // namespace tidelock::batch

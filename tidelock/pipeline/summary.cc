#include "tidelock/pipeline/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

namespace tidelock::pipeline {
namespace {

using nlohmann::ordered_json;

double seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

void put_counts(ordered_json& out, const JobSummary& counts) {
  out["runs"] = counts.runs;
  out["completed"] = counts.completed;
  out["failed"] = counts.failed;
  out["stopped"] = counts.stopped;
  out["interrupted"] = counts.interrupted;
  out["skipped"] = counts.skipped;
  out["rows_read"] = counts.rows_read;
  out["rows_written"] = counts.rows_written;
  out["rows_skipped"] = counts.rows_skipped;
  out["longest_seconds"] = seconds(counts.longest);
}

}  // namespace

void JobSummary::add(const JobSummary& other) {
  runs += other.runs;
  completed += other.completed;
  failed += other.failed;
  stopped += other.stopped;
  interrupted += other.interrupted;
  skipped += other.skipped;
  rows_read += other.rows_read;
  rows_written += other.rows_written;
  rows_skipped += other.rows_skipped;
  longest = std::max(longest, other.longest);
}

JobSummary Summary::all() const {
  JobSummary sum;
  for (const auto& [name, counts] : jobs) sum.add(counts);
  return sum;
}

std::string Summary::to_json() const {
  ordered_json out;
  out["pipeline"] = pipeline;
  out["complete"] = complete;
  put_counts(out, all());
  out["missed"] = missed;
  out["group_waits"] = group_waits;
  out["replicas_published"] = replicas_published;
  out["service_restarts"] = service_restarts;
  out["days"] = days;
  out["seconds"] = seconds(took);
  out["jobs"] = ordered_json::object();
  for (const auto& [name, counts] : jobs) put_counts(out["jobs"][name], counts);
  return out.dump();
}

std::string Summary::to_text() const {
  constexpr auto kRow = "{:<20} {:>6} {:>9} {:>6} {:>8} {:>10} {:>10} {:>8} {:>9}\n";
  auto out =
      fmt::format(kRow, "job", "runs", "completed", "failed", "skipped", "rows read", "written", "bad rows", "longest");
  const auto row = [&](const std::string& name, const JobSummary& counts) {
    out += fmt::format(kRow, name, counts.runs, counts.completed, counts.failed, counts.skipped, counts.rows_read,
                       counts.rows_written, counts.rows_skipped, fmt::format("{:.3f}s", seconds(counts.longest)));
  };
  for (const auto& [name, counts] : jobs) row(name, counts);
  if (jobs.size() > 1) row("all", all());
  out += fmt::format("{} waits for a group, {} runs missed, {} replicas published, {} services restarted, {}{:.1f} s\n",
                     group_waits, missed, replicas_published, service_restarts,
                     days > 0 ? fmt::format("{} days in ", days) : "", seconds(took));
  return out;
}

void Counting::count(const Executed& executed) {
  const base::LocalGuard guard(mutex_);
  if (executed.error) {
    not_executed_.emplace(executed.run, executed.job.name);
    return;
  }
  not_executed_.erase(executed.run);
  if (!executed.result) return;
  const auto& result = *executed.result;
  auto& job = summary_.jobs[executed.job.name];
  ++job.runs;
  switch (result.status) {
    case batch::RunStatus::completed:
      ++job.completed;
      break;
    case batch::RunStatus::failed:
      ++job.failed;
      break;
    case batch::RunStatus::stopped:
      ++job.stopped;
      break;
    case batch::RunStatus::skipped:
      ++job.skipped;
      break;
    case batch::RunStatus::interrupted:
    case batch::RunStatus::queued:
    case batch::RunStatus::waiting:
    case batch::RunStatus::running:
    case batch::RunStatus::missed:
      ++job.interrupted;
      break;
  }
  job.rows_read += result.rows_read;
  job.rows_written += result.rows_written;
  job.rows_skipped += result.rows_skipped;
  job.longest = std::max(job.longest, executed.took);
}

void Counting::count_publication() {
  const base::LocalGuard guard(mutex_);
  ++summary_.replicas_published;
}

Summary Counting::so_far() const {
  const base::LocalGuard guard(mutex_);
  return summary_;
}

Summary Counting::at_end() const {
  const base::LocalGuard guard(mutex_);
  auto summary = summary_;
  for (const auto& [run, name] : not_executed_) {
    auto& job = summary.jobs[name];
    ++job.runs;
    ++job.failed;
  }
  return summary;
}

}  // namespace tidelock::pipeline

#include "tidelock/cli/batch_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/json_text.h"
#include "tidelock/cli/lock_view.h"
#include "tidelock/cli/table.h"

namespace tidelock::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kSkipsShown = 20;

std::string status_of(const batch::RunSummary& run) { return run.died ? "died" : std::string(name(run.status)); }

std::string optional_utc(const std::optional<base::WallTime>& moment) { return moment ? utc(*moment) : "-"; }

std::string took(const std::optional<base::WallTime>& started, const std::optional<base::WallTime>& ended) {
  return started && ended ? rough(*ended - *started) : "-";
}

// Text from outside, safe for a terminal.
std::string shown(std::string_view text) {
  const auto quoted = base::quoted(text, 300);
  const bool plain = quoted.size() == text.size() + 2;
  return plain ? std::string(text) : quoted;
}

ordered_json moment_json(const std::optional<base::WallTime>& moment) {
  return moment ? ordered_json(utc(*moment)) : ordered_json(nullptr);
}

ordered_json summary_json(const batch::RunSummary& run) {
  return {{"run", run.id},
          {"job", run.job},
          {"status", status_of(run)},
          {"cause", name(run.cause)},
          {"caused_by", run.caused_by},
          {"scheduled", utc(run.scheduled)},
          {"started", moment_json(run.started)},
          {"ended", moment_json(run.ended)},
          {"executions", run.executions},
          {"reason", run.reason},
          {"host", run.host},
          {"pid", run.pid},
          {"rows_read", run.rows_read},
          {"rows_written", run.rows_written},
          {"rows_skipped", run.rows_skipped},
          {"rows_passed_over", run.rows_passed_over}};
}

std::string in_text(const ordered_json& json) { return json_text(json, kOneLine) + "\n"; }

}  // namespace

std::string jobs_table(const JobsView& view) {
  std::vector<std::vector<std::string>> rows{{"JOB", "SCHEDULE", "LAST RUN", "STATUS", "NEXT RUN"}};
  for (const auto& line : view.jobs) {
    const auto& job = *line.job;
    rows.push_back({job.name,
                    job.schedule ? job.schedule->text()
                    : job.first  ? "@first"
                                 : "-",
                    line.last ? fmt::format("{} at {}", line.last->id, optional_utc(line.last->started)) : "-",
                    line.last ? status_of(*line.last) : "never", optional_utc(line.next)});
  }
  auto text = table(rows);
  for (const auto& waiting : view.waiting) {
    text += fmt::format("{} waits for {} since {}, held by {}\n", shown(waiting.who), shown(waiting.key),
                        rough(view.now - waiting.since), base::listed(waiting.holders));
  }
  return text;
}

std::string jobs_json(const JobsView& view) {
  ordered_json jobs = ordered_json::array();
  for (const auto& line : view.jobs) {
    const auto& job = *line.job;
    jobs.push_back({{"job", job.name},
                    {"schedule", job.schedule ? ordered_json(job.schedule->text()) : ordered_json(nullptr)},
                    {"group", job.group ? ordered_json(job.group->name) : ordered_json(nullptr)},
                    {"last", line.last ? summary_json(*line.last) : ordered_json(nullptr)},
                    {"next", moment_json(line.next)}});
  }
  ordered_json waiting = ordered_json::array();
  for (const auto& each : view.waiting) {
    waiting.push_back({{"key", each.key}, {"who", each.who}, {"since", utc(each.since)}, {"holders", each.holders}});
  }
  return in_text({{"jobs", jobs}, {"waiting", waiting}});
}

std::string runs_table(const std::vector<batch::RunSummary>& runs) {
  if (runs.empty()) return "no runs\n";
  std::vector<std::vector<std::string>> rows{
      {"RUN", "JOB", "STATUS", "SCHEDULED", "TOOK", "WRITTEN", "SKIPPED", "REASON"}};
  for (const auto& run : runs) {
    rows.push_back({std::to_string(run.id), run.job, status_of(run), utc(run.scheduled), took(run.started, run.ended),
                    std::to_string(run.rows_written), std::to_string(run.rows_skipped), shown(run.reason)});
  }
  return table(rows);
}

std::string runs_json(const std::vector<batch::RunSummary>& runs) {
  ordered_json list = ordered_json::array();
  for (const auto& run : runs) list.push_back(summary_json(run));
  return in_text({{"runs", list}});
}

std::string run_text(const batch::RunDetails& details) {
  const auto& run = details.run;
  auto text = fmt::format("run {} of {}: {}\n", run.id, run.job, status_of(run));
  text += table({{"  stands for", utc(run.scheduled)},
                 {"  caused by", fmt::format("{} {}", name(run.cause), shown(run.caused_by))},
                 {"  started", optional_utc(run.started)},
                 {"  ended", optional_utc(run.ended)},
                 {"  executions", std::to_string(run.executions)},
                 {"  process", run.executions > 0 ? fmt::format("{}:{}", shown(run.host), run.pid) : "-"}});
  if (!run.reason.empty()) text += fmt::format("  reason       {}\n", shown(run.reason));
  if (!details.steps.empty()) {
    std::vector<std::vector<std::string>> rows{{"STEP", "KIND", "STATUS", "TOOK", "READ", "WRITTEN", "SKIPPED",
                                                "PASSED OVER", "COMMITS", "ROLLBACKS", "ERROR"}};
    for (const auto& step : details.steps) {
      rows.push_back({step.name, step.kind, step.status, took(step.started, step.ended), std::to_string(step.rows_read),
                      std::to_string(step.rows_written), std::to_string(step.rows_skipped),
                      std::to_string(step.rows_passed_over), std::to_string(step.commits),
                      std::to_string(step.rollbacks), shown(step.error)});
    }
    text += "\n" + table(rows);
  }
  if (!details.skips.empty()) text += "\nbad rows:\n";
  for (std::size_t i = 0; i < std::min(details.skips.size(), kSkipsShown); ++i) {
    const auto& skip = details.skips[i];
    text += fmt::format("  {} {}: {}\n    {}\n", skip.step, shown(skip.place), shown(skip.error), shown(skip.record));
  }
  if (details.skips.size() > kSkipsShown) {
    text += fmt::format("  and {} more: --json prints all\n", details.skips.size() - kSkipsShown);
  }
  if (!details.events.empty()) text += "\nevents:\n";
  for (const auto& event : details.events) {
    text += fmt::format("  {} {:<7} {}{}\n", utc(event.at), event.level, event.step.empty() ? "" : event.step + ": ",
                        shown(event.text));
  }
  return text;
}

std::string run_json(const batch::RunDetails& details) {
  auto json = summary_json(details.run);
  json["steps"] = ordered_json::array();
  for (const auto& step : details.steps) {
    json["steps"].push_back({{"name", step.name},
                             {"kind", step.kind},
                             {"status", step.status},
                             {"attempts", step.attempts},
                             {"rows_read", step.rows_read},
                             {"rows_written", step.rows_written},
                             {"rows_skipped", step.rows_skipped},
                             {"rows_passed_over", step.rows_passed_over},
                             {"commits", step.commits},
                             {"rollbacks", step.rollbacks},
                             {"started", moment_json(step.started)},
                             {"ended", moment_json(step.ended)},
                             {"error", step.error}});
  }
  json["skips"] = ordered_json::array();
  for (const auto& skip : details.skips) {
    json["skips"].push_back({{"step", skip.step},
                             {"position", skip.position},
                             {"place", skip.place},
                             {"record", skip.record},
                             {"error", skip.error}});
  }
  json["events"] = ordered_json::array();
  for (const auto& event : details.events) {
    json["events"].push_back(
        {{"at", utc(event.at)}, {"step", event.step}, {"level", event.level}, {"text", event.text}});
  }
  return in_text(json);
}

}  // namespace tidelock::cli

#include "tidelock/batch/run.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::batch {
namespace {

constexpr std::array<std::pair<RunStatus, std::string_view>, 9> kStatuses{{{RunStatus::queued, "queued"},
                                                                           {RunStatus::waiting, "waiting"},
                                                                           {RunStatus::running, "running"},
                                                                           {RunStatus::completed, "completed"},
                                                                           {RunStatus::failed, "failed"},
                                                                           {RunStatus::stopped, "stopped"},
                                                                           {RunStatus::interrupted, "interrupted"},
                                                                           {RunStatus::skipped, "skipped"},
                                                                           {RunStatus::missed, "missed"}}};
constexpr std::array<std::pair<Cause, std::string_view>, 4> kCauses{
    {{Cause::schedule, "schedule"}, {Cause::first, "first"}, {Cause::hand, "hand"}, {Cause::trigger, "trigger"}}};

template <typename Table, typename Value>
std::string_view name_in(const Table& table, Value value) {
  for (const auto& [candidate, name] : table) {
    if (candidate == value) return name;
  }
  return "unknown";
}

template <typename Table>
auto parse_in(const Table& table, std::string_view what, std::string_view text) {
  for (const auto& [value, name] : table) {
    if (name == text) return value;
  }
  throw Error(Code::corrupt, fmt::format("a run in the state database has the {} {}, which there is none of", what,
                                         base::quoted(text)));
}

}  // namespace

std::string_view name(RunStatus status) { return name_in(kStatuses, status); }
RunStatus parse_run_status(std::string_view text) { return parse_in(kStatuses, "status", text); }
std::string_view name(Cause cause) { return name_in(kCauses, cause); }
Cause parse_cause(std::string_view text) { return parse_in(kCauses, "cause", text); }

bool waits_for_operator(RunStatus status) { return status == RunStatus::failed || status == RunStatus::stopped; }

bool is_over(RunStatus status) {
  return status == RunStatus::completed || status == RunStatus::skipped || status == RunStatus::missed;
}

std::string schedule_key(std::string_view job, base::WallTime scheduled) {
  return fmt::format("{}@{}Z", job, sql::format_timestamp(scheduled, 'T').view());
}

std::string trigger_key(std::string_view job, std::string_view uuid, std::size_t place) {
  return fmt::format("{}<-{}/{}", job, uuid, place);
}

std::string_view triggered_by(std::string_view key) {
  const auto arrow = key.rfind("<-");
  const auto slash = key.rfind('/');
  if (arrow == key.npos || slash == key.npos || slash < arrow) return {};
  return key.substr(arrow + 2, slash - arrow - 2);
}

}  // namespace tidelock::batch
